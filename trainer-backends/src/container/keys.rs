//! The ssh key pair of a job whose nodes reach each other by ssh.

use trainer_core::{Error, Result};

use super::files::Contents;

/// A new pair, as the controller makes it.
pub(super) fn pair() -> Result<Contents> {
    Err(Error::unsupported("the backend `container` makes no ssh keys yet").with_hint("choose another runtime"))
}
