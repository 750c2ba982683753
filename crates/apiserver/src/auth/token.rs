//! Service account tokens: JWT signed with HMAC-SHA-256 under a key of this server.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub id: String,
    pub audiences: Vec<String>,
    /// Seconds since 1970.
    pub issued: i64,
    /// Seconds since 1970.
    pub expires: i64,
    /// The object that it lives as long as.
    pub bound: Option<Bound>,
}

/// The object that a token goes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `pod`, `secret` or `node`.
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl Bound {
    /// The plural of its kind.
    pub(crate) fn resource(&self) -> String {
        format!("{}s", self.kind)
    }

    /// Reads it from the claims of Kubernetes.
    fn of(claims: &Value) -> Option<Self> {
        BINDABLE.iter().find_map(|kind| {
            let text = |key: &str| claims[kind][key].as_str().map(str::to_owned);
            Some(Self { kind: (*kind).to_owned(), name: text("name")?, uid: text("uid")? })
        })
    }
}

/// Kinds that a token can be bound to.
pub(crate) const BINDABLE: [&str; 3] = ["pod", "secret", "node"];

/// Signs and checks tokens.
pub(crate) struct Signer {
    key: Zeroizing<[u8; 32]>,
}

impl Signer {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let mut kubernetes = json!({
            "namespace": claims.namespace,
            "serviceaccount": {"name": claims.name, "uid": claims.uid},
        });
        if let Some(bound) = &claims.bound {
            kubernetes[&bound.kind] = json!({"name": bound.name, "uid": bound.uid});
        }
        let payload = json!({
            "aud": claims.audiences,
            "exp": claims.expires,
            "iat": claims.issued,
            "nbf": claims.issued,
            "iss": ISSUER,
            "jti": claims.id,
            "kubernetes.io": kubernetes,
            "sub": format!("system:serviceaccount:{}:{}", claims.namespace, claims.name),
        });
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The claims of a token that is ours, holds at `now`, and is meant for one of these audiences.
    pub(crate) fn verify(&self, token: &str, now: i64, wanted: &[String]) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(signed.as_bytes()).verify_slice(&signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let account = &payload["kubernetes.io"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let claims = Claims {
            namespace: text(&account["namespace"])?,
            name: text(&account["serviceaccount"]["name"])?,
            uid: text(&account["serviceaccount"]["uid"])?,
            id: text(&payload["jti"])?,
            audiences: payload["aud"].as_array()?.iter().filter_map(text).collect(),
            issued: payload["iat"].as_i64()?,
            expires: payload["exp"].as_i64()?,
            bound: Bound::of(account),
        };
        (claims.expires > now && claims.audiences.iter().any(|known| wanted.contains(known)))
            .then_some(claims)
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.key)
            .expect("holds because HMAC takes keys of any length");
        mac.update(bytes);
        mac
    }
}

/// Issuer and default audience.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
