//! The plan as it would be executed.

use trainer::plan::{LaunchPlan, World, localize};

use crate::launch::{loopback, ports};

/// With `<…>` for the ports, which are leased at the launch.
pub(crate) fn preview(plan: &LaunchPlan) -> LaunchPlan {
    // Numbers that no plan has stand for the ports until they are text.
    let standing_in: Vec<(u16, u16)> = ports(plan).into_iter().zip((1..=9).rev().map(|n| 61_111 + n)).collect();
    let world = World { addresses: loopback(plan), ports: standing_in.iter().copied().collect(), ..World::default() };
    let mut preview = localize(plan, &world);
    for container in preview.steps.iter_mut().flat_map(|step| &mut step.nodes).flat_map(|node| &mut node.containers) {
        let values = container.env.iter_mut().filter_map(|variable| variable.value.as_mut());
        for text in container.command.iter_mut().chain(&mut container.args).chain(values) {
            for (planned, number) in &standing_in {
                *text = text.replace(&number.to_string(), &format!("<port for {planned}>"));
            }
        }
        container.ports = container.ports.iter().map(|port| planned(&standing_in, *port)).collect();
    }
    preview
}

fn planned(standing_in: &[(u16, u16)], port: u16) -> u16 {
    standing_in.iter().find(|(_, number)| *number == port).map_or(port, |(planned, _)| *planned)
}
