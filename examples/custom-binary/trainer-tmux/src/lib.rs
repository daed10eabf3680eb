//! A backend of trainer: each node runs in a window of tmux, where people can look at it.
//!
//! Every job has a tmux server of its own; its events say how to look at it while it runs. Steps, restarts, deadlines, logs and state are the supervisor's, as for trainer's own backends.

mod backend;
mod fields;
mod launch;
mod tmux;
mod window;

pub use backend::TmuxBackend;
