//! Remotes behind proxies: named by the caller, or by the environment.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sealfast_source::git::{Fetched, Proxy as Way, Reference, Request, fetch};
use sealfast_source::url::Address;
use sealfast_testkit::cloud::proxy::Proxy;
use sealfast_testkit::git::tls::Certificates;
use sealfast_testkit::git::{Options, Server};
use sealfast_testkit::scratch::Scratch;
use secrecy::SecretString;

/// A host that nobody finds: who gets there went through the proxy.
const NOWHERE: &str = "http://git.invalid/repo.git";

fn server(options: Options) -> Result<(Server, SocketAddr)> {
    let server = Server::start_with(options)?;
    server.create("repo")?;
    server.commit("repo", "main", &[("file", b"content")], "one")?;
    let url = server.url("repo");
    let host = url.split('/').nth(2).context("the URL has a host")?;
    Ok((server, host.parse()?))
}

fn request(url: &str, proxy: Option<(&Proxy, Option<(&str, &str)>)>) -> Result<Request> {
    let reference = Reference { branch: Some("main".to_owned()), ..Reference::default() };
    let proxy = proxy.map(|(proxy, login)| Way {
        address: proxy.url(),
        user: login.map(|(user, password)| (user.to_owned(), SecretString::from(password))),
    });
    let timeout = Duration::from_secs(60);
    Ok(Request { timeout, proxy, ..Request::new(Address::parse(url)?, reference) })
}

fn fetched(request: &Request) -> Result<()> {
    let found = fetch(request).map_err(|error| anyhow::anyhow!(error.chain()))?;
    ensure!(matches!(found, Fetched::Commit(commit) if commit.revision.starts_with("main@sha1:")));
    Ok(())
}

#[test]
fn plain_remotes_are_reached_through_a_proxy() -> Result<()> {
    let (_server, at) = server(Options::default())?;
    let open = Proxy::start(at, at)?;
    fetched(&request(NOWHERE, Some((&open, None)))?)?;
    ensure!(
        open.seen().iter().all(|line| line.contains(" http://git.invalid/repo.git/")),
        "{:?}",
        open.seen()
    );
    let closed = Proxy::start_for(at, at, Some(("me", "pass:word")))?;
    fetched(&request(NOWHERE, Some((&closed, Some(("me", "pass:word")))))?)?;
    for login in [None, Some(("me", "wrong"))] {
        let refused =
            fetch(&request(NOWHERE, Some((&closed, login)))?).err().context("it must fail")?.chain();
        ensure!(refused.contains("407") && !refused.contains("wrong"), "{refused}");
    }
    Ok(())
}

#[test]
fn secured_remotes_are_reached_through_a_tunnel() -> Result<()> {
    let certificates = Certificates::new()?;
    let ca = certificates.ca.clone().into_bytes();
    let (server, at) = server(Options { tls: Some(certificates), ..Options::default() })?;
    let closed = Proxy::start_for(at, at, Some(("me", "pass")))?;
    let url = server.url("repo");
    let known = Request { ca: Some(ca), ..request(&url, Some((&closed, Some(("me", "pass")))))? };
    fetched(&known)?;
    ensure!(
        closed.seen().iter().all(|line| *line == format!("CONNECT {at} HTTP/1.1")),
        "{:?}",
        closed.seen()
    );
    ensure!(!closed.seen().is_empty());
    let unknown = Request { proxy: request(&url, Some((&closed, None)))?.proxy, ..known };
    ensure!(fetch(&unknown).is_err());
    Ok(())
}

/// Runs the test below with an environment of its own; what it fetches is written down in its folder.
fn fetch_with(folder: &Path, environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "--ignored", "proxies::what_the_folder_names_is_fetched"]).current_dir(folder);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    Ok(command.envs(environment.iter().copied()).output()?)
}

#[test]
#[ignore = "another test runs it in a process of its own"]
fn what_the_folder_names_is_fetched() -> Result<()> {
    let url = std::fs::read_to_string("url")?;
    let ca = std::fs::read("ca").ok();
    fetched(&Request { ca, ..request(&url, None)? })
}

#[test]
fn the_environment_names_proxies_and_what_goes_without() -> Result<()> {
    let certificates = Certificates::new()?;
    let ca = certificates.ca.clone();
    let (plain, at) = server(Options::default())?;
    let (secured, tls) = server(Options { tls: Some(certificates), ..Options::default() })?;
    let proxy = Proxy::start_for(tls, at, Some(("me", "pass")))?;
    let named = proxy.url().replace("http://", "http://me:pass@");
    let folder = Scratch::new()?;
    let done = |output: Output| -> Result<bool> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(text.contains("running 1 test"), "{text}{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.status.success())
    };
    folder.write("url", NOWHERE)?;
    ensure!(done(fetch_with(folder.path(), &[("http_proxy", &named)])?)?);
    ensure!(!done(fetch_with(folder.path(), &[("http_proxy", &named), ("NO_PROXY", "git.invalid")])?)?);
    let before = proxy.seen().len();
    folder.write("url", plain.url("repo"))?;
    ensure!(done(fetch_with(folder.path(), &[("http_proxy", &named), ("NO_PROXY", "127.0.0.1")])?)?);
    ensure!(proxy.seen().len() == before, "{:?}", proxy.seen());
    folder.write("url", secured.url("repo"))?;
    folder.write("ca", ca)?;
    ensure!(done(fetch_with(folder.path(), &[("HTTPS_PROXY", &named)])?)?);
    ensure!(proxy.seen().iter().any(|line| *line == format!("CONNECT {tls} HTTP/1.1")), "{:?}", proxy.seen());
    Ok(())
}
