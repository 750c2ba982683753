//! Kubernetes words as plain data: ids, objects, conditions, schema facts, Flux types.
