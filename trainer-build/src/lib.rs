//! The build step of trainer's registries.
//!
//! A crate that registers calls [`record`] in its build script: what it registers travels as metadata
//! to the crates that depend on it. The crate of the final binary calls [`generate`], or says more
//! with [`Generate`]: all that its dependencies recorded, and its own, become one enum.
//!
//! **Architecture invariant: nothing is dropped silently.** What the step can't decide, it refuses
//! with the fix; what it can't see, the attribute refuses to compile.

mod cargo;
mod condition;
mod generate;
mod merge;
mod metadata;
mod reexport;
mod render;
mod scan;

pub use generate::Generate;

use merge::merge;
use metadata::Metadata;
use scan::Viewpoint;

/// What goes wrong: one line that says what, where, and what to do about it.
type Problem = String;

/// Records what this crate registers, for the binaries that depend on it.
///
/// Reads the modules from `src/lib.rs` on. The crate needs a `links` key, because Cargo passes
/// metadata only from crates that have one: `links = "<name of the package>"`.
///
/// A problem fails the build with a message that says how to fix it.
pub fn record() {
    cargo::run(|package| {
        let scan = scan::scan(package);
        scan.tell(package);
        let entries = merge(scan.entries(package, Viewpoint::Outside)?)?;
        package.require_links()?;
        cargo::tell_metadata(&Metadata::of(package, entries));
        Ok(())
    });
}

/// Generates the registry of this crate: [`Generate`] without further declarations.
pub fn generate() {
    Generate::new().write();
}
