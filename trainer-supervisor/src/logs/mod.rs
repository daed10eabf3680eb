//! What nodes write: one file a node, in the format that the kubelet's container runtimes use (CRI),
//! `TIME STREAM F|P CONTENT`, rotated once.

mod cri;
mod kept;
mod node_reader;
mod pump;
mod reader;
mod writer;

pub(crate) use kept::Kept;
pub(crate) use pump::{LastWords, pump};
pub(crate) use reader::stream;
pub(crate) use writer::NodeLog;

/// Size at which a node's log is rotated. The file before is kept: a node has at most twice this.
pub(crate) const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// The longest content of one record, as the kubelet's container runtimes have it; a longer line is split.
pub(crate) const LONGEST_RECORD: usize = 16 * 1024;
