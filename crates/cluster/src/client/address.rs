//! The address of a server, and why it was not reached, as both may be shown.

use std::error::Error;

use http::Uri;

/// An address without a slash at its end and without who logs in there.
pub(super) fn shown(url: &Uri) -> String {
    let text = url.to_string();
    let text = text.trim_end_matches('/');
    match url.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
        Some((user, _)) => text.replacen(&format!("{user}@"), "", 1),
        None => text.to_owned(),
    }
}

/// The innermost cause; those around it only name layers of this program. The system's number is left out.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    let text = innermost.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{cause, shown};

    #[test]
    fn who_logs_in_is_not_shown() {
        let shown = |text: &str| text.parse().map(|url| shown(&url)).unwrap_or_default();
        assert_eq!(shown("https://bob:hunter2@host:6443/"), "https://host:6443");
        assert_eq!(shown("https://bob@host/k8s/"), "https://host/k8s");
        assert_eq!(shown("http://host:80"), "http://host:80");
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let refused = std::io::Error::from_raw_os_error(2);
        assert_eq!(cause(&kube::Error::Service(Box::new(refused))), "No such file or directory");
    }
}
