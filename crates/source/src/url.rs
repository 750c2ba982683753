//! The address of a repository, which never prints its credentials.

use std::fmt;

use secrecy::SecretString;

use crate::error::Error;

/// An `http`, `https` or `ssh` address.
#[derive(Clone)]
pub struct Address {
    bare: url::Url,
    written: String,
    user: Option<(String, SecretString)>,
    /// Why nobody can be there.
    nowhere: Option<String>,
}

/// What of a port counts.
enum Port {
    /// The number that is written, or that of the scheme.
    Usual,
    /// That of the scheme, whatever is written.
    Unread,
    /// One that no host has.
    Beyond(u64),
}

impl Address {
    /// Reads an address; credentials in it are set aside.
    ///
    /// # Errors
    /// [`Error::Url`] for anything but `http`, `https` and `ssh`, without repeating the address; [`Error::UrlSyntax`]
    /// without its credentials.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Url { reason: reason.to_owned() };
        // A parser of browsers' addresses takes the first part of the path for one.
        if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])) {
            return Err(invalid("it has no host"));
        }
        let port = Port::of(text)?;
        let usual = match port {
            Port::Usual => text.to_owned(),
            Port::Unread | Port::Beyond(_) => without_port(text),
        };
        let mut bare = url::Url::parse(&usual).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(bare.scheme(), "http" | "https" | "ssh") {
            return Err(invalid(&format!("unsupported scheme `{}`", bare.scheme())));
        }
        if bare.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it has no host"));
        }
        let user = credentials(&bare);
        let mut written = text.to_owned();
        // The user of an SSH address is no secret: it is `git` nearly everywhere.
        let shows_user = bare.scheme() == "ssh";
        if bare.password().is_some() || (!shows_user && !bare.username().is_empty()) {
            // Both cannot fail: the address has a host.
            let _ = bare.set_password(None);
            if !shows_user {
                let _ = bare.set_username("");
            }
            written = match port {
                Port::Usual => bare.to_string(),
                Port::Unread | Port::Beyond(_) => without_user(text),
            };
        }
        let nowhere = match port {
            Port::Beyond(number) if shows_user => Some(format!("dial tcp: address {number}: invalid port")),
            Port::Beyond(number) => Some(format!(
                "Get \"{written}/info/refs?service=git-upload-pack\": dial tcp: address {number}: invalid port"
            )),
            Port::Usual | Port::Unread => None,
        };
        Ok(Self { bare, written, user, nowhere })
    }

    /// Says why nobody can be reached there, as the reference does, which tries all the same; none when somebody may be.
    #[must_use]
    pub(crate) fn nowhere(&self) -> Option<&str> {
        self.nowhere.as_deref()
    }

    /// Returns the address without credentials, as it was written when it had none.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.written
    }

    /// Returns the address without credentials.
    #[must_use]
    pub fn bare(&self) -> &url::Url {
        &self.bare
    }

    /// Returns `http`, `https` or `ssh`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.bare.scheme()
    }

    /// Returns true for an `ssh` address.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        self.scheme() == "ssh"
    }

    /// Returns the host without the brackets of an IPv6 address, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let host = self.bare.host_str().unwrap_or_default();
        let port = self.bare.port_or_known_default().unwrap_or(22);
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }

    /// Returns the user and password that were part of the address.
    #[must_use]
    pub fn user(&self) -> Option<&(String, SecretString)> {
        self.user.as_ref()
    }

    /// Returns the address with the user and password of another one, unless it has its own.
    #[must_use]
    pub(crate) fn with_user_of(mut self, other: &Self) -> Self {
        self.user = self.user.or_else(|| other.user.clone());
        self
    }
}

impl Port {
    /// Reads ports as Go and the reference's library do: `0` and what no number holds count as not written.
    fn of(text: &str) -> Result<Port, Error> {
        let Some(port) = port(text).map(|at| &text[at]).filter(|digits| !digits.is_empty()) else {
            return Ok(Port::Usual);
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            let shown = without_user(text);
            return Err(Error::UrlSyntax {
                text: format!("parse {shown:?}: invalid port {:?} after host", format!(":{port}")),
            });
        }
        Ok(match port.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok()) {
            None | Some(0) => Port::Unread,
            Some(number) if number > u64::from(u16::MAX) => Port::Beyond(number),
            Some(_) => Port::Usual,
        })
    }
}

/// Where an address has its port, without the colon.
fn port(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
    let host = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let colon = host + text[host..end].rfind(':')?;
    // Colons in brackets are those of an IPv6 address.
    (!text[colon..end].contains(']')).then_some(colon + 1..end)
}

fn without_port(text: &str) -> String {
    match port(text) {
        Some(at) => format!("{}{}", &text[..at.start - 1], &text[at.end..]),
        None => text.to_owned(),
    }
}

/// Returns a text that may be an address without anything between `//` and the last `@`.
#[must_use]
pub fn without_user(text: &str) -> String {
    match (text.find("//"), text.rfind('@')) {
        (Some(start), Some(end)) if start + 2 <= end => {
            format!("{}{}", &text[..start + 2], &text[end + 1..])
        }
        _ => text.to_owned(),
    }
}

fn credentials(url: &url::Url) -> Option<(String, SecretString)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    Some((plain(url.username()), SecretString::from(plain(url.password().unwrap_or_default()))))
}

/// Undoes percent-encoding.
pub(crate) fn plain(text: &str) -> String {
    // `+` is no blank in userinfo, so it is protected from the form rules that are used here.
    let query = format!("v={}", text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_the_reference_reads_them() {
        let read = |text: &str| {
            let address = Address::parse(text).map_err(|error| error.to_string())?;
            Ok((address.host_and_port().1, address.shown().to_owned(), address.nowhere().map(str::to_owned)))
        };
        let somewhere = |port: u16, shown: &str| Ok::<_, String>((port, shown.to_owned(), None));
        assert_eq!(read("http://a:65535/x"), somewhere(65535, "http://a:65535/x"));
        assert_eq!(read("http://a:/x"), somewhere(80, "http://a:/x"));
        assert_eq!(read("https://a:0/x"), somewhere(443, "https://a:0/x"));
        assert_eq!(
            read("ssh://git@[::1]:99999999999999999999/x"),
            somewhere(22, "ssh://git@[::1]:99999999999999999999/x")
        );
        assert_eq!(read("ssh://[::1]/a:b"), somewhere(22, "ssh://[::1]/a:b"));
        for (text, shown, why) in [
            ("ssh://git@a:70000/x", "ssh://git@a:70000/x", "dial tcp: address 70000: invalid port"),
            (
                "http://u:p@a:070000/x",
                "http://a:070000/x",
                "Get \"http://a:070000/x/info/refs?service=git-upload-pack\": dial tcp: address 70000: invalid port",
            ),
        ] {
            let (_, told, nowhere) = read(text).unwrap_or_default();
            assert_eq!((told.as_str(), nowhere.as_deref()), (shown, Some(why)), "{text}");
        }
        let wrong = read("http://u:p@a:12b/x");
        assert_eq!(wrong, Err("parse \"http://a:12b/x\": invalid port \":12b\" after host".to_owned()));
    }
}
