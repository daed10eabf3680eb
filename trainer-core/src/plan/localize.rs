//! How an engine's world enters the plan: the one place where addresses, ports and paths change.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{Container, Dependency, DependencyStatus, LaunchPlan, PlannedNode, expand, upsert};
use crate::{NodeIndex, api::EnvVar};

/// What differs between the plan and the place where it runs. One for each attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// What a node's address in the plan becomes. Absent: it stays.
    pub addresses: BTreeMap<String, String>,
    /// What a port of the plan becomes. Absent: it stays.
    pub ports: BTreeMap<u16, u16>,
    /// What a path of the plan becomes, for whole paths and what is below them. Absent: it stays.
    pub mounts: BTreeMap<String, String>,
    /// What is added to the environment of each node, unless the job sets it itself;
    /// made by [`prepare::additions`](crate::prepare::additions).
    pub additions: BTreeMap<(String, NodeIndex), Vec<EnvVar>>,
}

/// Variables whose whole value is a port: where the others say address and port, these say the port alone.
const PORT_VARIABLES: [&str; 3] = ["PET_MASTER_PORT", "DMLC_TRACKER_PORT", "MASTER_PORT"];

/// The plan as it is executed in `world`.
///
/// Addresses are replaced wherever they stand as a word (variables, commands, arguments, files), with the port
/// behind them; ports alone in container ports and in the variables that carry only a port.
/// `$(NAME)` is replaced as the kubelet would.
/// Steps that start in order wait for the step before them.
#[must_use]
pub fn localize(plan: &LaunchPlan, world: &World) -> LaunchPlan {
    let mut plan = plan.clone();
    start_in_order(&mut plan);
    for step in &mut plan.steps {
        for node in &mut step.nodes {
            node.address = world.text(&node.address).into_owned();
            let additions = world.additions.get(&(step.name.clone(), node.index));
            localize_node(node, world, additions.map_or(&[], Vec::as_slice));
        }
    }
    for file in &mut plan.files {
        world.rewrite(&mut file.content);
    }
    plan
}

/// `startupPolicy: InOrder` is the same as each step waiting until the one before it is ready.
fn start_in_order(plan: &mut LaunchPlan) {
    if plan.rest.shift_remove("startupPolicy").is_none_or(|policy| policy["startupPolicyOrder"] != "InOrder") {
        return;
    }
    let names: Vec<String> = plan.steps.iter().map(|step| step.name.clone()).collect();
    for (step, before) in plan.steps.iter_mut().skip(1).zip(names) {
        step.depends_on.push(Dependency { name: before, status: DependencyStatus::Ready });
    }
}

fn localize_node(node: &mut PlannedNode, world: &World, additions: &[EnvVar]) {
    for container in node.init_containers.iter_mut().chain(&mut node.containers) {
        localize_container(container, world);
        let added = additions.iter().filter(|added| container.env.iter().all(|variable| variable.name != added.name));
        let added: Vec<EnvVar> = added.cloned().collect();
        upsert::env(&mut container.env, added);
        expand::references(container);
    }
}

fn localize_container(container: &mut Container, world: &World) {
    for word in container.command.iter_mut().chain(&mut container.args) {
        world.rewrite(word);
    }
    for variable in &mut container.env {
        let Some(value) = &mut variable.value else { continue };
        if PORT_VARIABLES.contains(&variable.name.as_str())
            && let Some(port) = value.parse().ok().and_then(|port| world.ports.get(&port))
        {
            *value = port.to_string();
        } else {
            world.rewrite(value);
        }
    }
    for port in &mut container.ports {
        *port = world.ports.get(port).copied().unwrap_or(*port);
    }
    for mount in &mut container.volume_mounts {
        if let Some(Value::String(path)) = mount.get_mut("mountPath") {
            world.rewrite(path);
        }
    }
    if let Some(Value::String(directory)) = container.rest.get_mut("workingDir") {
        world.rewrite(directory);
    }
}

impl World {
    fn rewrite(&self, text: &mut String) {
        if let Cow::Owned(new) = self.text(text) {
            *text = new;
        }
    }

