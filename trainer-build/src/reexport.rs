//! How an item that is defined somewhere in a crate can be named from outside of it.

use std::collections::HashSet;

use syn::{UseTree, ext::IdentExt};

/// A path of names from the root of the crate.
type Path = Vec<String>;

/// What a crate makes public.
#[derive(Default)]
pub(crate) struct Reexports {
    /// Modules and types that are `pub` where they are defined.
    public: HashSet<Path>,
    uses: Vec<Use>,
}

/// One leaf of a `pub use`.
struct Use {
    module: Path,
    source: Path,
    /// `None`: all that is public in the source.
    name: Option<String>,
}

impl Reexports {
    pub(crate) fn add_public(&mut self, item: &[String]) {
        self.public.insert(item.to_vec());
    }

    pub(crate) fn add_use(&mut self, module: &[String], tree: &UseTree) {
        self.leaves(module, module.to_vec(), true, tree);
    }

    /// The path under which `item` is visible from outside, if there is one.
    pub(crate) fn public_path(&self, item: &[String]) -> Option<Path> {
        self.search(item, &mut HashSet::new())
    }

    fn search(&self, item: &[String], seen: &mut HashSet<Path>) -> Option<Path> {
        let Some((name, parent)) = item.split_last() else { return Some(Path::new()) };
        if !seen.insert(item.to_vec()) {
            return None;
        }
        let named = |module: Path, name: &str| module.into_iter().chain([name.to_owned()]).collect();
        let is_public = self.public.contains(item);
        if is_public && let Some(parent) = self.search(parent, seen) {
            return Some(named(parent, name));
        }
        self.uses.iter().find_map(|used| match &used.name {
            Some(as_name) if used.source == item => Some(named(self.search(&used.module, seen)?, as_name)),
            None if is_public && used.source == parent => Some(named(self.search(&used.module, seen)?, name)),
            _ => None,
        })
    }

    /// `first`: whether `crate`, `self` and `super` may stand here.
    fn leaves(&mut self, module: &[String], mut source: Path, first: bool, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                match path.ident.unraw().to_string().as_str() {
                    "crate" if first => source.clear(),
                    "self" => {}
                    "super" => drop(source.pop()),
                    _ => source.push(path.ident.to_string()),
                }
                self.leaves(module, source, false, &path.tree);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.leaves(module, source.clone(), first, tree);
                }
            }
            UseTree::Glob(_) => self.uses.push(Use { module: module.to_vec(), source, name: None }),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name != "self" {
                    source.push(name);
                }
                let name = source.last().cloned();
                self.uses.extend(name.map(|name| Use { module: module.to_vec(), source, name: Some(name) }));
            }
            UseTree::Rename(rename) => {
                source.push(rename.ident.to_string());
                self.uses.push(Use { module: module.to_vec(), source, name: Some(rename.rename.to_string()) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn path(text: &str) -> Path {
        text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn public_path(public: &[&str], uses: &[(&str, UseTree)], item: &str) -> Option<String> {
        let mut reexports = Reexports::default();
        for item in public {
            reexports.add_public(&path(item));
        }
        for (module, tree) in uses {
            reexports.add_use(&path(module), tree);
        }
        reexports.public_path(&path(item)).map(|path| path.join("::"))
    }

    #[test]
    fn a_public_item_in_public_modules_has_its_own_path() {
        assert_eq!(public_path(&["a", "a::T"], &[], "a::T").as_deref(), Some("a::T"));
        assert_eq!(public_path(&["a::T"], &[], "a::T"), None);
        assert_eq!(public_path(&["a"], &[], "a::T"), None);
    }

    #[test]
    fn a_reexport_makes_an_item_of_a_private_module_visible() {
        let uses: [(&str, UseTree); 6] = [
            ("", parse_quote!(a::T)),
            ("", parse_quote!(crate::a::T)),
            ("", parse_quote!(self::a::{S, T})),
            ("", parse_quote!(a::*)),
            ("b::c", parse_quote!(super::super::a::T)),
            ("", parse_quote!(a::T as U)),
        ];
        let paths: Vec<_> = uses
            .into_iter()
            .map(|used| public_path(&["a::T", "b", "b::c"], &[used], "a::T").unwrap_or_default())
            .collect();
        assert_eq!(paths, ["T", "T", "T", "T", "b::c::T", "U"]);
    }

    #[test]
    fn reexports_are_followed_through_modules_and_cycles() {
        let through: [(&str, UseTree); 2] = [("", parse_quote!(a::b)), ("a::b", parse_quote!(c::T))];
        assert_eq!(public_path(&["a::b::c::T"], &through, "a::b::c::T").as_deref(), Some("b::T"));
        let cycle: [(&str, UseTree); 2] = [("a", parse_quote!(super::b::*)), ("b", parse_quote!(super::a::*))];
        assert_eq!(public_path(&["a::T"], &cycle, "a::T"), None);
    }
}
