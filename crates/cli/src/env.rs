//! The one place that reads environment variables.
