//! GPUs of a container, in the words of its engine.
