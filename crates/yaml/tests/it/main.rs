//! Laws, bounds and positions of the YAML crate.

mod hostile;
mod laws;
mod positions;
