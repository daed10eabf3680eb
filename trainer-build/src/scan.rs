//! Finds the registrations of a crate by reading its modules.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Generics, Ident, Item, Meta, Token, Visibility, punctuated::Punctuated};
use trainer_registration::{CONTRACT_VERSION, KINDS, Kind, Record, Recorded, Registration};

use crate::{
    Problem,
    cargo::{self, Package},
    condition::{Configuration, Truth},
    metadata::Entry,
    reexport::Reexports,
};

/// Reads the modules of the crate, those that are off too.
///
/// What isn't there or doesn't parse is left to the compiler, which says it better.
pub(crate) fn scan(package: &Package) -> Scan {
    let mut walk = Walk { configuration: &package.configuration, scan: Scan::default() };
    let folder = package.folder.join("src");
    let root = ["lib.rs", "main.rs"].map(|name| folder.join(name)).into_iter().find(|file| file.exists());
    if let Some(root) = root {
        walk.file(&root, &Place { module: Vec::new(), conditions: Vec::new(), children: folder.clone(), folder });
    }
    walk.scan
}

/// What was read.
#[derive(Default)]
pub(crate) struct Scan {
    files: Vec<PathBuf>,
    found: Vec<Found>,
    reexports: Reexports,
}

struct Found {
    kind: &'static Kind,
    registration: Registration,
    module: Vec<String>,
    conditions: Vec<Meta>,
    file: PathBuf,
}

/// How the binary's registry names a type of the crate.
#[derive(Clone, Copy)]
pub(crate) enum Viewpoint {
    /// The registry is in another crate.
    Outside,
    /// The registry is in the same crate.
    Inside,
}

impl Scan {
    /// Tells Cargo what was read, and the attributes in the crate what was found.
    pub(crate) fn tell(&self, package: &Package) {
        for file in &self.files {
            cargo::tell_file(file);
        }
        let recorded = |Found { kind, registration, .. }: &Found| Recorded {
            kind: kind.word.to_owned(),
            name: registration.name.clone(),
            type_name: registration.type_name.to_string(),
        };
        cargo::tell_record(&Record {
            package: package.name.clone(),
            contract: CONTRACT_VERSION,
            root: package.root().to_owned(),
            registrations: self.found.iter().map(recorded).collect(),
        });
    }

    /// What was found, as a registry names it.
    pub(crate) fn entries(&self, package: &Package, viewpoint: Viewpoint) -> Result<Vec<Entry>, Vec<Problem>> {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for found in &self.found {
            match found.entry(package, viewpoint, &self.reexports) {
                Ok(entry) => entries.push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(entries) } else { Err(problems) }
    }
}

impl Found {
    fn entry(&self, package: &Package, viewpoint: Viewpoint, reexports: &Reexports) -> Result<Entry, Problem> {
        let Self { kind: Kind { word, .. }, registration, module, conditions, file } = self;
        let Registration { name, aliases, description, type_name } = registration;
        let configuration = &package.configuration;
        let file = file.strip_prefix(&package.folder).unwrap_or(file);
        let truth = conditions.iter().map(|condition| configuration.evaluate(condition)).fold(Truth::Yes, Truth::and);
        let enabled = match truth {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Unknown(part) => {
                return Err(format!(
                    "{}: whether there is a {word} `{name}` depends on `cfg({part})`, which a build script isn't told: \
                     use a feature, a property of the target, or `all`, `any`, `not` of those",
                    file.display()
                ));
            }
        };
        let item: Vec<_> = module.iter().cloned().chain([type_name.to_string()]).collect();
        let named = |root: &str, path: &[String]| format!("{root}::{}", path.join("::"));
        let krate = format!("::{}", package.krate());
        let defined = named(&krate, &item);
        let path = match viewpoint {
            Viewpoint::Inside => named("crate", &item),
            Viewpoint::Outside => match reexports.public_path(&item) {
                Some(path) => named(&krate, &path),
                None => {
                    return Err(format!(
                        "{}: the {word} `{name}` can't be named from outside of its crate: \
                         make `{type_name}` and the modules that it is in `pub`, or re-export it",
                        file.display()
                    ));
                }
            },
        };
        let feature = (!enabled).then(|| configuration.missing_features(conditions)).flatten();
        Ok(Entry {
            kind: (*word).to_owned(),
            name: name.clone(),
            aliases: aliases.clone(),
            description: description.clone(),
            package: package.name.clone(),
            path,
            defined,
            enabled,
            feature,
        })
    }
}

struct Walk<'a> {
    configuration: &'a Configuration,
    scan: Scan,
}

/// Where the walk is.
#[derive(Clone)]
struct Place {
    module: Vec<String>,
    /// All that must hold for what is here to be compiled.
    conditions: Vec<Meta>,
    /// Where the file of `mod name;` is looked for.
    children: PathBuf,
    /// What `#[path]` is relative to.
    folder: PathBuf,
}

