//! Definitions, types and tables: each says the same as the others.

mod definitions;
mod inventory;
mod tables;
