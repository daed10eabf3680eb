//! A plan for people: what all nodes of a step have in common is said once.

use std::io::Write;

use clap::builder::styling::{AnsiColor, Style};
use trainer_core::{
    api::EnvVar,
    plan::{Container, DependencyStatus, LaunchPlan, PlannedStep},
};

use crate::cli::{
    failure::Outcome,
    run::{quoted, shape},
    terminal::out,
};

const HEADING: Style = Style::new().bold();
const NAME: Style = AnsiColor::Cyan.on_default();

/// Writes `plan`.
pub(super) fn write(plan: &LaunchPlan) -> Outcome<()> {
    let mut out = out();
    let held_back = if plan.suspend { ", suspended" } else { "" };
    writeln!(out, "{HEADING}{}{HEADING:#}: {}, runtime {}{held_back}", plan.job, shape(plan), plan.runtime.name)?;
    if let Some(seconds) = plan.active_deadline_seconds {
        writeln!(out, "  ends after {seconds}s at the latest")?;
    }
    for step in &plan.steps {
        write_step(&mut out, step)?;
    }
    for file in &plan.files {
        writeln!(out, "\nfile {HEADING}{}{HEADING:#} of {}", file.key, file.name)?;
        for line in file.content.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn write_step(out: &mut impl Write, step: &PlannedStep) -> Outcome<()> {
    let nodes = if step.node_count == 1 { "node" } else { "nodes" };
    writeln!(out, "\nstep {HEADING}{}{HEADING:#}: {} {nodes}, {}", step.name, step.node_count, retries(step))?;
    for dependency in &step.depends_on {
        let status = match dependency.status {
            DependencyStatus::Ready => "ready",
            DependencyStatus::Complete => "complete",
        };
        writeln!(out, "  starts when {} is {status}", dependency.name)?;
    }
    let Some(first) = step.nodes.first() else { return Ok(()) };
    for (number, container) in first.init_containers.iter().enumerate() {
        writeln!(out, "  before: {}", container.name)?;
        write_container(out, container, &of_all(step, |node| node.init_containers.get(number)))?;
    }
    for (number, container) in first.containers.iter().enumerate() {
        if first.containers.len() > 1 {
            writeln!(out, "  container: {}", container.name)?;
        }
        write_container(out, container, &of_all(step, |node| node.containers.get(number)))?;
    }
    write_nodes(out, step)
}

fn retries(step: &PlannedStep) -> String {
    match (step.restart_policy.as_str(), step.backoff_limit) {
        (_, 0) => "no retries".to_owned(),
        (_, 1) => "1 retry".to_owned(),
        (_, count) => format!("{count} retries"),
    }
}

fn of_all<'a>(
    step: &'a PlannedStep,
    pick: impl Fn(&'a trainer_core::plan::PlannedNode) -> Option<&'a Container>,
) -> Vec<&'a Container> {
    step.nodes.iter().filter_map(pick).collect()
}

/// `container` of the first node, with what the same one of all nodes has in common.
fn write_container(out: &mut impl Write, container: &Container, all: &[&Container]) -> Outcome<()> {
    let mut fact = |name: &str, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {NAME}{name:<9}{NAME:#} {value}") }
    };
    fact("image", container.image.as_deref().unwrap_or_default())?;
    fact("command", &quoted(container.command.iter().chain(&container.args).map(String::as_str)))?;
    let ports: Vec<_> = container.ports.iter().map(ToString::to_string).collect();
    fact("ports", &ports.join(", "))?;
    if container.resources.as_object().is_some_and(|resources| !resources.is_empty()) {
        fact("resources", &container.resources.to_string())?;
    }
    for variable in container.env.iter().filter(|variable| is_common(variable, all)) {
        fact("env", &assignment(variable))?;
    }
    Ok(())
}

/// Where each node is found, and what it alone has.
fn write_nodes(out: &mut impl Write, step: &PlannedStep) -> Outcome<()> {
    let width = step.nodes.iter().map(|node| node.address.len()).max().unwrap_or_default();
    for node in &step.nodes {
        let own: Vec<_> = node
            .containers
            .iter()
            .enumerate()
            .flat_map(|(number, container)| {
                let all = of_all(step, |node| node.containers.get(number));
                container.env.iter().filter(move |variable| !is_common(variable, &all)).map(assignment)
            })
            .collect();
        let line = format!("  {NAME}node {:<4}{NAME:#} {:<width$}  {}", node.index, node.address, own.join(" "));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn is_common(variable: &EnvVar, all: &[&Container]) -> bool {
    all.iter().all(|container| container.env.contains(variable))
}

fn assignment(EnvVar { name, value, value_from, .. }: &EnvVar) -> String {
    match (value, value_from) {
        (Some(value), _) => format!("{name}={}", quoted([value.as_str()])),
        (None, Some(from)) => format!("{name} from {from}"),
        (None, None) => format!("{name}="),
    }
}
