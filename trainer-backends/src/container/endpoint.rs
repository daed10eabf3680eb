//! Where an engine may be, and how that is known.
