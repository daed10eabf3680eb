//! The plan as it would be executed, with `<…>` for what is only known at launch.

use serde_json::Value;
use trainer_core::{
    Error, ErrorKind, Result,
    plan::{LaunchPlan, World, localize},
    prepare::{NodeFacts, additions},
    request::ReviewedJob,
};

use super::{
    launch::{Prepared, loopback_addresses, planned_ports, share_gpus},
    volumes,
};

pub(super) fn localized(job: &ReviewedJob, substitutions: &[String]) -> Result<LaunchPlan> {
    let plan = job.plan();
    let prepared = Prepared::of(job)?;
    let ports: Vec<(u16, u16)> = planned_ports(plan).into_iter().zip(unused_numbers(plan)).collect();
    let nodes = plan.steps.iter().flat_map(|step| step.nodes.iter().map(move |node| (step, node)));
    let added = nodes.map(|(step, node)| {
        let facts = NodeFacts {
            job: job.name(),
            uid: "<uid>",
            attempt: 1,
            step: &step.name,
            node: node.index,
            output_dir: prepared.output().to_str(),
            error_file: Some("<error file>"),
        };
        ((step.name.clone(), node.index), additions(&facts))
    });
    let mut additions = added.collect();
    share_gpus(&mut additions, plan)?;
    let world = World {
        addresses: loopback_addresses(plan),
        ports: ports.iter().copied().collect(),
        mounts: volumes::folders(plan, &job.request().mounts, &job.request().volumes)?,
        additions,
    };
    let mut preview = with_placeholders(&localize(plan, &world), &ports)?;
    preview.warnings.extend(substitutions.iter().cloned());
    Ok(preview)
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