impl Walk<'_> {
    fn file(&mut self, file: &Path, place: &Place) {
        let Ok(text) = fs::read_to_string(file) else { return };
        self.scan.files.push(file.to_owned());
        let Ok(syntax) = syn::parse_file(&text) else { return };
        let mut place = place.clone();
        place.conditions.extend(conditions(&self.active(&syntax.attrs)));
        for item in &syntax.items {
            self.item(item, &place, file);
        }
    }

    fn item(&mut self, item: &Item, place: &Place, file: &Path) {
        match item {
            Item::Mod(module) => self.module(module, place, file),
            Item::Struct(item) => self.type_(&item.attrs, &item.vis, &item.ident, &item.generics, place, file),
            Item::Enum(item) => self.type_(&item.attrs, &item.vis, &item.ident, &item.generics, place, file),
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => {
                self.scan.reexports.add_use(&place.module, &item.tree);
            }
            _ => {}
        }
    }

    fn module(&mut self, module: &syn::ItemMod, place: &Place, file: &Path) {
        let name = module.ident.to_string();
        let file_name = name.trim_start_matches("r#").to_owned();
        let attributes = self.active(&module.attrs);
        let mut inner = place.clone();
        inner.module.push(name);
        inner.conditions.extend(conditions(&attributes));
        if matches!(module.vis, Visibility::Public(_)) {
            self.scan.reexports.add_public(&inner.module);
        }
        inner.children.push(&file_name);
        if let Some((_, items)) = &module.content {
            inner.folder.clone_from(&inner.children);
            for item in items {
                self.item(item, &inner, file);
            }
            return;
        }
        let candidates = match path_of(&attributes) {
            // A file that is named by a path counts as a `mod.rs`: its own modules are beside it.
            Some(path) => {
                let file = place.folder.join(path);
                inner.children = file.parent().unwrap_or(&place.folder).to_owned();
                vec![file]
            }
            None => vec![place.children.join(format!("{file_name}.rs")), inner.children.join("mod.rs")],
        };
        for file in candidates {
            inner.folder = file.parent().unwrap_or(&file).to_owned();
            self.file(&file, &inner);
        }
    }

    fn type_(
        &mut self,
        attributes: &[Attribute],
        visibility: &Visibility,
        name: &Ident,
        generics: &Generics,
        place: &Place,
        file: &Path,
    ) {
        let active = self.active(attributes);
        for kind in KINDS {
            let Some((registers, condition)) = registering(kind, attributes) else { continue };
            // What is wrong with the attribute is said where it is expanded.
            let arguments = registers.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
            let Ok(registration) = Registration::parse(kind, arguments, attributes, name, generics) else { continue };
            let mut conditions_here = place.conditions.clone();
            conditions_here.extend(conditions(&active));
            conditions_here.extend(condition);
            if matches!(visibility, Visibility::Public(_)) {
                let path: Vec<_> = place.module.iter().cloned().chain([name.to_string()]).collect();
                self.scan.reexports.add_public(&path);
            }
            self.scan.found.push(Found {
                kind,
                registration,
                module: place.module.clone(),
                conditions: conditions_here,
                file: file.to_owned(),
            });
        }
    }

    /// The attributes, with what an active `cfg_attr` adds.
    fn active(&self, attributes: &[Attribute]) -> Vec<Meta> {
        let mut active = Vec::new();
        for attribute in attributes {
            match cfg_attr(&attribute.meta) {
                Some((condition, metas)) if self.configuration.evaluate(&condition) == Truth::Yes => {
                    active.extend(metas);
                }
                Some(_) => {}
                None => active.push(attribute.meta.clone()),
            }
        }
        active
    }
}

/// The attribute that registers, and the condition that it is under, if it is in a `cfg_attr`.
fn registering(kind: &Kind, attributes: &[Attribute]) -> Option<(Meta, Option<Meta>)> {
    let registers = |meta: &Meta| meta.path().segments.last().is_some_and(|last| last.ident == kind.attribute);
    attributes.iter().find_map(|attribute| match cfg_attr(&attribute.meta) {
        Some((condition, metas)) => metas.into_iter().find(registers).map(|meta| (meta, Some(condition))),
        None => registers(&attribute.meta).then(|| (attribute.meta.clone(), None)),
    })
}

fn cfg_attr(meta: &Meta) -> Option<(Meta, Vec<Meta>)> {
    let list = meta.require_list().ok().filter(|list| list.path.is_ident("cfg_attr"))?;
    let mut parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?.into_iter();
    Some((parts.next()?, parts.collect()))
}

/// The predicates of `#[cfg(…)]`.
fn conditions(attributes: &[Meta]) -> Vec<Meta> {
    let cfg = |meta: &Meta| meta.require_list().ok().filter(|list| list.path.is_ident("cfg"))?.parse_args().ok();
    attributes.iter().filter_map(cfg).collect()
}

/// The file in `#[path = "…"]`.
fn path_of(attributes: &[Meta]) -> Option<String> {
    attributes.iter().find_map(|meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(file), .. }) => Some(file.value()),
            _ => None,
        },
        _ => None,
    })
}
