//! Remotes that go wrong in every way, or want certificates and tokens.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sealfast_source::git::{Auth, ClientCertificate, Fetched, Limits, Reference, Request, fetch};
use sealfast_source::url::Address;
use sealfast_testkit::git::tls::Certificates;
use sealfast_testkit::git::{Fault, Options, Server};
use secrecy::SecretString;

fn request(url: &str) -> Result<Request> {
    let reference = Reference { branch: Some("main".to_owned()), ..Reference::default() };
    Ok(Request { timeout: Duration::from_secs(20), ..Request::new(Address::parse(url)?, reference) })
}

fn revision(request: &Request) -> Result<String> {
    match fetch(request)? {
        Fetched::Commit(commit) => Ok(commit.revision.clone()),
        Fetched::Unchanged { revision } => bail!("unchanged: {revision}"),
    }
}

fn failure(request: &Request) -> Result<String> {
    Ok(fetch(request).err().context("it must fail")?.chain())
}

/// A server with one commit that no compression makes small.
fn server(options: Options) -> Result<(Server, String)> {
    let server = Server::start_with(options)?;
    let url = server.create("repo")?;
    let mut noise = Vec::new();
    let mut state = 1_u32;
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push((state >> 24) as u8);
    }
    server.commit("repo", "main", &[("noise", &noise)], "one")?;
    Ok((server, url))
}

