//! Fetching from a real Git server over HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sealfast_source::error::Error;
use sealfast_source::git::commit::Commit;
use sealfast_source::git::{Auth, Fetched, Reference, Request, fetch};
use sealfast_source::tree::{Kind, Tree as _};
use sealfast_source::url::Address;
use sealfast_testkit::git::{Options, Server};
use secrecy::SecretString;

fn branch(name: &str) -> Reference {
    Reference { branch: Some(name.to_owned()), ..Reference::default() }
}

fn request(url: &str, reference: Reference) -> Result<Request> {
    Ok(Request { timeout: Duration::from_secs(20), ..Request::new(Address::parse(url)?, reference) })
}

fn commit(request: &Request) -> Result<Commit> {
    match fetch(request)? {
        Fetched::Commit(commit) => Ok(*commit),
        Fetched::Unchanged { revision } => bail!("unchanged: {revision}"),
    }
}

fn failure(request: &Request) -> Result<String> {
    Ok(fetch(request).err().context("it must fail")?.chain())
}

#[test]
fn every_kind_of_reference_finds_its_commit() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    let first = server.commit("repo", "main", &[("a.yaml", b"a: 1\n")], "first words\n\nmore")?;
    let second = server.commit("repo", "main", &[("b/c.yaml", b"c: 1\n")], "second")?;
    server.tag("repo", "v1.0.0", &first, None)?;
    server.tag("repo", "v1.2.0", &second, Some("a note"))?;
    server.tag("repo", "other", &first, None)?;

    let found = commit(&request(&url, branch("main"))?)?;
    assert_eq!(
        (found.revision.as_str(), found.subject.as_str()),
        (&*format!("main@sha1:{second}"), "second")
    );
    let paths: Vec<(String, Kind)> = found.list()?.into_iter().map(|item| (item.path, item.kind)).collect();
    let file = Kind::File { executable: false };
    let expected = [("a.yaml", file), ("b", Kind::Directory), ("b/c.yaml", file)]
        .map(|(path, kind)| (path.to_owned(), kind));
    assert_eq!(paths, expected);
    assert_eq!(found.read("b/c.yaml")?, b"c: 1\n");

    let of = |reference: Reference| commit(&request(&url, reference)?).map(|found| found.revision);
    let text = |text: &str| Some(text.to_owned());
    let tag = of(Reference { tag: text("v1.2.0"), ..Reference::default() })?;
    assert_eq!(tag, format!("v1.2.0@sha1:{second}"));
    let version = of(Reference { semver: text("~1.0"), ..Reference::default() })?;
    assert_eq!(version, format!("v1.0.0@sha1:{first}"));
    let name = of(Reference { name: text("refs/tags/v1.0.0"), ..branch("main") })?;
    assert_eq!(name, format!("refs/tags/v1.0.0@sha1:{first}"));
    let alone = of(Reference { commit: text(&first), ..Reference::default() })?;
    assert_eq!(alone, format!("sha1:{first}"));
    let both = of(Reference { commit: text(&first), ..branch("main") })?;
    assert_eq!(both, format!("main@sha1:{first}"));
    Ok(())
}

#[test]
fn nothing_is_fetched_when_nothing_moved() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    let first = server.commit("repo", "main", &[("a", b"1")], "one")?;
    let mut again = request(&url, branch("main"))?;
    again.known_revision = Some(format!("main@sha1:{first}"));
    let before = server.seen().len();
    assert!(matches!(fetch(&again)?, Fetched::Unchanged { .. }));
    assert!(server.seen().len() - before <= 2, "a listing takes two requests");
    // History that was rewritten counts as new.
    let folder = server.folder("repo");
    server.run(&folder, &["update-ref", "-d", "refs/heads/main"])?;
    let second = server.commit("repo", "main", &[("a", b"2")], "other")?;
    assert_eq!(commit(&again)?.revision, format!("main@sha1:{second}"));
    Ok(())
}

#[test]
fn versions_and_commits_are_known_without_a_fetch() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    let first = server.commit("repo", "main", &[("a", b"1")], "one")?;
    server.tag("repo", "v1.0.0", &first, Some("a note"))?;
    let text = |text: &str| Some(text.to_owned());
    let version = Reference { semver: text(">=1"), ..Reference::default() };
    let alone = Reference { commit: text(&first), ..Reference::default() };
    let both = Reference { commit: text(&first), ..branch("main") };
    let revisions = [format!("v1.0.0@sha1:{first}"), format!("sha1:{first}"), format!("main@sha1:{first}")];
    for (reference, revision) in [version.clone(), alone, both.clone()].into_iter().zip(revisions) {
        let mut again = request(&url, reference)?;
        assert_eq!(commit(&again)?.revision, revision);
        again.known_revision = Some(revision);
        assert!(matches!(fetch(&again)?, Fetched::Unchanged { .. }), "{again:?}");
    }
    // Two tags of one version: the commits tell which is the newer.
    let second = server.commit("repo", "main", &[("a", b"2")], "two")?;
    server.tag("repo", "v1.0.0+build2", &second, None)?;
    let mut again = request(&url, version)?;
    again.known_revision = Some(format!("v1.0.0@sha1:{first}"));
    assert_eq!(commit(&again)?.revision, format!("v1.0.0+build2@sha1:{second}"));
    // A branch that is gone is noticed although the commit is known.
    let folder = server.folder("repo");
    server.run(&folder, &["update-ref", "-d", "refs/heads/main"])?;
    let mut gone = request(&url, both)?;
    gone.known_revision = Some(format!("main@sha1:{first}"));
    assert!(failure(&gone)?.contains("couldn't find remote ref"));
    Ok(())
}

