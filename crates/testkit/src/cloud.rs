//! Stand-ins for cloud key services, and the real ones that come as packages.
//!
//! [`aws`], [`google`], [`azure`] and [`huawei`] answer as the public references of those services say: they check tokens,
//! signatures, paths, algorithms and the shape of what they are asked, and refuse everything else with a reason. [`real`]
//! starts `moto` (AWS KMS and STS) and OpenBao (Vault's transit engine). [`vault`] is a small one with logins.
//!
//! Where a workload shows who it is, the token that a cluster gives the account [`ACCOUNT`] is as good as the fixed one.

pub mod aws;
pub mod azure;
pub mod google;
pub mod huawei;
pub mod proxy;
pub mod real;
pub mod vault;
pub mod wire;

/// The service account that the clouds know.
pub const ACCOUNT: &str = "system:serviceaccount:tenant:decryptor";

/// Whether a token speaks for [`ACCOUNT`] to this audience. Its signature is the cluster's business.
fn is_account(token: &str, audience: &str) -> bool {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    claims["sub"] == ACCOUNT && claims["aud"] == serde_json::json!([audience])
}

/// Hides bytes under a name: what the stand-ins call encryption. It can be undone under the same name alone.
fn hide(name: &str, bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut hidden = Sha256::digest(name)[..8].to_vec();
    let stream = (0u32..).flat_map(|block| Sha256::digest(format!("{name}/{block}")));
    hidden.extend(bytes.iter().zip(stream).map(|(byte, key)| byte ^ key));
    hidden
}

/// Undoes [`hide`]; none when the bytes were hidden under another name.
fn show(name: &str, hidden: &[u8]) -> Option<Vec<u8>> {
    let (mark, rest) = hidden.split_at_checked(8)?;
    let shown = hide(name, rest);
    (shown[..8] == *mark).then(|| shown[8..].to_vec())
}
