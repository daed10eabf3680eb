//! Processes as the kernel shows them: who descends from whom, who carries a job's mark, and how they are ended.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fs, io,
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// A process that can't be mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessId {
    /// Its number.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub(crate) start_time: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Stat::read(pid).map(|stat| stat.id)
    }

    /// The calling process.
    pub(crate) fn current() -> Option<Self> {
        Self::of(rustix::process::getpid().as_raw_pid())
    }

    /// Sends `signal` to this process; to none that has taken over its number. `false`: it is gone.
    pub(crate) fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The descriptor pins the process: if the start time is right now, it stays right.
            Ok(pinned) => Self::of(self.pid) == Some(self) && pidfd_send_signal(pinned, signal).is_ok(),
            Err(rustix::io::Errno::NOSYS) => {
                Self::of(self.pid) == Some(self) && rustix::process::kill_process(pid, signal).is_ok()
            }
            Err(_) => false,
        }
    }
}

/// What marks the processes of a job, and of one of its nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark<'a> {
    /// Value of `TRAINER_JOB_UID`.
    pub(crate) uid: &'a str,
    /// Values of `TRAINER_STEP` and `TRAINER_NODE`; `None` for every process of the job.
    pub(crate) node: Option<(&'a str, u32)>,
}

/// All processes of this machine at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// When looking began: what is here was there then, or came later.
    begun: Instant,
    processes: Vec<Process>,
    children: HashMap<i32, Vec<i32>>,
}

#[derive(Debug)]
struct Process {
    stat: Stat,
    mark: Option<OwnMark>,
}

/// The mark as a process has it in its environment.
#[derive(Debug)]
struct OwnMark {
    uid: Vec<u8>,
    step: Vec<u8>,
    node: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn take() -> Self {
        let begun = Instant::now();
        let processes: Vec<Process> =
            pids().filter_map(Stat::read).map(|stat| Process { mark: OwnMark::of(stat.id.pid), stat }).collect();
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for Process { stat, .. } in &processes {
            children.entry(stat.parent).or_default().push(stat.id.pid);
        }
        Self { begun, processes, children }
    }

    /// A look at all processes, `pause` from now or somewhat earlier: whoever waits at the same time shares it, so that
    /// a gang that ends costs no look for each of its nodes.
    pub(crate) async fn within(pause: Duration) -> Rc<Self> {
        thread_local! {
            static LAST: RefCell<Option<Rc<Snapshot>>> = const { RefCell::new(None) };
        }
        let asked = Instant::now();
        sleep(pause).await;
        LAST.with_borrow_mut(|last| match last {
            Some(last) if last.begun >= asked => Rc::clone(last),
            _ => Rc::clone(last.insert(Rc::new(Self::take()))),
        })
    }

    /// The processes of `mark`: those that descend from `root`, and those that carry the mark in their
    /// environment. Descendants that belong to another job (a job may submit one) are left out, and so is
    /// everything in `spared`.
    pub(crate) fn members(&self, mark: Mark<'_>, root: Option<i32>, spared: &[i32]) -> Vec<Member> {
        let below = self.below(root);
        let own = rustix::process::getpid().as_raw_pid();
        self.processes
            .iter()
            .filter(|Process { stat, .. }| stat.id.pid != own && !spared.contains(&stat.id.pid) && stat.state != 'Z')
            .filter(|process| belongs(process.mark.as_ref(), mark, below.contains(&process.stat.id.pid)))
            .map(|Process { stat, .. }| Member { id: stat.id, parent: stat.parent })
            .collect()
    }

    /// What the supervisor of a job started below `root` for itself: everything that is of none of its nodes.
    pub(crate) fn helpers(&self, uid: &str, root: i32) -> Vec<Member> {
        let below = self.below(Some(root));
        self.processes
            .iter()
            .filter(|Process { stat, .. }| stat.id.pid != root && below.contains(&stat.id.pid) && stat.state != 'Z')
            .filter(|Process { mark, .. }| {
                belongs(mark.as_ref(), Mark { uid, node: None }, true)
                    && !mark.as_ref().is_some_and(OwnMark::is_of_a_node)
            })
            .map(|Process { stat, .. }| Member { id: stat.id, parent: stat.parent })
            .collect()
    }

