//! A view of files -> the objects that `kustomize build` prints.
//!
//! [`engine::build`] is the front door; it reads through [`files::Files`] and fetches nothing.
//! The way through the house: [`spec`] reads the kustomization file, `accumulate` walks the roots
//! and gathers [`resource`]s from manifests and [`generate`]d ones in [`resources`], `steps` runs
//! the [`transform`]ers and [`patch`]es in their fixed order over the fields that [`config`] names,
//! and at the end [`hash`] suffixes, name references and [`order`] finish the list. [`scope`] knows
//! which kinds live outside namespaces, `finder` what targets without a name mean.
//!
//! [`flux`] and [`substitute`] hold what Flux adds before and after the build. [`told`] hears where values land.

mod accumulate;
mod clock;
pub mod config;
mod crds;
mod defaults;
pub mod engine;
pub mod error;
pub mod expression;
pub mod field;
pub mod files;
mod finder;
mod flaw;
pub mod flux;
pub mod generate;
pub mod hash;
pub mod id;
mod loader;
mod loose;
pub mod manifest;
pub mod order;
mod origin;
pub mod patch;
mod plugin;
pub mod resource;
pub mod resources;
pub mod scope;
mod sealed;
pub mod select;
pub mod spec;
mod steps;
pub mod substitute;
pub mod told;
pub mod transform;
mod written;
