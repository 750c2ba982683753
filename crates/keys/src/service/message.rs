//! The messages of the key service, as protobuf.
//!
//! Follows: `keyservice.proto` of sops 3.13.2. Differs: answers that hold a data key are wiped.

use std::collections::{BTreeMap, HashMap};

use prost::{Message, Oneof};
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use zeroize::Zeroize as _;

/// The service has no package.
pub(super) const ENCRYPT: &str = "/KeyService/Encrypt";
pub(super) const DECRYPT: &str = "/KeyService/Decrypt";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Key {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    Kms(Kms),
    #[prost(message, tag = "2")]
    Pgp(Pgp),
    #[prost(message, tag = "3")]
    Gcp(Gcp),
    #[prost(message, tag = "4")]
    Azure(Azure),
    #[prost(message, tag = "5")]
    Vault(Vault),
    #[prost(message, tag = "6")]
    Age(Age),
    #[prost(message, tag = "7")]
    Huawei(Huawei),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Kms {
    #[prost(string, tag = "1")]
    arn: String,
    #[prost(string, tag = "2")]
    role: String,
    #[prost(map = "string, string", tag = "3")]
    context: HashMap<String, String>,
    #[prost(string, tag = "4")]
    aws_profile: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Pgp {
    #[prost(string, tag = "1")]
    fingerprint: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Gcp {
    #[prost(string, tag = "1")]
    resource_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Azure {
    #[prost(string, tag = "1")]
    vault_url: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Vault {
    #[prost(string, tag = "1")]
    vault_address: String,
    #[prost(string, tag = "2")]
    engine_path: String,
    #[prost(string, tag = "3")]
    key_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Age {
    #[prost(string, tag = "1")]
    recipient: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Huawei {
    #[prost(string, tag = "1")]
    key_id: String,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct EncryptRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<Key>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) ciphertext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DecryptRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<Key>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) ciphertext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) plaintext: Vec<u8>,
}

impl std::fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptRequest").field("key", &self.key).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for DecryptResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecryptResponse(hidden)")
    }
}

impl Drop for EncryptRequest {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Drop for DecryptResponse {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl From<&MasterKey> for Key {
    fn from(key: &MasterKey) -> Self {
        let kind = match key.clone() {
            MasterKey::Age { recipient, .. } => Kind::Age(Age { recipient }),
            MasterKey::Pgp { fingerprint, .. } => Kind::Pgp(Pgp { fingerprint }),
            MasterKey::Kms { arn, role, context, aws_profile, .. } => {
                Kind::Kms(Kms { arn, role, context: context.into_iter().collect(), aws_profile })
            }
            MasterKey::GcpKms { resource_id, .. } => Kind::Gcp(Gcp { resource_id }),
            MasterKey::HuaweiKms { key_id, .. } => Kind::Huawei(Huawei { key_id }),
            MasterKey::AzureKv { vault_url, name, version, .. } => {
                Kind::Azure(Azure { vault_url, name, version })
            }
            MasterKey::Vault { vault_address, engine_path, key_name, .. } => {
                Kind::Vault(Vault { vault_address, engine_path, key_name })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl Kind {
    /// Returns the key with a wrapped text.
    pub(super) fn with_enc(self, enc: String) -> MasterKey {
        let created_at = Time::from(jiff::Timestamp::UNIX_EPOCH);
        match self {
            Self::Age(Age { recipient }) => MasterKey::Age { recipient, enc },
            Self::Pgp(Pgp { fingerprint }) => MasterKey::Pgp { fingerprint, created_at, enc },
            Self::Kms(Kms { arn, role, context, aws_profile }) => {
                let context: BTreeMap<_, _> = context.into_iter().collect();
                MasterKey::Kms { arn, role, context, aws_profile, created_at, enc }
            }
            Self::Gcp(Gcp { resource_id }) => MasterKey::GcpKms { resource_id, created_at, enc },
            Self::Huawei(Huawei { key_id }) => MasterKey::HuaweiKms { key_id, created_at, enc },
            Self::Azure(Azure { vault_url, name, version }) => {
                MasterKey::AzureKv { vault_url, name, version, created_at, enc }
            }
            Self::Vault(Vault { vault_address, engine_path, key_name }) => {
                MasterKey::Vault { vault_address, engine_path, key_name, created_at, enc }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use sealfast_sops::master_key::MasterKey;
    use sealfast_sops::time::Time;

    use super::{DecryptRequest, EncryptRequest, Key};

    #[test]
    fn keys_survive_the_wire() {
        let created_at = Time::from(jiff::Timestamp::UNIX_EPOCH);
        let context = [("a".to_owned(), "b".to_owned())].into();
        let text = str::to_owned;
        let mut keys = vec![
            MasterKey::Kms {
                arn: text("arn"),
                role: text("role"),
                context,
                aws_profile: text("p"),
                created_at,
                enc: text("e"),
            },
            MasterKey::AzureKv {
                vault_url: text("https://v"),
                name: text("n"),
                version: text("1"),
                created_at,
                enc: text("e"),
            },
        ];
        for age in MasterKey::age_list("age1x") {
            keys.push(age);
        }
        keys.extend(MasterKey::pgp_list("ABCD", created_at));
        keys.extend(MasterKey::gcp_kms_list("projects/p", created_at));
        keys.extend(MasterKey::huawei_list("r:u", created_at).unwrap_or_default());
        keys.extend(MasterKey::vault_list("https://v/v1/t/keys/k", created_at).unwrap_or_default());
        assert_eq!(keys.len(), 7);
        for key in keys {
            let wire = Key::from(&key).encode_to_vec();
            let back = Key::decode(wire.as_slice()).ok().and_then(|key| key.kind);
            assert_eq!(back.map(|kind| kind.with_enc(key.enc().to_owned())), Some(key));
        }
    }

    /// Field numbers and wire types of the published definition, written by hand.
    #[test]
    fn bytes_are_those_of_the_published_definition() {
        let age = MasterKey::Age { recipient: "age1x".to_owned(), enc: String::new() };
        let request = EncryptRequest { key: Some((&age).into()), plaintext: vec![1, 2] };
        assert_eq!(request.encode_to_vec(), b"\x0a\x09\x32\x07\x0a\x05age1x\x12\x02\x01\x02");
        let request = DecryptRequest { key: None, ciphertext: b"e".to_vec() };
        assert_eq!(request.encode_to_vec(), b"\x12\x01e");
    }
}
