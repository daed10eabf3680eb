//! Whether a container ended for want of memory.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

use bollard::models::ContainerState;

use super::watching::Stage;

/// What shows that a container that ended with `code` ran out of memory; `None`: nothing does.
///
/// Docker says so. Podman 4.3 never does: there the kernel's log is asked where it can be read; otherwise a kill that
/// wasn't ours, in a container whose memory is limited, tells enough.
pub(super) async fn evidence(stage: &Stage, state: &ContainerState, code: i32) -> Option<String> {
    if state.oom_killed == Some(true) {
        return Some("it exceeded its memory: the engine says so".to_owned());
    }
    if code != KILLED {
        return None;
    }
    let id = stage.id.clone();
    let kernel = tokio::task::spawn_blocking(move || kernel_says(&id)).await.ok().flatten();
    match kernel {
        Some(true) => Some("it exceeded its memory: the kernel's log says so".to_owned()),
        Some(false) => None,
        None if stage.is_limited => Some(
            "it probably exceeded its memory: it was killed, by nobody that is known, and its memory is limited"
                .to_owned(),
        ),
        None => None,
    }
}

/// 128 + SIGKILL.
const KILLED: i32 = 137;

/// Whether the kernel's log has a container among those that were out of memory; `None`: it can't be read.
fn kernel_says(container: &str) -> Option<bool> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let mut log = OpenOptions::new().read(true).custom_flags(nonblocking).open("/dev/kmsg").ok()?;
    // One record a read.
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => return Some(false),
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                if text.contains("oom") && text.contains(container) {
                    return Some(true);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
            // Records were overwritten meanwhile.
            Err(error) if error.raw_os_error() == Some(32) => {}
            Err(_) => return None,
        }
    }
}
