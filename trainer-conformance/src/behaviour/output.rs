//! The folder for what should outlive the job.

use trainer_core::TrainerBackend;

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![all_nodes_write_to_one_output_folder(SharedOutput)]
}

async fn all_nodes_write_to_one_output_folder<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let folder = tempfile::tempdir()?;
    let script = r#"
        cd "$TRAINER_OUTPUT_DIR" && echo "from $TRAINER_NODE" > "part-$TRAINER_NODE" || exit 1
        until [ -s part-0 ] && [ -s part-1 ]; do sleep 0.1; done
        cat part-0 part-1"#;
    let log = lab.sh(script).nodes(2).source(folder.path()).complete().await?.log().await?;
    for node in 0..2 {
        assert_eq!(log.node(node), ["from 0", "from 1"]);
    }
    Ok(())
}
