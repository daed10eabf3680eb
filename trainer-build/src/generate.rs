//! The build step of the crate that has the registry.

use std::fs;

use trainer_registration::BACKEND;

use crate::{
    Problem,
    cargo::{self, Package},
    merge::merge,
    metadata::{Entry, Metadata},
    render::{self, Declaration},
    scan::{self, Viewpoint},
};

/// Generates the registry, with what the author of a binary declares about it.
///
/// In build.rs:
/// ```no_run
/// trainer_build::Generate::new().command("acme").default_backend("slurm").write();
/// ```
/// In main.rs: `trainer::registry!();`
#[derive(Debug, Default)]
pub struct Generate {
    command: Option<String>,
    config_folder: Option<String>,
    default_backend: Option<String>,
    reexports: Vec<(String, String)>,
}

impl Generate {
    /// A registry of all that the dependencies record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the command, in its help and its messages. Otherwise the name of the package.
    #[must_use]
    pub fn command(mut self, name: impl Into<String>) -> Self {
        self.command = Some(name.into());
        self
    }

    /// The name of the folder with its configuration. Otherwise the name of the command.
    #[must_use]
    pub fn config_folder(mut self, name: impl Into<String>) -> Self {
        self.config_folder = Some(name.into());
        self
    }

    /// The backend used where nobody chose one. Otherwise somebody has to.
    #[must_use]
    pub fn default_backend(mut self, name: impl Into<String>) -> Self {
        self.default_backend = Some(name.into());
        self
    }

    /// Says that this crate re-exports the crate of `package` as `name`, and has its features under
    /// the same names. With a `links` key it then hands on what that crate records, as its own.
    #[must_use]
    pub fn reexport(mut self, package: impl Into<String>, name: impl Into<String>) -> Self {
        self.reexports.push((package.into(), name.into()));
        self
    }

    /// Writes the registry for `trainer::registry!()`.
    ///
    /// A problem fails the build with a message that says how to fix it.
    pub fn write(self) {
        cargo::run(|package| {
            let scan = scan::scan(package);
            scan.tell(package);
            package.require_facade()?;
            let mut entries = scan.entries(package, Viewpoint::Inside)?;
            let mut forwarded =
                if package.has_links() { scan.entries(package, Viewpoint::Outside)? } else { Vec::new() };
            for entry in package.dependencies()?.into_iter().flat_map(|metadata| metadata.entries) {
                match self.rerooted(package, &entry) {
                    Some(entry) => {
                        entries.push(entry.clone());
                        forwarded.push(entry);
                    }
                    None => entries.push(entry),
                }
            }
            let entries = merge(entries)?;
            let text = render::file(&self.declaration(package, &entries)?, &entries)?;
            let file = cargo::out_file(render::FILE);
            fs::write(&file, text).map_err(|error| vec![format!("failed to write {}: {error}", file.display())])?;
            if package.has_links() {
                cargo::tell_metadata(&Metadata::of(package, merge(forwarded)?));
            }
            Ok(())
        });
    }

    /// What this crate hands on as its own: `::other::Type` as `::this::name::Type`.
    fn rerooted(&self, package: &Package, entry: &Entry) -> Option<Entry> {
        let (_, name) = self.reexports.iter().find(|(from, _)| *from == entry.package)?;
        let (_, rest) = entry.path.strip_prefix("::")?.split_once("::")?;
        let path = format!("::{}::{name}::{rest}", package.krate());
        Some(Entry { path, package: package.name.clone(), ..entry.clone() })
    }

    fn declaration(&self, package: &Package, entries: &[Entry]) -> Result<Declaration, Vec<Problem>> {
        let known =
            |name: &String| entries.iter().any(|entry| entry.is(&BACKEND) && entry.names().any(|known| known == name));
        if let Some(name) = self.default_backend.as_ref().filter(|name| !known(name)) {
            let names: Vec<_> = entries.iter().filter(|entry| entry.is(&BACKEND)).flat_map(Entry::names).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(vec![format!(
                "the declared default backend `{name}` is none that the dependencies of `{}` register: there are {names}",
                package.name
            )]);
        }
        let command = self.command.clone().unwrap_or_else(|| package.name.clone());
        let config_folder = self.config_folder.clone().unwrap_or_else(|| command.clone());
        let default_backend = self.default_backend.clone();
        Ok(Declaration { package: package.name.clone(), command, config_folder, default_backend })
    }
}
