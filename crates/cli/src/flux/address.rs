//! Git addresses, refused as Go's URL parser refuses them.

use super::Failed;

/// Returns the scheme of a Git address in lower case: ssh, http or https.
pub(super) fn scheme(url: &str) -> Result<String, Failed> {
    let scheme = parsed(url)?;
    if ["ssh", "http", "https"].contains(&scheme.as_str()) {
        return Ok(scheme);
    }
    Err(unsupported(url, &scheme))
}

/// Returns any scheme of what is an address, in lower case.
pub(super) fn parsed(url: &str) -> Result<String, Failed> {
    parse(url).map_err(|wrong| format!("git URL parse failed: {}", wrong.about(url)).into())
}

/// Says that a scheme is none of Git's.
pub(super) fn unsupported(url: &str, scheme: &str) -> Failed {
    // Without slashes it may be a user's name or a token.
    let is_scheme = !url.contains('@') || prefix(url).len() > scheme.len();
    let shown = if is_scheme { scheme } else { HIDDEN };
    format!("git URL scheme '{shown}' not supported, can be: ssh, http and https").into()
}

/// Checks any address; says why it is none, without the credentials in it.
pub(super) fn check(url: &str) -> Result<(), String> {
    parse(url).map(drop).map_err(|wrong| wrong.about(url))
}

/// Returns an address as it may be shown: whatever could be credentials, up to the last `@`, is hidden.
pub(super) fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("{}{HIDDEN}@{rest}", prefix(url)),
        None => url.to_owned(),
    }
}

const HIDDEN: &str = "***";

/// `SCHEME://`, when an address begins with one.
fn prefix(url: &str) -> &str {
    match split_scheme(url) {
        Ok((scheme, rest)) if !scheme.is_empty() && rest.starts_with("//") => &url[..scheme.len() + 3],
        _ => "",
    }
}

/// What is wrong with an address: words around a part of it.
struct Wrong {
    before: &'static str,
    quoted: Option<String>,
    behind: &'static str,
}

impl Wrong {
    fn plain(what: &'static str) -> Self {
        Self { before: what, quoted: None, behind: "" }
    }

    fn quoting(before: &'static str, quoted: &str, behind: &'static str) -> Self {
        Self { before, quoted: Some(quoted.to_owned()), behind }
    }

    /// Says it about an address; a part that the shown address does not show is hidden here, too.
    fn about(self, url: &str) -> String {
        let shown = shown(url);
        let quoted = match self.quoted {
            Some(part) if shown.contains(&part) => format!("{part:?}"),
            Some(_) => format!("{HIDDEN:?}"),
            None => String::new(),
        };
        format!("parse {shown:?}: {}{quoted}{}", self.before, self.behind)
    }
}

/// Returns host and port of an address that has been parsed; the port is that of SSH when none is named.
pub(super) fn ssh_host(url: &str) -> (&str, u16) {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) if !name.ends_with(':') => (name, port),
        _ => (host, 22),
    }
}

/// Tells whether a text can be a host with its port.
pub(super) fn is_host(text: &str) -> bool {
    check_host(text).is_ok()
}

fn parse(url: &str) -> Result<String, Wrong> {
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(Wrong::plain("net/url: invalid control character in URL"));
    }
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (scheme, rest) = split_scheme(url)?;
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            check_host(host)?;
            escapes(path)?;
        }
        None if scheme.is_empty() && rest.split('/').next().is_some_and(|first| first.contains(':')) => {
            return Err(Wrong::plain("first path segment in URL cannot contain colon"));
        }
        None => escapes(rest)?,
    }
    escapes(fragment)?;
    Ok(scheme)
}