    /// `root` and all that descends from it.
    fn below(&self, root: Option<i32>) -> HashSet<i32> {
        let mut below: HashSet<i32> = HashSet::new();
        let mut next: Vec<i32> = root.into_iter().collect();
        while let Some(pid) = next.pop() {
            if below.insert(pid) {
                next.extend(self.children.get(&pid).into_iter().flatten());
            }
        }
        below
    }
}

impl OwnMark {
    fn is_of_a_node(&self) -> bool {
        !self.step.is_empty()
    }

    fn of(pid: i32) -> Option<Self> {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let variable = |name: &str| {
            let mut entries = environment.split(|byte| *byte == 0);
            entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).map(<[u8]>::to_vec)
        };
        let uid = variable("TRAINER_JOB_UID")?;
        let [step, node] = ["TRAINER_STEP", "TRAINER_NODE"].map(|name| variable(name).unwrap_or_default());
        Some(Self { uid, step, node })
    }
}

/// The processes of `mark` now; see [`Snapshot::members`].
pub(crate) fn members(mark: Mark<'_>, root: Option<i32>, spared: &[i32]) -> Vec<Member> {
    Snapshot::take().members(mark, root, spared)
}

/// Whether the process carries the mark of the job of this identity.
pub(crate) fn carries(pid: i32, uid: &str) -> bool {
    belongs(OwnMark::of(pid).as_ref(), Mark { uid, node: None }, false)
}

fn belongs(own: Option<&OwnMark>, mark: Mark<'_>, descends: bool) -> bool {
    let Some(own) = own else { return descends };
    own.uid == mark.uid.as_bytes()
        && mark.node.is_none_or(|(step, node)| {
            descends || (own.step == step.as_bytes() && own.node == node.to_string().as_bytes())
        })
}

/// A process of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) id: ProcessId,
    parent: i32,
}

/// Whether the process is a program of its own. One that a program forked for itself (a data loader's worker) is
/// that program's business, which may need it to write a last checkpoint.
pub(crate) fn is_program(member: &Member) -> bool {
    let command = |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let own = command(member.id.pid);
    let python_child =
        [&b"--multiprocessing-fork"[..], b"from multiprocessing.resource_tracker", b"from multiprocessing.forkserver"]
            .iter()
            .any(|word| own.windows(word.len()).any(|window| window == *word));
    !python_child && (own.is_empty() || own != command(member.parent))
}

/// Whether the program that the process belonged to has ended.
pub(crate) fn is_orphan(member: &Member, members: &[Member]) -> bool {
    members.iter().all(|other| other.id.pid != member.parent)
}

/// Ends what `members` finds, again and again until it finds nothing: a process may fork while it is
/// being killed. `false`: something is left after `limit`.
pub(crate) fn kill_all(limit: Duration, members: impl Fn() -> Vec<Member>) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let found = members();
        if found.is_empty() {
            return true;
        }
        for member in &found {
            member.id.signal(Signal::KILL);
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

#[derive(Debug)]
struct Stat {
    id: ProcessId,
    parent: i32,
    state: char,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        let text: io::Result<Vec<u8>> = fs::read(format!("/proc/{pid}/stat"));
        let text = String::from_utf8_lossy(&text.ok()?).into_owned();
        // The command's name comes in parentheses and may hold anything, parentheses and blanks included.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let start_time = fields.nth(17)?.parse().ok()?;
        Some(Self { id: ProcessId { pid, start_time }, parent, state })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_is_signalled_by_number_and_start_time() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let id = ProcessId::of(pid).unwrap();
        let recycled = ProcessId { start_time: id.start_time + 1, ..id };
        assert!(!recycled.signal(Signal::KILL));
        assert!(child.try_wait().unwrap().is_none(), "a process with another start time was signalled");
        assert!(id.signal(Signal::KILL));
        child.wait().unwrap();
    }
}
