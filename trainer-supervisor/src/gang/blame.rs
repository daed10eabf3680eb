//! Which of several failed nodes is the cause: when one rank fails, its peers fail over the lost connection,
//! and their ends may be seen first.

use std::time::Duration;

use jiff::Timestamp;

/// After the first failure, how long the others may go on, so that the node at fault can end by itself and say why.
/// torchrun looks after its ranks ten times a second.
pub(super) const SETTLING: Duration = Duration::from_secs(1);

/// What a node said of its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) text: String,
    /// When, by its own account.
    pub(super) time: Option<Timestamp>,
}

/// How likely a failure is somebody else's fault: the least is blamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guilt {
    is_symptom: bool,
    time: Timestamp,
}

impl Guilt {
    /// Of a node that ended just now.
    pub(super) fn of(cause: Option<&Cause>) -> Self {
        let now = Timestamp::now();
        Self {
            is_symptom: cause.is_some_and(|cause| is_symptom(&cause.text)),
            time: cause.and_then(|cause| cause.time).unwrap_or(now),
        }
    }
}

/// Whether an exception only says that a peer is gone: gloo's, NCCL's, the stores' and the sockets' words for it.
fn is_symptom(cause: &str) -> bool {
    const LOST_PEER: [&str; 8] = [
        "connection closed by peer",
        "connection reset by peer",
        "connection refused",
        "broken pipe",
        "ncclremoteerror",
        "distnetworkerror",
        "remote process exited",
        "unavailable:",
    ];
    let cause = cause.to_ascii_lowercase();
    LOST_PEER.iter().any(|words| cause.contains(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn guilt(text: &str, second: Option<i64>) -> Guilt {
        let time = second.map(|second| Timestamp::from_second(second).unwrap());
        Guilt::of(Some(&Cause { text: text.to_owned(), time }))
    }

    #[test]
    fn who_fails_first_is_blamed() {
        assert!(guilt("ValueError: a", Some(1)) < guilt("ValueError: b", Some(2)));
        assert!(guilt("ValueError: a", Some(1)) < guilt("ValueError: b", None));
        assert!(guilt("ValueError: a", Some(1)) < Guilt::of(None));
    }

    #[test]
    fn who_lost_a_peer_is_not_blamed() {
        let lost = "RuntimeError: [./gloo/transport/tcp/pair.cc:598] Connection closed by peer [127.0.0.1]:33680";
        assert!(guilt("ValueError: a", Some(2)) < guilt(lost, Some(1)));
        assert!(Guilt::of(None) < guilt(lost, Some(1)));
    }
}
