//! Small files that the controller would make (hostfile, ssh keys), as archives for a container that need not run.

use std::io;

use serde_json::Value;
use tar::{Builder, EntryType, Header};
use trainer_core::{Error, ErrorKind, Result, plan::LaunchPlan};

use super::placement::MountedFiles;

/// Files by their keys: the content of a ConfigMap or a Secret.
pub(super) type Contents = Vec<(String, Vec<u8>)>;

/// What a ConfigMap of the plan holds.
pub(super) fn config_map(plan: &LaunchPlan, name: &str) -> Contents {
    let files = plan.files.iter().filter(|file| file.name == name);
    files.map(|file| (file.key.clone(), file.content.clone().into_bytes())).collect()
}

/// The archive, for the root of a container, of the files as they are mounted: of root, for `group` to read if there is
/// one, as in a pod.
///
/// # Errors
/// `Invalid` for a mode that isn't one; `Internal` if the archive can't be made.
pub(super) fn archive(mounted: &MountedFiles<'_>, contents: &Contents, group: Option<u32>) -> Result<Vec<u8>> {
    let folder = mounted.path.trim_start_matches('/').trim_end_matches('/');
    let mode_of = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|mode| u32::try_from(mode).ok());
    let usual = mode_of(mounted.definition.get("defaultMode")).unwrap_or(0o644);
    let readable = if group.is_some() { 0o440 } else { 0 };
    let owner = group.unwrap_or(0);
    let mut archive = Builder::new(Vec::new());
    let mut build = || -> io::Result<()> {
        append(&mut archive, &format!("{folder}/"), EntryType::Directory, 0o755, owner, &[])?;
        match mounted.definition.get("items").and_then(Value::as_array) {
            Some(items) => {
                for item in items {
                    let (key, path) = (item["key"].as_str(), item["path"].as_str().unwrap_or_default());
                    let mode = mode_of(item.get("mode")).unwrap_or(usual) | readable;
                    if let Some((_, content)) = contents.iter().find(|(name, _)| Some(name.as_str()) == key) {
                        append(&mut archive, &format!("{folder}/{path}"), EntryType::Regular, mode, owner, content)?;
                    }
                }
            }
            None => {
                for (key, content) in contents {
                    let mode = usual | readable;
                    append(&mut archive, &format!("{folder}/{key}"), EntryType::Regular, mode, owner, content)?;
                }
            }
        }
        archive.finish()
    };
    build().map_err(|error| unmade(&error))?;
    archive.into_inner().map_err(|error| unmade(&error))
}

/// The archive, for the root of a container, of `contents` in a folder for root alone.
pub(super) fn folder(path: &str, contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let mut build = || -> io::Result<()> {
        append(&mut archive, &format!("{path}/"), EntryType::Directory, 0o700, 0, &[])?;
        for (key, content) in contents {
            append(&mut archive, &format!("{path}/{key}"), EntryType::Regular, 0o600, 0, content)?;
        }
        archive.finish()
    };
    build().map_err(|error| unmade(&error))?;
    archive.into_inner().map_err(|error| unmade(&error))
}

/// The archive, for the root of a container, that opens a folder to every user, as an `emptyDir` is. An entry for the
/// folder that an archive is unpacked in would do on Podman only.
pub(super) fn open_folder(path: &str) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let folder = format!("{}/", path.trim_matches('/'));
    append(&mut archive, &folder, EntryType::Directory, 0o777, 0, &[]).map_err(|error| unmade(&error))?;
    archive.into_inner().map_err(|error| unmade(&error))
}

fn append(
    archive: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    mode: u32,
    group: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(group.into());
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

fn unmade(error: &io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("an archive of files can't be made: {error}"))
}
