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
}

impl Address {
    /// Reads an address; credentials in it are set aside.
    ///
    /// # Errors
    /// [`Error::Url`] for anything but `http`, `https` and `ssh`, without repeating the address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::Url { reason: reason.to_owned() };
        // A parser of browsers' addresses takes the first part of the path for one.
        if text.split_once("://").is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])) {
            return Err(invalid("it has no host"));
        }
        let mut bare = url::Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
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
            written = bare.to_string();
        }
        Ok(Self { bare, written, user })
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
