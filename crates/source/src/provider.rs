//! Credentials that are made instead of written down.
//!
//! [`github`] asks for a token of a GitHub App; [`codecommit`] signs the address of an AWS CodeCommit repository.

pub mod codecommit;
pub mod github;
