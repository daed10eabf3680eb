//! The program of a node: its arguments, its standard input, its absence.

use trainer_core::{TrainerBackend, api::EnvVar, job::NodeExit};

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        arguments_arrive_untouched,
        command_and_arguments_are_one_list,
        references_to_variables_are_replaced,
        standard_input_is_empty,
        a_program_that_is_not_there_is_named,
    ]
}

async fn arguments_arrive_untouched<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let arguments = [
        "two words",
        "",
        "  edges  ",
        "it's",
        "say \"hi\"",
        "$HOME",
        "$(echo no)",
        "`echo no`",
        "\\n \\",
        "*",
        "~",
        "a;b|c&d>e",
        "--flag=x y",
        "-",
        "grüße 模型 🚂",
    ];
    let argv = [&["sh", "-c", "for argument; do printf '<%s>\\n' \"$argument\"; done", "sh"][..], &arguments].concat();
    let log = lab.job(&argv).complete().await?.log().await?;
    assert_eq!(log.node(0), arguments.map(|argument| format!("<{argument}>")));
    Ok(())
}

async fn command_and_arguments_are_one_list<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let mut draft = lab.job(&["sh", "-c"]);
    draft.trainer().args = Some(["echo $0 $1", "a b", "c"].map(str::to_owned).to_vec());
    assert_eq!(draft.complete().await?.log().await?.node(0), ["a b c"]);
    Ok(())
}

/// `$(NAME)`, as the kubelet replaces it.
async fn references_to_variables_are_replaced<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let mut draft = lab.job(&["sh", "-c", "echo \"$@\" \"$LATER\"", "sh"]);
    draft.trainer().env = Some(vec![EnvVar::new("FIRST", "1"), EnvVar::new("LATER", "$(FIRST)2")]);
    draft.trainer().args = Some(["$(LATER)", "$(NOWHERE)", "$$(FIRST)"].map(str::to_owned).to_vec());
    assert_eq!(draft.complete().await?.log().await?.node(0), ["12 $(NOWHERE) $(FIRST) 12"]);
    Ok(())
}

async fn standard_input_is_empty<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    assert_eq!(lab.sh("cat; echo end").complete().await?.log().await?.node(0), ["end"]);
    Ok(())
}

async fn a_program_that_is_not_there_is_named<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let (_, job) = lab.job(&["no-such-program-here", "x"]).fail().await?;
    assert_ne!(job.steps[0].nodes[0].exit, Some(NodeExit::Code(0)));
    let reason = job.reason.unwrap_or_default();
    assert!(reason.contains("no-such-program-here"), "{reason:?}");
    Ok(())
}
