//! Users and passwords of AWS CodeCommit: a signature of the address, checked.
//!
//! The user is the access key and, behind a percent sign, the token of its session; the password is a time and a
//! signature with the method `GIT`, the host as the only header and nothing for a body. It holds for a quarter of an hour.
//!
//! Follows: "Signature Version 4" of the general reference, and the public helper `git-remote-codecommit`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::cloud::aws;

/// Seconds for which a password holds.
const HOLDS: i64 = 15 * 60;
/// The ends of paths that Git asks for below a repository.
const ENDS: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];

/// Returns the access key of a request for a path, given the headers `authorization` and `host`.
pub(super) fn user(authorization: &str, host: &str, path: &str, now: Timestamp) -> Result<String> {
    let encoded = authorization.strip_prefix("Basic ").context("user and password are needed")?;
    let text = String::from_utf8(STANDARD.decode(encoded)?)?;
    let (user, password) = text.split_once(':').context("no password")?;
    let (id, token) = user.split_once('%').unwrap_or((user, ""));
    let secret = aws::secret_of(id, token).context("nobody has this access key and token")?;
    let (date, signature) = password.split_once('Z').context("the password has no time")?;
    let when = DateTime::strptime("%Y%m%dT%H%M%S", date)?.to_zoned(TimeZone::UTC)?.timestamp();
    let age = now.duration_since(when).as_secs();
    ensure!((-60..HOLDS).contains(&age), "the password is {age} seconds old");
    let service = format!("git-codecommit.{}.amazonaws.com", aws::REGION);
    ensure!(host == service, "there is no host {host}");
    let repository = ENDS.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let canonical = format!("GIT\n{repository}\n\nhost:{host}\n\nhost\n");
    let scope = [&date[..8], aws::REGION, "codecommit"];
    ensure!(aws::signature(&canonical, date, secret, scope)? == signature, "the signature does not match");
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `git-remote-codecommit` 1.17 at this time, for the session of the stand-in.
    const USER: &str = "ASIAEXAMPLE%token-of-a-session";
    const PASSWORD: &str = "20260203T040506Z78144e265f824597876bf2c3d734dfd7e4af857fd3256d45994d5248fffe98f6";
    const HOST: &str = "git-codecommit.eu-central-1.amazonaws.com";

    fn told(user: &str, password: &str, host: &str, path: &str, now: &str) -> Result<String> {
        let given = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        super::user(&given, host, path, now.parse()?)
    }

    #[test]
    fn what_the_public_helper_signs_is_taken_and_nothing_else() {
        let now = "2026-02-03T04:19:00Z";
        let fine = told(USER, PASSWORD, HOST, "/v1/repos/app/info/refs", now);
        assert_eq!(fine.ok().as_deref(), Some("ASIAEXAMPLE"));
        let refused = [
            told(USER, PASSWORD, HOST, "/v1/repos/other/info/refs", now),
            told(USER, PASSWORD, "git-codecommit.eu-west-1.amazonaws.com", "/v1/repos/app", now),
            told(USER, PASSWORD, HOST, "/v1/repos/app", "2026-02-03T04:20:06Z"),
            told(USER, PASSWORD, HOST, "/v1/repos/app", "2026-02-03T03:05:06Z"),
            told(USER, &PASSWORD.replace("98f6", "98f7"), HOST, "/v1/repos/app", now),
            told(aws::ACCESS_KEY, PASSWORD, HOST, "/v1/repos/app", now),
            told("ASIAEXAMPLE", PASSWORD, HOST, "/v1/repos/app", now),
        ];
        for (at, answer) in refused.iter().enumerate() {
            assert!(answer.is_err(), "{at}: {answer:?}");
        }
    }
}
