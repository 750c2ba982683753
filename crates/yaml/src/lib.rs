//! Lossless YAML: bytes to a node tree with comments, styles and positions, and back.

pub mod node;
