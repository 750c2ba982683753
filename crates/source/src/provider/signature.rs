//! AWS Signature Version 4: a canonical request -> its signature.
//!
//! Follows: "Signature Version 4" of AWS's general reference.

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::archive::hex;

/// The algorithm, as requests name it.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// When it was made, as the request says it: `20260203T040506Z` in UTC.
    pub time: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service, as signatures name it.
    pub service: &'a str,
}

impl Scope<'_> {
    fn parts(&self) -> [&str; 4] {
        let day = self.time.split('T').next().unwrap_or_default();
        [day, self.region, self.service, "aws4_request"]
    }
}

impl std::fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts().join("/"))
    }
}

/// Returns the signature of a canonical request, in lower-case hex digits.
#[must_use]
pub fn sign(canonical: &str, scope: &Scope<'_>, secret: &SecretString) -> String {
    let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", scope.time, hex(&Sha256::digest(canonical)));
    let first = Zeroizing::new(format!("AWS4{}", secret.expose_secret()));
    let parts = scope.parts().into_iter().chain([text.as_str()]);
    let first = Zeroizing::new(first.as_bytes().to_vec());
    hex(&parts.fold(first, |key, part| mac(&key, part)))
}

fn mac(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector `get-vanilla` of the published test suite.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let empty = hex(&Sha256::digest(""));
        let canonical = format!(
            "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n{empty}"
        );
        let scope = Scope { time: "20150830T123600Z", region: "us-east-1", service: "service" };
        let secret = SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let wanted = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(sign(&canonical, &scope, &secret), wanted);
    }
}