#[test]
fn submodules_are_fetched_when_asked_for() -> Result<()> {
    let server = Server::start()?;
    for name in ["inner", "lib", "repo"] {
        server.create(name)?;
    }
    let link = |name: &str, path: &str, of: &str, commit: &str| -> Result<String> {
        let list = format!("[submodule \"{of}\"]\n\tpath = {path}\n\turl = ../{of}.git\n");
        let parent = server.commit(name, "main", &[(".gitmodules", list.as_bytes()), ("a", b"1")], "list")?;
        let folder = server.folder(name);
        let index = folder.join("index").display().to_string();
        let git = |args: &[&str]| server.run(&folder, args);
        git(&["read-tree", &format!("--index-output={index}"), &parent])?;
        git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")])?;
        let tree = git(&["write-tree"])?;
        let commit = git(&["commit-tree", &tree, "-p", &parent, "-m", "link"])?;
        git(&["update-ref", "refs/heads/main", &commit])?;
        Ok(commit)
    };
    let inner = server.commit("inner", "main", &[("z.yaml", b"z: 1\n")], "inner")?;
    let lib = link("lib", "deep", "inner", &inner)?;
    // The submodule's branch moves on; its parent names the older commit.
    server.commit("lib", "main", &[("new", b"2")], "moved on")?;
    link("repo", "libs/one", "lib", &lib)?;

    let plain = request(&server.url("repo"), branch("main"))?;
    let paths = |commit: &Commit| -> Result<Vec<String>> {
        Ok(commit.list()?.into_iter().map(|item| item.path).collect())
    };
    assert_eq!(paths(&commit(&plain)?)?, [".gitmodules", "a", "libs", "libs/one"]);
    let all = commit(&Request { submodules: true, ..plain })?;
    let expected = [
        ".gitmodules",
        "a",
        "libs",
        "libs/one",
        "libs/one/.git",
        "libs/one/.gitmodules",
        "libs/one/a",
        "libs/one/deep",
        "libs/one/deep/.git",
        "libs/one/deep/z.yaml",
    ];
    assert_eq!(paths(&all)?, expected);
    assert_eq!(all.read("libs/one/deep/z.yaml")?, b"z: 1\n");
    assert_eq!(all.read("libs/one/.git")?, b"gitdir: ../../.git/modules/lib\n");
    Ok(())
}

#[test]
fn what_is_missing_is_named() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    assert!(fetch(&request(&url, branch("main"))?).is_err_and(|error| error.is_empty_repository()));
    let text = |text: &str| Some(text.to_owned());
    let tag = Reference { tag: text("v1"), ..Reference::default() };
    let nothing = format!("unable to clone: remote repository is empty: git repository: '{url}'");
    assert_eq!(failure(&request(&url, tag)?)?, nothing);
    server.commit("repo", "main", &[("a", b"1")], "one\ntwo")?;
    assert_eq!(commit(&request(&url, branch("main"))?)?.subject, "one");
    let missing = failure(&request(&url, branch("next"))?)?;
    assert_eq!(missing, format!("unable to clone '{url}': couldn't find remote ref \"refs/heads/next\""));
    let name = Reference { name: text("refs/pull/2/head"), ..Reference::default() };
    assert_eq!(
        failure(&request(&url, name)?)?,
        "unable to resolve ref 'refs/pull/2/head' to a specific commit"
    );
    let slash = Reference { name: text("refs/heads/main/"), ..Reference::default() };
    assert_eq!(
        failure(&request(&url, slash)?)?,
        "ref refs/heads/main/ is invalid; Git refs cannot begin or end with a slash '/'"
    );
    let range = Reference { semver: text(">=9"), ..Reference::default() };
    assert_eq!(failure(&request(&url, range)?)?, "no match found for semver: >=9");
    let other = Reference { commit: text(&"0123456789".repeat(4)), ..branch("main") };
    let expected =
        format!("unable to resolve commit object for '{}': object not found", "0123456789".repeat(4));
    assert_eq!(failure(&request(&url, other)?)?, expected);
    let gone = server.url("nothing");
    assert_eq!(
        failure(&request(&gone, branch("main"))?)?,
        format!("unable to clone '{gone}': repository not found: ")
    );
    let named = Reference { name: text("refs/heads/main"), ..Reference::default() };
    assert_eq!(
        failure(&request(&gone, named)?)?,
        format!("unable to list remote for '{gone}': repository not found: ")
    );
    Ok(())
}