    /// `text` with this world's addresses, ports behind them, and paths.
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut new = String::new();
        let mut copied = 0;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if rest.starts_with("//") {
                at += 2; // what follows is a host, not a path
                continue;
            }
            let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            if word == 0 {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let end = at + word;
            if let Some((replacement, used)) = self.word(&text[at..end], &text[end..]) {
                new += &text[copied..at];
                new += &replacement;
                copied = at + used;
            }
            at = end.max(copied);
        }
        if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(new + &text[copied..]) }
    }

    /// What `word` with what is `behind` it becomes, and how much of both that replaces.
    fn word(&self, word: &str, behind: &str) -> Option<(String, usize)> {
        if word.starts_with('/') {
            return self.path(word).map(|path| (path, word.len()));
        }
        let host = word.split('/').next().unwrap_or(word);
        let address = self.addresses.get(host)?;
        if host.len() < word.len() {
            return Some((address.clone(), host.len()));
        }
        let digits = behind
            .strip_prefix(':')
            .map_or("", |port| &port[..port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len())]);
        match digits.parse().ok().and_then(|port| self.ports.get(&port)) {
            Some(port) => Some((format!("{address}:{port}"), word.len() + 1 + digits.len())),
            None => Some((address.clone(), word.len())),
        }
    }

    /// The longest mount that holds `path`, replaced.
    fn path(&self, path: &str) -> Option<String> {
        let holds = |mount: &str| {
            path.strip_prefix(mount.trim_end_matches('/')).filter(|below| below.is_empty() || below.starts_with('/'))
        };
        let mounts = self.mounts.iter().filter_map(|(mount, to)| Some((mount.len(), to, holds(mount)?)));
        let (_, to, below) = mounts.max_by_key(|(length, ..)| *length)?;
        Some(format!("{}{below}", to.trim_end_matches('/')))
    }
}

/// Addresses and paths are made of these; anything else separates them.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | '~' | '+' | '@' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let of =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        World {
            addresses: of(&[("a-node-0-0.a", "127.0.0.1"), ("a-node-0-1.a", "127.0.0.2")]),
            ports: [(29500, 20001)].into(),
            mounts: of(&[("/workspace", "/data/w"), ("/workspace/model", "/models"), ("/out/", "/tmp/o")]),
            ..World::default()
        }
    }

    #[test]
    fn an_address_takes_the_port_behind_it_along() {
        for (plan, here) in [
            ("a-node-0-0.a", "127.0.0.1"),
            ("a-node-0-0.a:29500", "127.0.0.1:20001"),
            ("a-node-0-0.a:22", "127.0.0.1:22"),
            ("--rdzv=tcp://a-node-0-0.a:29500/x", "--rdzv=tcp://127.0.0.1:20001/x"),
            ("http://a-node-0-0.a/workspace", "http://127.0.0.1/workspace"),
            ("a-node-0-0.a slots=2\na-node-0-1.a slots=2\n", "127.0.0.1 slots=2\n127.0.0.2 slots=2\n"),
            ("a-node-0-0.a,a-node-0-1.a", "127.0.0.1,127.0.0.2"),
            ("a-node-0-0.ab", "a-node-0-0.ab"),
            ("ba-node-0-0.a", "ba-node-0-0.a"),
            ("29500", "29500"),
            ("käse a-node-0-0.a", "käse 127.0.0.1"),
        ] {
            assert_eq!(world().text(plan), here);
        }
    }

    #[test]
    fn the_longest_mount_holds_a_path() {
        for (plan, here) in [
            ("/workspace", "/data/w"),
            ("/workspace/x.pt", "/data/w/x.pt"),
            ("output_dir=/workspace/model/a", "output_dir=/models/a"),
            ("/workspaces", "/workspaces"),
            ("x/workspace", "x/workspace"),
            ("/out/1", "/tmp/o/1"),
            ("/usr/bin:/workspace/bin", "/usr/bin:/data/w/bin"),
        ] {
            assert_eq!(world().text(plan), here);
        }
    }
}
