//! Attribute macros of trainer's registries. Tokens only, no I/O.

use proc_macro::TokenStream;
use quote::quote;

/// Writes an asynchronous trait so that its futures are `Send`.
#[proc_macro_attribute]
pub fn dispatch(_attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = syn::parse_macro_input!(item as syn::ItemTrait);
    for member in &mut item.items {
        let syn::TraitItem::Fn(method) = member else { continue };
        if method.sig.asyncness.take().is_none() {
            continue;
        }
        let output = match &method.sig.output {
            syn::ReturnType::Default => quote!(()),
            syn::ReturnType::Type(_, output) => quote!(#output),
        };
        method.sig.output = syn::parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
        if let Some(body) = method.default.take() {
            method.default = Some(syn::parse_quote!({ async move #body }));
        }
    }
    quote!(#item).into()
}
