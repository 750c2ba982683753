//! The SOPS file format: values, MAC, metadata, creation rules, stores.
