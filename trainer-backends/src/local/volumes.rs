//! Volumes of a job: folders of this machine. Nothing is mounted; paths in the plan become the folders' own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path},
};

use trainer_core::{
    Error, Result,
    plan::LaunchPlan,
    request::{Mount, MountedVolume, Volumes},
};

/// What paths of the plan become, by path: for [`World::mounts`](trainer_core::plan::World::mounts).
///
/// # Errors
/// `Invalid` for a volume that isn't a folder here; `Unsupported` where one path stands for two folders.
pub(super) fn folders(plan: &LaunchPlan, mounts: &[Mount], volumes: &Volumes) -> Result<BTreeMap<String, String>> {
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    for mounted in mounted(plan, mounts, volumes)? {
        let folder = folder(&mounted)?;
        let path = mounted.path.trim_end_matches('/').to_owned();
        match folders.get(&path) {
            Some(other) if *other != folder => {
                return Err(Error::unsupported(format!(
                    "the backend `local` can't have {path} be {other} and {folder} at once"
                ))
                .with_hint("mount the volumes at different paths"));
            }
            _ => folders.insert(path, folder),
        };
    }
    Ok(folders)
}

/// The same for a launch. A part of a volume that isn't there is created, as the kubelet does.
///
/// # Errors
/// As [`folders`]; `Io` if a folder can't be created.
pub(super) fn create_folders(
    plan: &LaunchPlan,
    mounts: &[Mount],
    volumes: &Volumes,
) -> Result<BTreeMap<String, String>> {
    let folders = folders(plan, mounts, volumes)?;
    for folder in folders.values() {
        fs::create_dir_all(folder).map_err(|error| Error::io("create the folder", folder, error))?;
    }
    Ok(folders)
}

/// What is said of them at submission.
///
/// # Errors
/// As [`folders`].
pub(super) fn substitutions(plan: &LaunchPlan, mounts: &[Mount], volumes: &Volumes) -> Result<Vec<String>> {
    let mut said: Vec<String> = Vec::new();
    for mounted in mounted(plan, mounts, volumes)? {
        let (name, path, folder) = (&mounted.volume.name, mounted.path, folder(&mounted)?);
        let writable = if mounted.read_only { ", and nodes could write to it" } else { "" };
        let line = format!("the volume `{name}` at {path} is {folder} in the command and in variables{writable}");
        if !said.contains(&line) {
            said.push(line);
        }
    }
    Ok(said)
}

fn mounted<'a>(plan: &'a LaunchPlan, mounts: &'a [Mount], volumes: &'a Volumes) -> Result<Vec<MountedVolume<'a>>> {
    let mut all = Vec::new();
    for step in &plan.steps {
        for container in step.nodes.first().iter().flat_map(|node| &node.containers) {
            all.extend(volumes.mounted(mounts, step, container)?);
        }
    }
    Ok(all)
}

fn folder(mounted: &MountedVolume<'_>) -> Result<String> {
    let mut folder = mounted.volume.local_folder()?.to_path_buf();
    let name = &mounted.volume.name;
    if !folder.is_dir() {
        return Err(Error::invalid(format!("there is no folder {}, which is the volume `{name}`", folder.display()))
            .with_hint(format!("create it, or correct `folder` in [volumes.{name}] of the configuration")));
    }
    if let Some(part) = mounted.sub_path {
        if Path::new(part).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(Error::invalid(format!("`subPath` {part} leads out of the volume `{name}`")));
        }
        folder.push(part);
    }
    let text = folder.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8 text", folder.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use trainer_core::{
        ErrorKind,
        api::{RuntimeRef, TrainJob},
        plan::plan,
        request::Volume,
        runtimes::RuntimeCatalog,
    };

    use super::*;

    fn small_plan() -> LaunchPlan {
        let job = TrainJob::new(&"small".parse().unwrap(), "plain");
        let catalog = RuntimeCatalog::builtin();
        plan(&job, catalog.find(&RuntimeRef { name: "plain".to_owned(), ..RuntimeRef::default() }).unwrap()).unwrap()
    }

    fn mount(name: &str, path: &str) -> Mount {
        Mount { name: name.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn a_path_is_one_folder_and_a_folder_may_have_several() {
        let place = tempfile::tempdir().unwrap();
        let volume = |name: &str| {
            let folder = place.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            let mut volume = Volume::new(name);
            volume.folder = Some(folder);
            volume
        };
        let volumes: Volumes = ["a", "b"].map(volume).into_iter().collect();
        let of = |mounts: &[Mount]| folders(&small_plan(), mounts, &volumes);

        let twice = of(&[mount("a", "/x/"), mount("a", "/x"), mount("a", "/y")]).unwrap();
        let folder = place.path().join("a").to_str().unwrap().to_owned();
        assert_eq!(twice, [("/x".to_owned(), folder.clone()), ("/y".to_owned(), folder)].into());

        let clash = of(&[mount("a", "/x"), mount("b", "/x")]).unwrap_err();
        assert_eq!(clash.kind(), ErrorKind::Unsupported, "{clash}");
    }

    #[test]
    fn a_part_of_a_volume_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let mut volume = Volume::new("a");
        volume.folder = Some(place.path().to_owned());
        let volumes: Volumes = [volume].into_iter().collect();
        let mut plan = small_plan();
        let step = &mut plan.steps[0];
        step.volumes = vec![serde_json::json!({ "name": "v", "persistentVolumeClaim": { "claimName": "a" } })];
        for (part, is_in_it) in [("deep/part", true), ("../part", false), ("/etc", false)] {
            let mount = serde_json::json!({ "name": "v", "mountPath": "/v", "subPath": part });
            plan.steps[0].nodes[0].containers[0].volume_mounts = vec![mount];
            assert_eq!(folders(&plan, &[], &volumes).is_ok(), is_in_it, "{part}");
        }
    }
}
