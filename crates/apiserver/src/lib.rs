//! A small in-process Kubernetes API server.
