//! What the tests of every crate share; it imports none of the product's crates.
//!
//! [`golden`] walks recorded cases, one named test a folder. [`git`] serves bare repositories over HTTP and SSH, [`github`]
//! sells tokens to apps. [`cloud`] stands in for cloud key services, [`cluster`] for a cluster with Flux in it; [`relay`] stands
//! before a real API server. [`gnupg`]
//! keeps a fresh keyring for the real `gpg`. [`disk`] fills up. [`scratch`] gives folders that go away, [`program`] finds programs and says
//! what to install when one is missing, [`place`] knows where the workspace lies.

pub mod cloud;
pub mod cluster;
pub mod disk;
pub mod git;
pub mod github;
pub mod gnupg;
pub mod golden;
mod loopback;
pub mod place;
pub mod program;
pub mod relay;
pub mod scratch;
