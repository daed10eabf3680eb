//! A plan whose nodes all run on this machine, in its network.

use std::collections::BTreeMap;

use serde_json::Value;
use trainer_core::{
    Error, ErrorKind, Result,
    plan::{LaunchPlan, World, localize},
};

/// The addresses of the plan's nodes, which are all this machine's.
#[must_use]
pub fn addresses(plan: &LaunchPlan) -> BTreeMap<String, String> {
    let nodes = plan.steps.iter().flat_map(|step| &step.nodes);
    nodes.map(|node| (node.address.clone(), "127.0.0.1".to_owned())).collect()
}

/// The ports that the plan speaks of, each once. Other jobs may want the same: others are leased for them
/// ([`PortLeases`](crate::PortLeases)).
#[must_use]
pub fn ports(plan: &LaunchPlan) -> Vec<u16> {
    let containers = plan.steps.iter().flat_map(|step| &step.nodes).flat_map(|node| &node.containers);
    let mut ports: Vec<u16> = containers.flat_map(|container| container.ports.iter().copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The plan as `world` makes it on this machine, with `<port for PORT>` for ports that are only known at launch.
///
/// # Errors
/// `Internal` if the plan doesn't read back as written.
pub fn preview(plan: &LaunchPlan, world: World) -> Result<LaunchPlan> {
    let standing_in: Vec<(u16, u16)> = ports(plan).into_iter().zip(unused_numbers(plan)).collect();
    let world = World { addresses: addresses(plan), ports: standing_in.iter().copied().collect(), ..world };
    with_placeholders(&localize(plan, &world), &standing_in)
}

/// Numbers that occur nowhere in the plan: they stand for ports until their text is known.
fn unused_numbers(plan: &LaunchPlan) -> Vec<u16> {
    let text = serde_json::to_string(plan).unwrap_or_default();
    (10_000..=u16::MAX).rev().filter(|number| !text.contains(&number.to_string())).take(64).collect()
}

fn with_placeholders(plan: &LaunchPlan, ports: &[(u16, u16)]) -> Result<LaunchPlan> {
    let defect =
        |error: serde_json::Error| Error::new(ErrorKind::Internal, format!("the plan doesn't read back: {error}"));
    let mut value = serde_json::to_value(plan).map_err(defect)?;
    for (planned, number) in ports {
        replace(&mut value, *planned, *number);
    }
    serde_json::from_value(value).map_err(defect)
}

/// In texts the number becomes a placeholder; as a number it becomes the planned port again.
fn replace(value: &mut Value, planned: u16, number: u16) {
    match value {
        Value::String(text) => *text = text.replace(&number.to_string(), &format!("<port for {planned}>")),
        Value::Number(found) if found.as_u64() == Some(u64::from(number)) => *value = Value::from(planned),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, planned, number)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, planned, number)),
        _ => {}
    }
}
