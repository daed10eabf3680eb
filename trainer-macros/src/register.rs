//! `#[register_…]`: who a type is, and proof that it will be in the enum.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, Ident};
use trainer_registration::{CONTRACT_VERSION, Kind, Record, Registration};

pub(crate) fn expand(kind: &Kind, arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let registered = registered(kind, arguments, item.clone()).unwrap_or_else(syn::Error::into_compile_error);
    quote!(#item #registered)
}

fn registered(kind: &Kind, arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item).map_err(|error| {
        syn::Error::new(error.span(), format!("`#[{}]` goes on a struct or an enum", kind.attribute))
    })?;
    let registration = Registration::parse(kind, arguments, &item.attrs, &item.ident, &item.generics)?;
    let root = root(kind, &registration).map_err(|problem| syn::Error::new(item.ident.span(), problem))?;
    let Registration { name, aliases, description, type_name } = &registration;
    let (contract, connect) = (format_ident!("{}", kind.contract), format_ident!("{}", kind.connect));
    // At the place of the type, so that a missing implementation is reported there.
    let assertion = quote_spanned! { type_name.span() =>
        const _: () = {
            const fn implements_contract<T: ::#root::prelude::#contract>() {}
            const fn can_be_connected<T: ::#root::prelude::#connect>() {}
            implements_contract::<#type_name>();
            can_be_connected::<#type_name>();
        };
    };
    Ok(quote! {
        impl ::#root::prelude::Registered for #type_name {
            const NAME: &'static str = #name;
            const ALIASES: &'static [&'static str] = &[#(#aliases),*];
            const DESCRIPTION: &'static str = #description;
        }
        #assertion
    })
}

/// The crate through which this one names trainer; known from the build step, which must have seen the registration.
fn root(kind: &Kind, registration: &Registration) -> Result<Ident, String> {
    let Kind { word, .. } = kind;
    let name = &registration.name;
    let this_package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let record: Option<Record> = std::env::var(Record::VARIABLE).ok().and_then(|text| text.parse().ok());
    match record {
        Some(record) if record.package == this_package => {
            if record.contract != CONTRACT_VERSION {
                return Err(format!(
                    "the build step of this crate is for contract {} of trainer, the rest of it for contract {CONTRACT_VERSION}: \
                     take `trainer-build` in the version of `{}`",
                    record.contract,
                    record.root.replace('_', "-"),
                ));
            }
            if !record.has(kind, registration) {
                return Err(format!(
                    "the build step of this crate doesn't see the {word} `{name}`, so no binary would have it: \
                     register it outside of functions and macros",
                ));
            }
            Ok(format_ident!("{}", record.root))
        }
        _ => Err(format!(
            "the {word} `{name}` is not recorded by this crate's build step: call `trainer_build::record()` in build.rs",
        )),
    }
}
