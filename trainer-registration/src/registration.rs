//! The grammar of `#[register_…("name", aliases("other"))]`.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use syn::{
    Attribute, Expr, ExprLit, Generics, Ident, Lit, LitStr, Meta, Token, parenthesized,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

use crate::Kind;

/// What an attribute and the documentation under it say of a type.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The name that chooses it.
    pub name: String,
    /// Other names that choose it.
    pub aliases: Vec<String>,
    /// The first line of its documentation, without the full stop.
    pub description: String,
    /// The type.
    pub type_name: Ident,
}

impl Registration {
    /// Reads the `arguments` of the attribute, and the type that it is on.
    ///
    /// # Errors
    /// What doesn't fit, with its place in the source.
    pub fn parse(
        kind: &Kind,
        arguments: TokenStream,
        attributes: &[Attribute],
        type_name: &Ident,
        generics: &Generics,
    ) -> syn::Result<Self> {
        let (name, aliases) = (|input: ParseStream| names(kind, input)).parse2(arguments)?;
        if !generics.params.is_empty() {
            let problem = format!("a registered {} has no generic parameters", kind.word);
            return Err(syn::Error::new(generics.span(), problem));
        }
        let description = first_line(attributes).ok_or_else(|| {
            let problem = format!(
                "the {} `{name}` needs a doc comment: its first line is the description that people see",
                kind.word
            );
            syn::Error::new(type_name.span(), problem)
        })?;
        Ok(Self { name, aliases, description, type_name: type_name.clone() })
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(String::as_str)
    }
}

fn names(kind: &Kind, input: ParseStream) -> syn::Result<(String, Vec<String>)> {
    if !input.peek(LitStr) {
        let span = if input.is_empty() { Span::call_site() } else { input.span() };
        let problem = format!("expected the name of the {}: `#[{}(\"name\")]`", kind.word, kind.attribute);
        return Err(syn::Error::new(span, problem));
    }
    let mut seen = Vec::new();
    let name = read_name(kind, &input.parse()?, &mut seen)?;
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let option: Ident = input.parse()?;
        if option != "aliases" {
            let problem = format!("unknown option `{option}`: there is `aliases(\"other-name\")`");
            return Err(syn::Error::new(option.span(), problem));
        }
        let list;
        parenthesized!(list in input);
        for alias in Punctuated::<LitStr, Token![,]>::parse_terminated(&list)? {
            read_name(kind, &alias, &mut seen)?;
        }
    }
    seen.remove(0);
    Ok((name, seen))
}

fn read_name(kind: &Kind, literal: &LitStr, seen: &mut Vec<String>) -> syn::Result<String> {
    let name = literal.value();
    let refuse = |problem: &dyn Display| Err(syn::Error::new(literal.span(), problem));
    if let Some(problem) = problem_with_name(&name) {
        return refuse(&format!("the name of a {} {problem}", kind.word));
    }
    if seen.contains(&name) {
        return refuse(&format!("`{name}` is given twice"));
    }
    seen.push(name.clone());
    Ok(name)
}

/// Names are typed, are keys of the configuration, and become variants: words of small letters and digits, joined by dashes.
fn problem_with_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("must not be empty")
    } else if name == "self" {
        Some("must not be `self`: no variant can be called that")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("must start with a lower-case letter")
    } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        Some("may only have lower-case letters, digits and dashes")
    } else if name.split('-').any(str::is_empty) {
        Some("must not end with a dash or have two in a row")
    } else {
        None
    }
}

fn first_line(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().filter_map(doc_text).find_map(|text| {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.strip_suffix('.').unwrap_or(line).to_owned())
    })
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quote::quote;
    use syn::parse_quote;

    use super::*;
    use crate::BACKEND;

    fn parse(arguments: TokenStream) -> syn::Result<Registration> {
        let item: syn::ItemStruct = parse_quote! {
            /// Containers of an engine on this machine.
            ///
            /// More about them.
            struct Container;
        };
        Registration::parse(&BACKEND, arguments, &item.attrs, &item.ident, &item.generics)
    }

    #[test]
    fn a_registration_has_a_name_aliases_and_the_first_line_of_the_documentation() {
        let read = parse(quote!("container", aliases("docker", "podman"))).unwrap();
        assert_eq!(read.names().collect::<Vec<_>>(), ["container", "docker", "podman"]);
        assert_eq!(read.description, "Containers of an engine on this machine");
    }

    #[test]
    fn a_name_is_words_joined_by_dashes() {
        for good in ["a", "local", "k8s", "my-slurm-2"] {
            assert!(parse(quote!(#good)).is_ok(), "{good}");
        }
        for bad in ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a b", "a/b", "self", "ä"] {
            assert!(parse(quote!(#bad)).is_err(), "{bad}");
        }
    }
}
