//! Images: there, or pulled.