#[test]
fn credentials_are_sent_and_never_shown() -> Result<()> {
    let basic_auth = Some(("user".to_owned(), "pa:ss+%".to_owned()));
    let server = Server::start_with(Options { basic_auth, ..Options::default() })?;
    let url = server.create("repo")?;
    server.commit("repo", "main", &[("a", b"1")], "one")?;
    let bare = request(&url, branch("main"))?;
    assert_eq!(
        failure(&bare)?,
        format!("unable to clone '{url}': authentication required: credentials are needed\n")
    );
    let with =
        |password: &str| Auth::Basic { username: "user".to_owned(), password: SecretString::from(password) };
    commit(&Request { auth: with("pa:ss+%"), ..bare.clone() })?;
    let wrong = Request { auth: with("hidden"), ..bare };
    let text = format!("{} {wrong:?}", failure(&wrong)?);
    assert!(!text.contains("hidden"), "{text}");

    let written = url.replace("http://", "http://user:pa%3Ass+%25@");
    let inside = request(&written, branch("main"))?;
    commit(&inside)?;
    let text = format!("{} {:?} {inside:?}", inside.address, inside.address);
    assert!(!text.contains("pa%3A") && !text.contains("pa:ss"), "{text}");
    Ok(())
}

#[test]
fn a_port_that_no_host_has_is_tried_as_any_other() -> Result<()> {
    let url = "http://127.0.0.1:70000/repo.git";
    let asked = format!("Get \"{url}/info/refs?service=git-upload-pack\"");
    let why = format!("unable to clone '{url}': {asked}: dial tcp: address 70000: invalid port");
    assert_eq!(failure(&request(url, branch("main"))?)?, why);
    Ok(())
}

#[test]
fn a_silent_server_is_left_in_time() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/repo.git", listener.local_addr()?);
    let silent = Request { timeout: Duration::from_millis(400), ..request(&url, branch("main"))? };
    let start = Instant::now();
    let asked = format!("Get \"{url}/info/refs?service=git-upload-pack\"");
    assert_eq!(failure(&silent)?, format!("unable to clone '{url}': {asked}: context deadline exceeded"));
    assert!(start.elapsed() < Duration::from_secs(5));
    // One that begins to answer and stops.
    let dripping = std::thread::spawn(move || -> Result<()> {
        for stream in listener.incoming().skip(1).take(1) {
            let mut stream = stream?;
            // An answer before the question would be a fault of another kind.
            let asked = stream.read(&mut [0; 1024])?;
            ensure!(asked > 0, "nobody asks");
            stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\r\n001e",
            )?;
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(())
    });
    let error = fetch(&silent).err().context("it must fail")?;
    assert!(error.chain().contains("context deadline exceeded"), "{}", error.chain());
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(dripping);
    Ok(())
}

#[test]
fn addresses_of_other_kinds_are_refused_without_being_repeated() {
    for text in ["ftp://git:secret@host/x", "file:///etc", "git@github.com:a/b", "https://"] {
        let error = Address::parse(text).expect_err("no address for us");
        assert!(matches!(error, Error::Url { .. }));
        assert!(!error.chain().contains("secret"));
    }
}

#[test]
fn only_what_begins_with_a_wanted_path_is_kept_and_the_root_wants_all() -> Result<()> {
    let server = Server::start()?;
    let url = server.create("repo")?;
    let files: [(&str, &[u8]); 4] =
        [("apps/a", b"a"), ("apps-old/b", b"b"), ("else/c", b"c"), ("root", b"r")];
    server.commit("repo", "main", &files, "all")?;
    let kept = |wanted: &[&str]| -> Result<Vec<String>> {
        let mut found = commit(&request(&url, branch("main"))?)?;
        found.keep_only(&wanted.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())?;
        Ok(found.list()?.into_iter().map(|item| item.path).collect())
    };
    assert_eq!(kept(&["./apps"])?, ["apps", "apps/a", "apps-old", "apps-old/b"]);
    assert_eq!(kept(&["else/", "root"])?, ["else", "else/c", "root"]);
    assert_eq!(kept(&[""])?.len(), 7);
    let told = kept(&["apps", "nowhere"]).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.ends_with("sparse checkout dir 'nowhere' does not exist in repository"), "{told}");
    Ok(())
}

#[test]
fn an_address_without_a_host_is_none() {
    for text in ["http:///x.git", "ssh:///x.git", "https:////x.git", r"http://\x.git"] {
        let told = Address::parse(text).err().map(|error| error.chain()).unwrap_or_default();
        assert!(told.ends_with("it has no host"), "{text}: {told}");
    }
}
