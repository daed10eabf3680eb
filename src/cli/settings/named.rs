//! `[volumes.NAME]` and `[secrets.NAME]`: what the names in a job stand for.

use serde_json::Value;
use trainer_core::{
    Error, Result,
    name::nearest,
    request::{SecretKey, SecretKeys, Volume, Volumes},
};

use super::{
    Origin, Setting,
    file::{ConfigFile, Table},
    paths,
};

/// What the files, the strongest first, say of one name, by key.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    /// Where the strongest file speaks of it.
    origin: Origin,
    pub(super) entries: Vec<(String, Setting<Value>)>,
}

/// The names of `table`. What a stronger file leaves open a weaker one fills in: the project says which claim it is,
/// the user where the data lies on their machine. Folders are absolute.
///
/// # Errors
/// As [`paths::resolve`].
pub(super) fn merged(files: &[ConfigFile], table: Table) -> Result<Vec<Named>> {
    let mut all: Vec<Named> = Vec::new();
    for section in files.iter().flat_map(|file| file.sections(table)) {
        let named = match all.iter().position(|named| named.name == section.name) {
            Some(known) => &mut all[known],
            None => {
                let (name, origin) = (section.name.clone(), section.origin.clone());
                all.push(Named { name, origin, entries: Vec::new() });
                let last = all.len() - 1;
                &mut all[last]
            }
        };
        for (key, setting) in &section.entries {
            if named.entries.iter().all(|(known, _)| known != key) {
                let mut setting = setting.clone();
                if let (Table::Volumes, "folder", Some(text)) = (table, key.as_str(), setting.value.as_str()) {
                    setting.value = paths::resolve(text, &setting.origin)?;
                }
                named.entries.push((key.clone(), setting));
            }
        }
    }
    Ok(all)
}

/// The volumes that are configured.
///
/// # Errors
/// `Invalid`, with file, line and column, for what isn't as it should be.
pub(super) fn volumes(files: &[ConfigFile]) -> Result<Volumes> {
    merged(files, Table::Volumes)?.iter().map(volume).collect()
}

fn volume(named: &Named) -> Result<Volume> {
    let mut volume = Volume::new(&named.name);
    for (key, setting) in &named.entries {
        match key.as_str() {
            "folder" => volume.folder = Some(text(key, setting)?.into()),
            "volume" => volume.volume = Some(text(key, setting)?.to_owned()),
            "claim" => volume.claim = Some(text(key, setting)?.to_owned()),
            "read_only" => {
                let wrong = || Error::invalid(format!("{}: `read_only` is true or false", setting.origin));
                volume.read_only = setting.value.as_bool().ok_or_else(wrong)?;
            }
            other => return Err(unknown("volume", other, &["folder", "volume", "claim", "read_only"], setting)),
        }
    }
    Ok(volume)
}

/// Where the secrets that are configured are on a cluster.
///
/// # Errors
/// As [`volumes`].
pub(super) fn secret_keys(files: &[ConfigFile]) -> Result<SecretKeys> {
    merged(files, Table::Secrets)?.iter().map(secret_key).collect()
}

fn secret_key(named: &Named) -> Result<SecretKey> {
    let (mut secret, mut in_it) = (None, None);
    for (key, setting) in &named.entries {
        match key.as_str() {
            "secret" => secret = Some(text(key, setting)?.to_owned()),
            "key" => in_it = Some(text(key, setting)?.to_owned()),
            other => return Err(unknown("secret", other, &["secret", "key"], setting)),
        }
    }
    match (secret, in_it) {
        (Some(secret), Some(key)) => Ok(SecretKey { name: named.name.clone(), secret, key }),
        (secret, _) => {
            let missing = if secret.is_none() { "secret" } else { "key" };
            let Named { name, origin, .. } = named;
            Err(Error::invalid(format!("{origin}: the secret `{name}` has no `{missing}`"))
                .with_hint("`secret` is the name of a Secret of the cluster, `key` the key in it"))
        }
    }
}

fn text<'a>(key: &str, setting: &'a Setting<Value>) -> Result<&'a str> {
    let text = setting.value.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| Error::invalid(format!("{}: `{key}` is a text in quotes", setting.origin)))
}

fn unknown(what: &str, key: &str, known: &[&str], setting: &Setting<Value>) -> Error {
    let key = key.escape_debug().to_string();
    let all = format!("its settings are {}", known.join(", "));
    let hint = match nearest(&key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    };
    Error::invalid(format!("{}: a {what} has no setting `{key}`", setting.origin)).with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    fn files(texts: &[&str]) -> Vec<ConfigFile> {
        texts.iter().map(|text| ConfigFile::parse(Path::new("/p/trainer.toml"), text).unwrap()).collect()
    }

    #[test]
    fn a_weaker_file_fills_in_what_a_stronger_one_leaves_open() {
        let project = "[volumes.data]\nclaim = 'corpus'\nread_only = true\n";
        let user = "[volumes.data]\nfolder = 'here'\nclaim = 'other'\n[volumes.models]\nvolume = 'models'\n";
        let volumes = volumes(&files(&[project, user])).unwrap();
        let [data, models] = &volumes.iter().collect::<Vec<_>>()[..] else { panic!("{volumes:?}") };
        assert_eq!(data.folder.as_deref(), Some(Path::new("/p/here")), "a relative path counts from its file");
        assert_eq!((data.claim.as_deref(), data.read_only), (Some("corpus"), true));
        assert_eq!((models.name.as_str(), models.volume.as_deref()), ("models", Some("models")));
    }

    #[test]
    fn what_is_wrong_has_its_place_and_a_way_out() {
        let refusal = |text: &str| {
            let files = files(&[text]);
            let error = volumes(&files).err().or_else(|| secret_keys(&files).err()).unwrap();
            format!("{error}; {}", error.hint().unwrap_or_default())
        };
        for (text, message) in [
            (
                "[volumes.data]\nfoldr = '/x'",
                "/p/trainer.toml:2:1: a volume has no setting `foldr`; did you mean `folder`? \
                 its settings are folder, volume, claim, read_only",
            ),
            ("[volumes.data]\nfolder = 3", "/p/trainer.toml:2:1: `folder` is a text in quotes; "),
            ("[volumes.data]\nread_only = 'no'", "/p/trainer.toml:2:1: `read_only` is true or false; "),
            (
                "[secrets.T]\nsecret = 'hub'",
                "/p/trainer.toml:1:10: the secret `T` has no `key`; \
                 `secret` is the name of a Secret of the cluster, `key` the key in it",
            ),
        ] {
            assert_eq!(refusal(text), message);
        }
    }

    #[test]
    fn a_secret_is_a_key_of_a_secret_of_the_cluster() {
        let keys = secret_keys(&files(&["[secrets.TOKEN]\nsecret = 'hub'\nkey = 'token'\n"])).unwrap();
        let key = keys.of("TOKEN").unwrap();
        assert_eq!((key.secret.as_str(), key.key.as_str()), ("hub", "token"));
    }
}
