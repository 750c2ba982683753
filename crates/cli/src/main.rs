//! The `sealfast` program: dispatch only.
fn main() {}