#[test]
fn faults_end_in_time_with_their_reason_and_pass() -> Result<()> {
    let (server, url) = server(Options::default())?;
    let long = request(&url)?;
    let short = Request { timeout: Duration::from_millis(700), ..long.clone() };
    let asked = format!("Get \"{url}/info/refs?service=git-upload-pack\"");
    let start = Instant::now();
    for fault in [Fault::Hang, Fault::Stall(40), Fault::Stall(4)] {
        server.set_fault(Some(fault.clone()));
        let text = failure(&short)?;
        // What stalls has answered already.
        let on = if fault == Fault::Hang { format!("{asked}: ") } else { String::new() };
        let told = format!("unable to clone '{url}': {on}context deadline exceeded");
        assert_eq!(text, told, "{fault:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(15));
    server.set_fault(Some(Fault::Status(500)));
    assert!(failure(&long)?.ends_with("status code: 500"));
    server.set_fault(Some(Fault::Truncate(60)));
    assert!(failure(&long)?.starts_with(&format!("unable to clone '{url}': ")));
    server.set_fault(None);
    revision(&long)?;
    Ok(())
}

#[test]
fn a_pack_that_stalls_or_breaks_off_is_no_commit() -> Result<()> {
    let (server, url) = server(Options::default())?;
    let short = Request { timeout: Duration::from_millis(1500), ..request(&url)? };
    // The first two answers are smaller, the pack is larger.
    server.set_fault(Some(Fault::Stall(50_000)));
    assert!(failure(&short)?.ends_with("context deadline exceeded"));
    server.set_fault(Some(Fault::Truncate(50_000)));
    let text = failure(&request(&url)?)?;
    assert!(text.starts_with(&format!("unable to clone '{url}': ")), "{text}");
    Ok(())
}

#[test]
fn a_redirect_takes_no_credentials_along() -> Result<()> {
    let basic_auth = Some(("user".to_owned(), "pass".to_owned()));
    let (server, url) = server(Options { basic_auth: basic_auth.clone(), ..Options::default() })?;
    let (other, _) = self::server(Options::default())?;
    let origin = other.url("x").trim_end_matches("/x.git").to_owned();
    let auth = Auth::Basic { username: "user".to_owned(), password: SecretString::from("pass") };
    let wanted = Request { auth, ..request(&url)? };
    revision(&wanted)?;
    assert!(server.seen().iter().all(|seen| seen.authorized));
    server.set_fault(Some(Fault::Redirect(origin)));
    revision(&wanted)?;
    assert!(!other.seen().is_empty());
    assert!(other.seen().iter().all(|seen| !seen.authorized), "{:?}", other.seen());
    Ok(())
}

#[test]
fn what_a_remote_may_send_is_bounded() -> Result<()> {
    let (server, url) = server(Options::default())?;
    let with = |received, object| -> Result<Request> {
        Ok(Request { limits: Limits { received, object }, ..request(&url)? })
    };
    revision(&with(1 << 20, 1 << 20)?)?;
    let text = failure(&with(20_000, 1 << 20)?)?;
    assert!(text.contains("more than the limit of 20000 bytes from the remote"), "{text}");
    failure(&with(1 << 20, 20_000)?)?;
    server.set_fault(Some(Fault::Flood));
    let text = failure(&with(1 << 20, 1 << 20)?)?;
    assert!(text.contains("more than the limit of 1048576 bytes from the remote"), "{text}");
    Ok(())
}

#[test]
fn certificates_of_both_sides_are_checked() -> Result<()> {
    let certificates = Certificates::new()?.with_clients();
    let (ca, (certificate, key)) = (certificates.ca.clone(), certificates.client()?);
    let (_server, url) = server(Options { tls: Some(certificates.clone()), ..Options::default() })?;
    let bare = request(&url)?;
    assert!(failure(&bare)?.starts_with(&format!("unable to clone '{url}': ")));
    let trusting = Request { ca: Some(ca.into_bytes()), ..bare.clone() };
    failure(&trusting)?;
    let own = ClientCertificate { certificate: certificate.into_bytes(), key: SecretString::from(key) };
    let both = Request { client_certificate: Some(own), ..trusting.clone() };
    revision(&both)?;
    let other = Certificates::new()?.ca.into_bytes();
    failure(&Request { ca: Some(other), ..both })?;
    Ok(())
}

#[test]
fn a_server_may_show_the_authority_itself_when_it_is_trusted() -> Result<()> {
    let certificates = Certificates::in_one()?;
    let ca = certificates.ca.clone().into_bytes();
    let (_server, url) = server(Options { tls: Some(certificates), ..Options::default() })?;
    let doubted = |text: String, why: &str| {
        assert!(text.ends_with(&format!("tls: failed to verify certificate: x509: {why}")), "{text}");
    };
    doubted(failure(&request(&url)?)?, "certificate signed by unknown authority");
    revision(&Request { ca: Some(ca.clone()), ..request(&url)? })?;
    // The name must still be right, and another certificate is another certificate.
    let elsewhere = request(&url.replace("127.0.0.1", "localhost"))?;
    doubted(failure(&Request { ca: Some(ca), ..elsewhere })?, "certificate is not valid for localhost");
    let other = Certificates::in_one()?.ca.into_bytes();
    failure(&Request { ca: Some(other), ..request(&url)? })?;
    failure(&Request { ca: Some(b"bogus".to_vec()), ..request(&url)? })?;
    Ok(())
}

#[test]
fn an_answer_to_another_question_is_none() -> Result<()> {
    let (server, url) = server(Options::default())?;
    let path = url::Url::parse(&url)?.path().to_owned();
    for odd in [format!("{url}?a=b"), format!("{url}#main")] {
        let told =
            format!("unable to clone '{odd}': http redirect: target {path:?} does not end with /info/refs");
        assert_eq!(failure(&request(&odd)?)?, told);
    }
    let (other, _) = self::server(Options::default())?;
    let origin = other.url("x").trim_end_matches("/x.git").to_owned();
    server.set_fault(Some(Fault::Redirect(format!("{origin}/log%20in?for="))));
    let text = failure(&request(&url)?)?;
    assert!(text.ends_with(r#": http redirect: target "/log in" does not end with /info/refs"#), "{text}");
    Ok(())
}

#[test]
fn a_server_may_show_what_is_trusted_itself_whoever_signed_it() -> Result<()> {
    let certificates = Certificates::new()?;
    let (shown, other) = (certificates.shown.clone().into_bytes(), Certificates::new()?.shown.into_bytes());
    let (_server, url) = server(Options { tls: Some(certificates), ..Options::default() })?;
    revision(&Request { ca: Some(shown), ..request(&url)? })?;
    let text = failure(&Request { ca: Some(other), ..request(&url)? })?;
    assert!(text.ends_with("x509: certificate signed by unknown authority"), "{text}");
    // The name must still be right.
    let certificates = Certificates::naming(&["elsewhere.example.com"])?;
    let shown = certificates.shown.clone().into_bytes();
    let (_server, url) = server(Options { tls: Some(certificates), ..Options::default() })?;
    let text = failure(&Request { ca: Some(shown), ..request(&url)? })?;
    assert!(text.ends_with("x509: certificate is not valid for 127.0.0.1"), "{text}");
    Ok(())
}

#[test]
fn a_server_may_end_its_answers_without_a_goodbye() -> Result<()> {
    let (_server, url) = server(Options::default())?;
    let (upstream, path) =
        url.trim_start_matches("http://").split_once('/').context("an address has a path")?;
    let certificates = Certificates::new()?;
    let curt = crate::curt::before(upstream, &certificates)?;
    revision(&Request { ca: Some(certificates.ca.into_bytes()), ..request(&format!("{curt}/{path}"))? })?;
    Ok(())
}

#[test]
fn a_token_opens_the_way() -> Result<()> {
    let (_server, url) = server(Options { bearer: Some("token-1".to_owned()), ..Options::default() })?;
    let bare = request(&url)?;
    assert!(failure(&bare)?.contains("authentication required: "));
    let with = Request { auth: Auth::Bearer(SecretString::from("token-1")), ..bare };
    revision(&with)?;
    assert!(!format!("{with:?}").contains("token-1"));
    Ok(())
}
