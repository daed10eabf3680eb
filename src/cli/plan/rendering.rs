//! A plan for people: what all nodes of a step have in common is said once.

use std::io::Write;

use clap::builder::styling::{AnsiColor, Style};
use trainer_core::{
    api::EnvVar,
    plan::{Container, LaunchPlan, PlannedStep},
};

use super::words;
use crate::cli::{
    failure::{Outcome, visible},
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
    for line in words::of_job(plan) {
        writeln!(out, "  {line}")?;
    }
    for step in &plan.steps {
        write_step(&mut out, plan, step)?;
    }
    let made: Vec<_> = words::claims(plan).into_iter().chain(plan.secrets.iter().map(words::secret)).collect();
    if !made.is_empty() {
        writeln!(out, "\n{}", made.join("\n"))?;
    }
    for file in &plan.files {
        writeln!(out, "\nfile {HEADING}{}{HEADING:#} of the ConfigMap {}", file.key, file.name)?;
        for line in file.content.lines() {
            writeln!(out, "  {line}")?;
        }
        for (name, value) in &file.settings {
            writeln!(out, "  {name} {}", words::compact(value))?;
        }
    }
    for group in &plan.pod_groups {
        writeln!(out, "\npod group {}", words::compact(group))?;
    }
    Ok(())
}

fn write_step(out: &mut impl Write, plan: &LaunchPlan, step: &PlannedStep) -> Outcome<()> {
    writeln!(out, "\nstep {HEADING}{}{HEADING:#}: {}", step.name, words::of_step(step))?;
    for line in words::about_step(step) {
        writeln!(out, "  {line}")?;
    }
    let Some(first) = step.nodes.first() else { return Ok(()) };
    for (number, container) in first.init_containers.iter().enumerate() {
        let runs_on = container.rest.get("restartPolicy").is_some_and(|policy| policy == "Always");
        let when = if runs_on { "beside" } else { "before" };
        writeln!(out, "  {when}: {}", container.name)?;
        write_container(out, plan, step, container, &of_all(step, |node| node.init_containers.get(number)))?;
    }
    for (number, container) in first.containers.iter().enumerate() {
        if first.containers.len() + first.init_containers.len() > 1 {
            writeln!(out, "  container: {}", container.name)?;
        }
        write_container(out, plan, step, container, &of_all(step, |node| node.containers.get(number)))?;
    }
    write_nodes(out, step)
}

fn of_all<'a>(
    step: &'a PlannedStep,
    pick: impl Fn(&'a trainer_core::plan::PlannedNode) -> Option<&'a Container>,
) -> Vec<&'a Container> {
    step.nodes.iter().filter_map(pick).collect()
}

/// `container` of the first node, with what the same one of all nodes has in common.
fn write_container(
    out: &mut impl Write,
    plan: &LaunchPlan,
    step: &PlannedStep,
    container: &Container,
    all: &[&Container],
) -> Outcome<()> {
    let mut fact = |name: &str, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(out, "  {NAME}{name:<9}{NAME:#} {}", visible(value)) }
    };
    fact("image", container.image.as_deref().unwrap_or_default())?;
    fact("command", &quoted(container.command.iter().chain(&container.args).map(String::as_str)))?;
    let ports: Vec<_> = container.ports.iter().map(ToString::to_string).collect();
    fact("ports", &ports.join(", "))?;
    words::resources(&container.resources).iter().try_for_each(|line| fact("resources", line))?;
    for mount in &container.volume_mounts {
        fact("mount", &words::mount(plan, step, mount))?;
    }
    for source in &container.env_from {
        fact("env", &words::variables(source))?;
    }
    for variable in container.env.iter().filter(|variable| is_common(variable, all)) {
        fact("env", &words::variable(variable))?;
    }
    // It is what makes an init container run beside the others, and is said there.
    for (name, value) in container.rest.iter().filter(|(name, _)| *name != "restartPolicy") {
        fact("also", &format!("{name} {}", words::compact(value)))?;
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
                container.env.iter().filter(move |variable| !is_common(variable, &all)).map(words::variable)
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
