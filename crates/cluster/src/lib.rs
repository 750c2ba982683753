//! Talks to a Kubernetes API server: apply, inventory, prune, health.