/// What stands before the first colon, when that can be a scheme.
fn split_scheme(url: &str) -> Result<(String, &str), Wrong> {
    for (at, letter) in url.char_indices() {
        match letter {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err(Wrong::plain("missing protocol scheme")),
            ':' => return Ok((url[..at].to_lowercase(), &url[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), url))
}

fn check_host(host: &str) -> Result<(), Wrong> {
    let bracket = host.rfind(']');
    if host.starts_with('[') && bracket.is_none() {
        return Err(Wrong::plain("missing ']' in host"));
    }
    let after = bracket.map_or(0, |at| at + 1);
    let colon = match bracket {
        Some(_) => (!host[after..].is_empty()).then_some(after),
        None => host.rfind(':'),
    };
    if let Some(port) = colon.map(|at| &host[at..])
        && !port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(Wrong::quoting("invalid port ", port, " after host"));
    }
    escapes(host)?;
    let allowed =
        |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || SIGNS.contains(letter);
    match host.chars().find(|letter| !allowed(*letter)) {
        Some(letter) => Err(Wrong::quoting("invalid character ", &letter.to_string(), " in host name")),
        None => Ok(()),
    }
}

const SIGNS: &str = "-_.~!$&'()*+,;=:[]<>\"%";

/// Every percent sign must be followed by two hexadecimal digits.
fn escapes(text: &str) -> Result<(), Wrong> {
    for (at, _) in text.match_indices('%') {
        let escape: String = text[at..].chars().take(3).collect();
        if escape.len() < 3 || !escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Wrong::quoting("invalid URL escape ", &escape, ""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_are_dialled() {
        for (url, host, port) in [
            ("ssh://git@github.com/org/app", "github.com", 22),
            ("ssh://git@127.0.0.1:42022/a", "127.0.0.1", 42022),
            ("ssh://[::1]/a", "[::1]", 22),
            ("ssh://git@[::1]:2222/a", "[::1]", 2222),
        ] {
            assert_eq!(ssh_host(url), (host, port), "{url}");
        }
    }

    #[test]
    fn credentials_stay_out_of_the_message() {
        for (url, why) in [
            (
                "http://bob:secret w@proxy local",
                "parse \"http://***@proxy local\": invalid character \" \" in host name",
            ),
            (
                "https://bob:secret@host:22x/r",
                "parse \"https://***@host:22x/r\": invalid port \":22x\" after host",
            ),
            ("http://bob:secret/ss@proxy", "parse \"http://***@proxy\": invalid port \"***\" after host"),
            ("http://bob:secret#ss@proxy", "parse \"http://***@proxy\": invalid port \"***\" after host"),
            ("http://bob/secret%zz@proxy", "parse \"http://***@proxy\": invalid URL escape \"***\""),
            (
                "1bob:secret@proxy:3128",
                "parse \"***@proxy:3128\": first path segment in URL cannot contain colon",
            ),
            ("1bob:secret//x@proxy", "parse \"***@proxy\": first path segment in URL cannot contain colon"),
        ] {
            assert_eq!(check(url).err().as_deref(), Some(why), "{url}");
        }
        assert_eq!(check("http://bob:secret@proxy.local:3128"), Ok(()));
        let refused = |url: &str| scheme(url).unwrap_or_else(|Failed(why)| why);
        assert!(refused("secret:x-oauth-basic@host/r").starts_with("git URL scheme '***' not supported"));
        assert!(refused("ftp://bob:secret@host/r").starts_with("git URL scheme 'ftp' not supported"));
    }

    #[test]
    fn addresses_are_judged_as_go_judges_them() {
        let told = |url: &str| match scheme(url) {
            Ok(scheme) => scheme,
            Err(Failed(text)) => text,
        };
        assert_eq!(told("HTTPS://x/y"), "https");
        assert_eq!(told("ssh://git@[::1]:22/y"), "ssh");
        let refused = |url: &str, why: &str| {
            assert_eq!(told(url), format!("git URL parse failed: parse {url:?}: {why}"));
        };
        refused("https://x y", "invalid character \" \" in host name");
        refused("https://x:port/", "invalid port \":port\" after host");
        refused("https://x/%zz", "invalid URL escape \"%zz\"");
        refused(":x", "missing protocol scheme");
        assert_eq!(
            told("git@host:o/r"),
            "git URL parse failed: parse \"***@host:o/r\": first path segment in URL cannot contain colon"
        );
        assert_eq!(told("x/y"), "git URL scheme '' not supported, can be: ssh, http and https");
        assert_eq!(told("ftp://x"), "git URL scheme 'ftp' not supported, can be: ssh, http and https");
    }
}
