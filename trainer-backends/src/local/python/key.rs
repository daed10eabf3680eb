//! What an environment depends on, as a name for it.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use trainer_core::{Error, Result, request::Packages};

use super::Interpreter;

/// Variables that installers look at.
const INSTALLER_VARIABLES: &[&str] = &["PIP_", "UV_"];

/// The name of the environment for `packages` on `python`: the same for the same content.
///
/// # Errors
/// `Unsupported` for packages that are folders: their content changes under the same name. `Io` if a file of
/// requirements can't be read.
pub(super) fn key(python: &Interpreter, packages: &Packages) -> Result<String> {
    let mut parts: Vec<Vec<u8>> = vec![
        b"1".to_vec(),
        python.executable.as_os_str().as_encoded_bytes().to_vec(),
        python.version.clone().into_bytes(),
    ];
    let specifiers: BTreeSet<&str> = packages.specifiers.iter().map(|specifier| specifier.trim()).collect();
    for specifier in specifiers {
        refuse_folder(specifier)?;
        parts.push(specifier.as_bytes().to_vec());
    }
    if let Some(requirements) = &packages.requirements {
        check_format(requirements)?;
        add_requirements(requirements, &mut BTreeSet::new(), &mut parts)?;
    }
    parts.extend(index_settings());

    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts are the same text.
        hash.update(part.len().to_le_bytes());
        hash.update(&part);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn check_format(requirements: &Path) -> Result<()> {
    let name = requirements.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name == "pyproject.toml" || name == "uv.lock" {
        return Err(Error::unsupported(format!("requirements in the form of {name} are not supported yet"))
            .with_hint("`uv export -o requirements.txt` or `pip freeze > requirements.txt` writes the form that is"));
    }
    Ok(())
}

/// A file of requirements and those that it includes.
fn add_requirements(file: &Path, seen: &mut BTreeSet<PathBuf>, parts: &mut Vec<Vec<u8>>) -> Result<()> {
    if !seen.insert(file.to_path_buf()) {
        return Ok(());
    }
    let text = fs::read_to_string(file).map_err(|error| Error::io("read the requirements", file, error))?;
    for line in text.lines().map(str::trim) {
        let option = ["-r", "--requirement", "-c", "--constraint"].iter().find_map(|option| line.strip_prefix(option));
        if let Some(included) = option.map(|rest| rest.trim_start_matches(['=', ' ', '\t'])) {
            let included = file.parent().unwrap_or(Path::new("")).join(included);
            add_requirements(&included, seen, parts)?;
        } else if !line.starts_with('#') {
            refuse_folder(line)?;
        }
    }
    parts.push(text.into_bytes());
    Ok(())
}

fn refuse_folder(requirement: &str) -> Result<()> {
    let is_folder = ["-e", "--editable", ".", "/", "file:"].iter().any(|start| requirement.starts_with(start))
        || requirement.contains("@ file:");
    if is_folder {
        return Err(Error::unsupported(format!("`{requirement}` is a folder, whose content changes without notice"))
            .with_hint("install it into the active environment (`pip install -e`), on which the job's is layered"));
    }
    Ok(())
}

/// Where packages come from, and other settings of the user's for the installer.
fn index_settings() -> Vec<Vec<u8>> {
    let mut variables: Vec<(Vec<u8>, Vec<u8>)> = env::vars_os()
        .map(|(name, value)| (name.into_encoded_bytes(), value.into_encoded_bytes()))
        .filter(|(name, _)| INSTALLER_VARIABLES.iter().any(|family| name.starts_with(family.as_bytes())))
        .collect();
    variables.sort();
    let home = env::home_dir().unwrap_or_default();
    let config = env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let files = [
        Some(PathBuf::from("/etc/pip.conf")),
        Some(home.join(".pip/pip.conf")),
        Some(config.join("pip/pip.conf")),
        Some(config.join("uv/uv.toml")),
        env::var_os("PIP_CONFIG_FILE").map(PathBuf::from),
    ];
    let files = files.into_iter().flatten().map(|file| fs::read(file).unwrap_or_default());
    variables.into_iter().flat_map(|(name, value)| [name, value]).chain(files).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn python() -> Interpreter {
        Interpreter { executable: "/usr/bin/python3".into(), version: "3.11.7".into(), packages: vec![], pip: None }
    }

    fn packages(specifiers: &[&str], requirements: Option<PathBuf>) -> Packages {
        Packages { specifiers: specifiers.iter().map(|specifier| (*specifier).to_owned()).collect(), requirements }
    }

    #[test]
    fn the_same_packages_have_one_name_and_others_another() {
        let name = |list: &[&str]| key(&python(), &packages(list, None)).unwrap();
        assert_eq!(name(&["a", "b"]), name(&["b", "a", "a"]));
        assert_ne!(name(&["a", "b"]), name(&["ab"]));
        let newer = Interpreter { version: "3.12.0".into(), ..python() };
        assert_ne!(name(&["a"]), key(&newer, &packages(&["a"], None)).unwrap());
    }

    #[test]
    fn a_change_in_an_included_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requirements.txt");
        fs::write(&file, "numpy\n-r more.txt\n").unwrap();
        fs::write(folder.path().join("more.txt"), "jax\n").unwrap();
        let before = key(&python(), &packages(&[], Some(file.clone()))).unwrap();
        fs::write(folder.path().join("more.txt"), "jax==0.10\n").unwrap();
        assert_ne!(before, key(&python(), &packages(&[], Some(file))).unwrap());
    }

    #[test]
    fn folders_and_other_formats_are_refused_with_a_way_out() {
        for wrong in
            [packages(&["./mine"], None), packages(&["-e ."], None), packages(&[], Some("/x/pyproject.toml".into()))]
        {
            assert!(key(&python(), &wrong).unwrap_err().hint().is_some());
        }
    }
}
