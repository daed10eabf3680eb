//! The user's files.

use std::{fs, os::unix::fs::PermissionsExt};

use trainer_core::TrainerBackend;

use crate::{
    lab::Lab,
    trial::{Behaviour, Outcome, behaviours},
};

pub(super) fn behaviours<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    behaviours![every_node_starts_among_the_users_files(Source), a_module_beside_the_script_can_be_imported(Source)]
}

async fn every_node_starts_among_the_users_files<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("a folder"))?;
    fs::write(folder.path().join("a folder/données.txt"), "read me\n")?;
    let tool = folder.path().join("tool.sh");
    fs::write(&tool, "#!/bin/sh\necho executed\n")?;
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;

    let draft = lab.sh("cat 'a folder/données.txt' && ./tool.sh").nodes(2).source(folder.path());
    let log = draft.complete().await?.log().await?;
    for node in 0..2 {
        assert_eq!(log.node(node), ["read me", "executed"]);
    }
    Ok(())
}

async fn a_module_beside_the_script_can_be_imported<B: TrainerBackend>(lab: Lab<B>) -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("model.py"), "NAME = 'tiny'\n")?;
    fs::write(folder.path().join("train.py"), "import model, sys\nprint(model.NAME, sys.argv[1:])\n")?;
    let draft = lab.job(&["python3", "train.py", "--lr", "1e-3"]).source(folder.path());
    assert_eq!(draft.complete().await?.log().await?.node(0), ["tiny ['--lr', '1e-3']"]);
    Ok(())
}
