//! A job's changes as a stream.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use trainer_core::{Job, job::JobStream};

use super::{Jobs, SLOW_POLL};
use crate::stream::{Sink, from_thread};

/// `first`, then each change.
pub(super) fn stream(jobs: Jobs, first: Job) -> JobStream {
    from_thread("trainer-watch", move |sink| follow(&jobs, first, &sink))
}

fn follow(jobs: &Jobs, first: Job, sink: &Sink<Job>) {
    let Ok(folder) = jobs.folder(&first.name) else { return };
    let changes = Changes::of(&[folder.path()]);
    let name = first.name.clone();
    let mut shown = first.clone();
    if !sink.send(Ok(first)) {
        return;
    }
    loop {
        match jobs.look_up(&name) {
            // Gone, or another of its name.
            Ok(None) => return,
            Ok(Some(job)) if job.uid != shown.uid => return,
            Ok(Some(job)) => {
                if job != shown {
                    shown = job.clone();
                    if !sink.send(Ok(job)) {
                        return;
                    }
                }
            }
            Err(error) => {
                sink.send(Err(error));
                return;
            }
        }
        if !changes.wait(sink) {
            return;
        }
    }
}

/// Waits for something to happen in a folder.
pub(crate) struct Changes {
    events: Receiver<()>,
    /// Held for its effect: events end with it.
    _watcher: Option<RecommendedWatcher>,
    poll: Duration,
}

impl Changes {
    /// Changes in `folders`, not below them.
    pub(crate) fn of(folders: &[&Path]) -> Self {
        // One event in waiting is enough to look.
        let (sender, events) = sync_channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !matches!(event, Ok(notify::Event { kind: notify::EventKind::Access(_), .. })) {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            folders.iter().try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive))?;
            Ok(watcher)
        });
        // Changes by other machines raise no events here. Neither does the death of a supervisor.
        let poll = if watcher.is_err() || folders.iter().any(|folder| is_remote(folder)) {
            Duration::from_millis(500)
        } else {
            SLOW_POLL
        };
        Self { events, _watcher: watcher.ok(), poll }
    }

    /// Returns after the next event, or after a while. `false`: nobody listens any more.
    pub(crate) fn wait<T>(&self, sink: &Sink<T>) -> bool {
        const ATTENTION: Duration = Duration::from_millis(200);
        let mut waited = Duration::ZERO;
        while waited < self.poll {
            if sink.is_closed() {
                return false;
            }
            match self.events.recv_timeout(ATTENTION.min(self.poll)) {
                Ok(()) => break,
                Err(RecvTimeoutError::Timeout) => {}
                // Without a watcher there is no sender.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(ATTENTION),
            }
            waited += ATTENTION;
        }
        !sink.is_closed()
    }
}

/// Whether the file system is shared with other machines.
fn is_remote(path: &Path) -> bool {
    // statfs(2): NFS, SMB, CIFS, SMB2, FUSE, Lustre, GPFS, Ceph, 9P.
    const REMOTE: [u64; 9] =
        [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0bd0_0bd0, 0x4750_4653, 0x00c3_6400, 0x0102_1997];
    rustix::fs::statfs(path).is_ok_and(|stat| REMOTE.contains(&(stat.f_type as u64)))
}
