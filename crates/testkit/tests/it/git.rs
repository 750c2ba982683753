//! The Git server serves clones, takes pushes, asks for credentials.

use anyhow::Result;
use sealfast_testkit::git::{Options, Server, git};
use sealfast_testkit::program;
use sealfast_testkit::scratch::{Scratch, files};

#[test]
fn clone_and_push_over_http() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("fleet")?;
    let first = server.commit("fleet", "main", &[("a/b.txt", b"one\n")], "Add b")?;
    let place = Scratch::new()?;
    let run = |args: &[&str]| program::text(git(place.path())?.current_dir(place.path()).args(args));
    run(&["clone", "-q", &url, "work"])?;
    assert_eq!(place.read("work/a/b.txt")?, "one\n");
    place.write("work/c.txt", "two\n")?;
    run(&["-C", "work", "add", "."])?;
    run(&["-C", "work", "commit", "-q", "-m", "Add c"])?;
    run(&["-C", "work", "push", "-q", "origin", "HEAD"])?;
    let second = server.remove("fleet", "main", &["a"], "Remove a")?;
    assert_ne!(first, second);
    run(&["-C", "work", "pull", "-q", "--ff-only"])?;
    assert_eq!(run(&["-C", "work", "rev-parse", "HEAD"])?, second);
    assert!(!place.join("work/a").exists());
    assert!(
        server.seen().iter().any(|seen| seen.target.ends_with("/git-receive-pack") && seen.status == 200)
    );
    Ok(())
}

#[test]
fn basic_auth_is_asked_for() -> Result<()> {
    let server = Server::start_with(Options {
        basic_auth: Some(("git".to_owned(), "s3cret".to_owned())),
        ..Options::default()
    })?;
    server.create("closed")?;
    server.commit("closed", "main", &[("x", b"1")], "Add x")?;
    let place = Scratch::new()?;
    let run = |args: &[&str]| program::text(git(place.path())?.current_dir(place.path()).args(args));
    assert!(run(&["ls-remote", &server.url("closed")]).is_err());
    assert!(run(&["ls-remote", &server.url_with_credentials("closed")])?.contains("refs/heads/main"));
    assert!(server.seen().iter().any(|seen| seen.status == 401));
    Ok(())
}

#[test]
fn a_branch_can_be_made_to_hold_a_folder() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("apps")?;
    server.commit("apps", "main", &[("old.txt", b"old")], "Add old")?;
    let folder = Scratch::new()?;
    folder.write("deep/new.txt", "new")?;
    let commit = server.commit_folder("apps", "main", folder.path(), "Replace all")?;
    server.tag("apps", "v1.0.0", &commit, Some("first"))?;
    let place = Scratch::new()?;
    program::output(git(place.path())?.args(["clone", "-q", "-b", "v1.0.0", &url]).arg(place.join("w")))?;
    let names: Vec<_> =
        files(&place.join("w"))?.into_iter().filter(|name| !name.starts_with(".git")).collect();
    assert_eq!(names, ["deep/new.txt"].map(std::path::PathBuf::from));
    Ok(())
}
