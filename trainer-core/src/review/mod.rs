//! `(job, runtime)` → what the server would object to, before anything is created on any engine.
