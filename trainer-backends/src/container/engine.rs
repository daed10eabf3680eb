//! Finding an engine, and asking what it is.
