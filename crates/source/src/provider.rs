//! Credentials that are made instead of written down.
//!
//! [`github`] asks for a token of a GitHub App; [`codecommit`] signs the address of an AWS CodeCommit repository with a
//! [`signature`] of AWS.

pub mod codecommit;
pub mod github;
pub mod signature;
