//! What a node finds in its environment, and whether nodes find each other by it.

use std::collections::HashSet;

use trainer_core::{Phase, TrainerBackend, api::EnvVar, plan::LaunchPlan};

use crate::{
    lab::{Draft, Lab, Submitted, variables},
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![
        two_nodes_see_each_others_rank,
        torch_nodes_meet_at_the_address_of_rank_0,
        jax_nodes_meet_at_the_address_of_the_coordinator,
        plain_nodes_get_what_the_preview_says,
        torch_nodes_get_what_the_preview_says,
        jax_nodes_get_what_the_preview_says,
        a_node_knows_its_job_and_its_place,
        values_arrive_untouched,
        what_the_job_sets_wins,
    ]
}

async fn two_nodes_see_each_others_rank<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = r#"echo "$PET_NODE_RANK of $PET_NNODES at $PET_MASTER_ADDR:$PET_MASTER_PORT""#;
    let log = lab.sh(script).nodes(2).runtime("torch-distributed").complete().await?.log().await?;
    let (zero, one) = (log.node(0).join("\n"), log.node(1).join("\n"));
    assert!(zero.starts_with("0 of 2 at ") && one.starts_with("1 of 2 at "), "{zero}\n{one}");
    assert_eq!(zero[1..], one[1..], "one address and one port for all");
    Ok(())
}

async fn torch_nodes_meet_at_the_address_of_rank_0<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let program = MEET.replace("RANK", "PET_NODE_RANK").replace("PLACE", "ADDR + ':' + PORT");
    let program =
        program.replace("ADDR", "os.environ['PET_MASTER_ADDR']").replace("PORT", "os.environ['PET_MASTER_PORT']");
    assert_meet(lab.python(&program).runtime("torch-distributed")).await
}

async fn jax_nodes_meet_at_the_address_of_the_coordinator<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let program = MEET.replace("RANK", "JAX_PROCESS_ID").replace("PLACE", "os.environ['JAX_COORDINATOR_ADDRESS']");
    assert_meet(lab.python(&program).runtime("jax-distributed")).await
}

/// Rank 0 listens at PLACE and nowhere else; rank 1 calls it there.
const MEET: &str = r"
import os, socket, time
host, port = (PLACE).rsplit(':', 1)
deadline = time.monotonic() + 30
if os.environ['RANK'] == '0':
    while True:
        try:
            server = socket.create_server((host, int(port)))
            break
        except socket.gaierror:
            assert time.monotonic() < deadline, 'its own name is unknown'
            time.sleep(0.1)
    caller, _ = server.accept()
    print('rank 0 hears', caller.recv(100).decode())
    caller.sendall(b'rank 0')
else:
    while True:
        try:
            call = socket.create_connection((host, int(port)), 5)
            break
        except OSError:
            assert time.monotonic() < deadline, 'nobody listens'
            time.sleep(0.1)
    call.sendall(b'rank 1')
    print('rank 1 hears', call.recv(100).decode())
";

async fn assert_meet<B: TrainerBackend>(draft: Draft<B>) -> Outcome {
    let log = draft.nodes(2).complete().await?.log().await?;
    assert_eq!(
        (log.node(0).join("\n"), log.node(1).join("\n")),
        ("rank 0 hears rank 1".into(), "rank 1 hears rank 0".into())
    );
    Ok(())
}

async fn plain_nodes_get_what_the_preview_says<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    assert_as_previewed(lab, "plain", &[]).await
}

async fn torch_nodes_get_what_the_preview_says<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let names = ["PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"];
    assert_as_previewed(lab, "torch-distributed", &names).await
}

async fn jax_nodes_get_what_the_preview_says<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let names = ["JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "JAX_COORDINATOR_ADDRESS"];
    assert_as_previewed(lab, "jax-distributed", &names).await
}

/// Sees that each node has exactly the previewed variables, `expected` among them, but for what is
/// only known at launch; that is the same on all nodes, or belongs to the node.
async fn assert_as_previewed<B: TrainerBackend>(lab: Lab<B>, runtime: &str, expected: &[&str]) -> Outcome {
    const NODES: u32 = 3;
    let draft = lab.sh("env").nodes(3).runtime(runtime).env("FROM_THE_JOB", "yes");
    let reviewed = lab.client().plan(draft.request).await?;
    let preview = lab.client().preview(&reviewed).await?;
    lab.client().submit_reviewed(&reviewed).await?;
    let job = Submitted { client: lab.client().clone(), name: draft.name };
    job.reaches(Phase::Complete).await?;
    let log = job.log().await?;

    for node in 0..NODES {
        let lines = log.node(node);
        let actual = variables(&lines);
        let planned = environment(&preview, node);
        let names: HashSet<_> = planned.iter().map(|variable| variable.name.as_str()).collect();
        for name in expected.iter().chain(&["FROM_THE_JOB"]) {
            assert!(names.contains(name), "{name} is missing from the preview of node {node}");
        }
        for variable in planned {
            let value = actual.get(variable.name.as_str()).copied();
            match variable.value.as_deref() {
                Some(planned) if planned.contains('<') => assert!(value.is_some(), "{} on node {node}", variable.name),
                planned => assert_eq!(value, planned, "{} on node {node}", variable.name),
            }
        }
    }
    Ok(())
}

fn environment(plan: &LaunchPlan, node: u32) -> &[EnvVar] {
    &plan.steps[0].nodes[node as usize].containers[0].env
}

async fn a_node_knows_its_job_and_its_place<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let script = r#"echo "$TRAINER_JOB_NAME $TRAINER_JOB_UID $TRAINER_ATTEMPT $TRAINER_STEP $TRAINER_NODE""#;
    let job = lab.sh(script).nodes(2).complete().await?;
    let (log, uid) = (job.log().await?, job.get().await?.uid);
    for node in 0..2 {
        assert_eq!(log.node(node), [format!("{} {uid} 1 node {node}", job.name)]);
    }
    Ok(())
}

async fn values_arrive_untouched<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let value = "a b  'c' \"d\" $HOME `e` \\n =x grüße 🚂";
    let script = r#"printf '<%s>\n' "$VALUE" "$EMPTY" "${EMPTY+set}" "$LINES_OF_IT""#;
    let draft = lab.sh(script).env("VALUE", value).env("EMPTY", "").env("LINES_OF_IT", "one\ntwo");
    let log = draft.complete().await?.log().await?;
    assert_eq!(log.node(0), [&format!("<{value}>"), "<>", "<set>", "<one", "two>"]);
    Ok(())
}

async fn what_the_job_sets_wins<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let draft = lab.sh("echo $PYTHONUNBUFFERED $PATH_LIKE").env("PYTHONUNBUFFERED", "0").env("PATH_LIKE", "mine");
    assert_eq!(draft.complete().await?.log().await?.node(0), ["0 mine"]);
    Ok(())
}
