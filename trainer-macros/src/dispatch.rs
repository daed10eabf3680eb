//! `#[dispatch]`: one trait in three forms.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    FnArg, ItemTrait, Path, ReturnType, Signature, TraitItem, TraitItemFn, parse_quote, spanned::Spanned, visit::Visit,
};

pub(crate) fn expand(item: ItemTrait) -> syn::Result<TokenStream> {
    let methods = methods(&item)?;
    let never = implementation_for_never(&item, &methods);
    let repeat = repeating_macro(&item, &methods);
    let item = with_send_futures(item);
    Ok(quote!(#item #never #repeat))
}

/// The signatures, as they were written.
fn methods(item: &ItemTrait) -> syn::Result<Vec<Signature>> {
    item.items
        .iter()
        .map(|member| match member {
            TraitItem::Fn(TraitItemFn { sig, .. }) if sig.receiver().is_some() => {
                check_paths(sig).map(|()| sig.clone())
            }
            _ => Err(syn::Error::new(member.span(), "only a method with `self` can be dispatched")),
        })
        .collect()
}

/// The signatures are repeated in other crates, where `crate` is another.
fn check_paths(signature: &Signature) -> syn::Result<()> {
    struct Relative(Option<syn::Error>);
    impl<'ast> Visit<'ast> for Relative {
        fn visit_path(&mut self, path: &'ast Path) {
            if path
                .segments
                .first()
                .is_some_and(|first| ["crate", "self", "super"].iter().any(|word| first.ident == word))
            {
                let problem = "this name is looked up where the enum is: import it, and export it from the prelude";
                self.0.get_or_insert_with(|| syn::Error::new(path.span(), problem));
            }
            syn::visit::visit_path(self, path);
        }
    }
    let mut visitor = Relative(None);
    for input in &signature.inputs {
        if let FnArg::Typed(input) = input {
            visitor.visit_type(&input.ty);
        }
    }
    visitor.visit_return_type(&signature.output);
    visitor.0.map_or(Ok(()), Err)
}

/// `async fn` promises nothing about its future; callers need to send it to another thread.
fn with_send_futures(mut item: ItemTrait) -> ItemTrait {
    for member in &mut item.items {
        let TraitItem::Fn(method) = member else { continue };
        if method.sig.asyncness.take().is_none() {
            continue;
        }
        let output = match &method.sig.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, output) => quote!(#output),
        };
        method.sig.output = parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
        if let Some(body) = method.default.take() {
            method.default = Some(parse_quote!({ async move #body }));
        }
    }
    item
}

fn implementation_for_never(item: &ItemTrait, methods: &[Signature]) -> TokenStream {
    let name = &item.ident;
    quote! {
        #[allow(unused_variables)]
        impl #name for ::trainer_core::registry::Never {
            #(#methods { match *self {} })*
        }
    }
}

/// Without default bodies: `enum_dispatch` would skip a method that has one, and the enum would then
/// answer with the default in place of the variant. Without attributes: they would land on the implementation.
fn repeating_macro(item: &ItemTrait, methods: &[Signature]) -> TokenStream {
    let ItemTrait { ident: name, supertraits, .. } = item;
    let repeat = format_ident!("__dispatch_{name}");
    quote! {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! #repeat {
            ($(#[$attribute:meta])*) => {
                $(#[$attribute])*
                pub trait #name: #supertraits { #(#methods;)* }
            };
        }
    }
}
