//! Reconcilers compatible with Flux.
