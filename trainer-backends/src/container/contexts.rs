//! The contexts of the `docker` command: which engine it talks to.
