//! Attribute macros of trainer's registries.
//!
//! **Architecture invariant: tokens only.** No file is read or written here; all that comes from
//! outside is the record that the crate's build step left in the environment.

use proc_macro::TokenStream;
use quote::quote;
use trainer_registration::{BACKEND, CONTRACT_VERSION};

mod dispatch;
mod register;

/// Registers a type as a backend, under a name and other names that choose it.
///
/// ```ignore
/// /// Jobs of a Slurm cluster.
/// #[register_backend("slurm", aliases("sbatch"))]
/// pub struct SlurmBackend { /* … */ }
/// ```
///
/// The type implements `TrainerBackend` and `ConnectBackend`; the first line of its documentation is
/// the description that people see. The build script of the crate calls `trainer_build::record()`.
#[proc_macro_attribute]
pub fn register_backend(arguments: TokenStream, item: TokenStream) -> TokenStream {
    register::expand(&BACKEND, arguments.into(), &item.into()).into()
}

/// Makes a trait one that a generated enum can dispatch.
///
/// Writes the trait, with asynchronous methods as `-> impl Future + Send`; an implementation for the
/// type without values, so that an enum without variants of its own compiles; and a macro that
/// repeats the trait's signatures where the enum is, because `enum_dispatch` needs both in one crate.
#[proc_macro_attribute]
pub fn dispatch(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::ItemTrait);
    dispatch::expand(item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Swallows its item: the repeated trait, once `enum_dispatch` has read it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn erase(_arguments: TokenStream, _item: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// The version of the contract, from where the build step has it too.
#[doc(hidden)]
#[proc_macro]
pub fn contract_version(_input: TokenStream) -> TokenStream {
    quote!(#CONTRACT_VERSION).into()
}
