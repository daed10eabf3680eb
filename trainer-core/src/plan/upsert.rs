//! How the controller puts one list into another: what is there keeps its place and takes the later value.

use serde_json::Value;

use crate::api::EnvVar;

/// Variables are the same if their names are.
pub(super) fn env(into: &mut Vec<EnvVar>, from: impl IntoIterator<Item = EnvVar>) {
    for variable in from {
        upsert(into, variable, |a, b| a.name == b.name);
    }
}

/// Ports are the same if their numbers or their names are. Two absent names are equal, which is how
/// the controller loses a port.
pub(super) fn ports(into: &mut Vec<Value>, from: impl IntoIterator<Item = Value>) {
    for port in from {
        upsert(into, port, |a, b| a["containerPort"] == b["containerPort"] || a["name"] == b["name"]);
    }
}

/// Volumes are the same if their names are.
pub(super) fn volumes(into: &mut Vec<Value>, from: impl IntoIterator<Item = Value>) {
    for volume in from {
        upsert(into, volume, |a, b| a["name"] == b["name"]);
    }
}

/// Mounts are the same if their paths are.
pub(super) fn mounts(into: &mut Vec<Value>, from: impl IntoIterator<Item = Value>) {
    for mount in from {
        upsert(into, mount, |a, b| a["mountPath"] == b["mountPath"]);
    }
}

fn upsert<T>(into: &mut Vec<T>, item: T, same: impl Fn(&T, &T) -> bool) {
    match into.iter_mut().find(|old| same(old, &item)) {
        Some(old) => *old = item,
        None => into.push(item),
    }
}
