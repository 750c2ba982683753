//! Laws, bounds, mistakes and positions of the YAML crate.

mod hostile;
mod laws;
mod mistakes;
mod positions;
