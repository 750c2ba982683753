//! AWS credentials and a CodeCommit address -> user and password for Git.
//!
//! Follows: AWS Signature Version 4, with the method `GIT`, the host as the only header and nothing for a body.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::provider::signature::{self, Scope};
use crate::url::Address;

const SERVICE: &str = "codecommit";

/// Credentials of AWS.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: SecretString,
    /// Token of a session.
    pub session: Option<SecretString>,
}

/// Returns the region of a CodeCommit address.
///
/// # Errors
/// [`Error::Url`] when it is none.
pub fn region(address: &Address) -> Result<String, Error> {
    let invalid = |reason: String| Error::Url { reason };
    if address.scheme() != "https" {
        return Err(invalid("AWS CodeCommit authentication requires an HTTPS Git URL".to_owned()));
    }
    let (host, _) = address.host_and_port();
    match host.split('.').collect::<Vec<_>>()[..] {
        ["git-codecommit" | "git-codecommit-fips", region, "amazonaws", "com"]
        | ["git-codecommit" | "git-codecommit-fips", region, "amazonaws", "com", "cn"]
            if is_region(region) =>
        {
            Ok(region.to_owned())
        }
        _ => Err(invalid(format!("invalid AWS CodeCommit Git URL: {host}"))),
    }
}

/// Whether a name is that of a region and not of a service, whose hosts others may have: `eu-west-1`.
fn is_region(name: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    // Older hosts of buckets are named by both: `s3-eu-west-1`.
    let begins =
        name.split('-').next().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let ends = name.split('-').next_back().is_some_and(|end| end.bytes().all(|byte| byte.is_ascii_digit()));
    name.split('-').count() > 2 && begins && ends && name.bytes().all(is_inside)
}

/// Returns user and password, which hold for a quarter of an hour.
///
/// # Errors
/// As for [`region`].
pub fn sign(
    address: &Address,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<(String, SecretString), Error> {
    let region = region(address)?;
    let (host, _) = address.host_and_port();
    let time = now.strftime("%Y%m%dT%H%M%S").to_string();
    let canonical = format!("GIT\n{}\n\nhost:{host}\n\nhost\n", address.bare().path());
    let scope = Scope { time: &time, region: &region, service: SERVICE };
    let signature = signature::sign(&canonical, &scope, &credentials.secret);
    let user = match &credentials.session {
        Some(token) => format!("{}%{}", credentials.id, token.expose_secret()),
        None => credentials.id.clone(),
    };
    Ok((user, SecretString::from(format!("{time}Z{signature}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn only_addresses_of_the_service_are_signed() {
        let good = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app";
        assert_eq!(region(&address(good)).ok().as_deref(), Some("eu-west-1"));
        for bad in [
            "http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app",
            "https://git-codecommit.eu-west-1.amazonaws.com.evil.example/v1/repos/app",
            "https://example.com/app",
            // Whoever has the bucket of that name.
            "https://git-codecommit.s3.amazonaws.com/v1/repos/app",
            "https://git-codecommit.s3.eu-west-1.amazonaws.com/v1/repos/app",
            "https://git-codecommit.s3-eu-west-1.amazonaws.com/v1/repos/app",
            "https://git-codecommit.eu-west-1.amazonaws.com.cn.evil.example/v1/repos/app",
        ] {
            assert!(region(&address(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_password_is_that_of_the_public_helper() {
        let now: Timestamp = "2026-02-03T04:05:06Z".parse().expect("a time");
        let session = Some(SecretString::from("token"));
        let credentials =
            Credentials { id: "AKID".to_owned(), secret: SecretString::from("secret"), session };
        let good = address("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app");
        let (user, password) = sign(&good, &credentials, now).expect("a signature");
        assert_eq!(user, "AKID%token");
        let text = password.expose_secret();
        // As `git-remote-codecommit` 1.17 signs it.
        let wanted = "20260203T040506Zfc53e1c3a625d2645fd972a38e4b1b6983e804b998e848ca71bc72062b0f3fab";
        assert_eq!(text, wanted);
        let other = address("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/other");
        let (_, changed) = sign(&other, &credentials, now).expect("a signature");
        assert_ne!(changed.expose_secret(), text);
    }
}
