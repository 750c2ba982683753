//! Tokens for GitHub Apps, from a stand-in that checks the app's statement.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use sealfast_source::git::{Reference, Request};
use sealfast_source::provider::github::{App, Token};
use sealfast_source::url::Address;
use sealfast_testkit::github::{GitHub, INSTALLATION, OWNER, TOKEN};
use secrecy::{ExposeSecret as _, SecretString};

const NOW: i64 = 1_770_000_000;

fn app(entries: &[(&str, &str)]) -> Result<App> {
    let find = |key: &str| entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    Ok(App::read(|key| find(key).map(SecretString::from))?)
}

fn token(app: &App, now: i64) -> Result<Token> {
    let request = Request::new(Address::parse("https://github.com/a/b")?, Reference::default());
    Ok(app.token(&request, Timestamp::from_second(now)?)?)
}

#[test]
fn an_installation_is_found_and_its_token_bought() -> Result<()> {
    let github = GitHub::start(17, NOW)?;
    let installation = INSTALLATION.to_string();
    let (url, key) = (github.url(), github.key.clone());
    let common = [("githubAppID", "17"), ("githubAppPrivateKey", key.as_str()), ("githubAppBaseURL", &url)];
    let by_id = app(&[&common[..], &[("githubAppInstallationID", &installation)]].concat())?;
    let bought = token(&by_id, NOW)?;
    assert_eq!(bought.secret.expose_secret(), TOKEN);
    assert!(bought.expires.as_second() > NOW);
    let by_owner = app(&[&common[..], &[("githubAppInstallationOwner", OWNER)]].concat())?;
    token(&by_owner, NOW)?;
    let asked = github.seen();
    assert_eq!(asked[1], format!("GET /api/v3/orgs/{OWNER}/installation"));
    assert_eq!(asked[2], format!("GET /api/v3/users/{OWNER}/installation"));

    let late = token(&by_id, NOW + 3600).err().context("it must fail")?.to_string();
    assert!(late.contains("401 a wrong time"), "{late}");
    let shown = format!("{by_id:?} {bought:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains("PRIVATE"), "{shown}");
    Ok(())
}

#[test]
fn half_an_app_says_what_is_missing() -> Result<()> {
    let whole = [("githubAppID", "17"), ("githubAppInstallationID", "1"), ("githubAppPrivateKey", "no key")];
    for (missing, text) in [
        ("githubAppID", "app ID must be provided"),
        ("githubAppInstallationID", "app installation owner or ID must be provided"),
        ("githubAppPrivateKey", "private key must be provided"),
    ] {
        let rest: Vec<_> = whole.into_iter().filter(|(key, _)| *key != missing).collect();
        let error = app(&rest).err().context(missing)?.to_string();
        assert!(error.starts_with(text), "{error}");
    }
    let both = [&whole[..], &[("githubAppInstallationOwner", "me")]].concat();
    assert!(app(&both).is_err());
    let error = token(&app(&whole)?, NOW).err().context("no key")?.to_string();
    assert!(error.starts_with("could not parse private key"), "{error}");
    Ok(())
}
