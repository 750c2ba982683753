//! A git reference to a verified, content-addressed archive.
