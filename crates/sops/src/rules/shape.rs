//! Shape of a configuration file: which field holds what.
//!
//! Follows: the types of `config/config.go` of sops 3.13.2, whose names its messages show.

use sealfast_yaml::decode::Shape::{self, Any, Int, List, Struct, Text, Texts, Truth};

pub(super) static FILE: Shape = Struct(
    "config.configFile",
    &[
        ("creation_rules", List(&CREATION_RULE)),
        ("destination_rules", List(&DESTINATION_RULE)),
        ("stores", STORES),
    ],
);

const STORES: Shape = Struct(
    "config.StoresConfig",
    &[
        ("dotenv", Struct("config.DotenvStoreConfig", &[])),
        ("ini", Struct("config.INIStoreConfig", &[])),
        ("json_binary", Struct("config.JSONBinaryStoreConfig", INDENT)),
        ("json", Struct("config.JSONStoreConfig", INDENT)),
        ("yaml", Struct("config.YAMLStoreConfig", INDENT)),
    ],
);

const INDENT: &[(&str, Shape)] = &[("indent", Int)];

static CREATION_RULE: Shape = RULE;

/// Fields without a shape of their own take a text or a list.
const RULE: Shape = Struct(
    "config.creationRule",
    &[
        ("path_regex", Text),
        ("kms", Any),
        ("aws_profile", Text),
        ("age", Any),
        ("pgp", Any),
        ("gcp_kms", Any),
        ("hckms", List(&Text)),
        ("azure_keyvault", Any),
        ("hc_vault_transit_uri", Any),
        ("key_groups", List(&KEY_GROUP)),
        ("shamir_threshold", Int),
        ("unencrypted_suffix", Text),
        ("encrypted_suffix", Text),
        ("unencrypted_regex", Text),
        ("encrypted_regex", Text),
        ("unencrypted_comment_regex", Text),
        ("encrypted_comment_regex", Text),
        ("mac_only_encrypted", Truth),
    ],
);

static KEY_GROUP: Shape = Struct(
    "config.keyGroup",
    &[
        ("merge", List(&KEY_GROUP)),
        ("kms", List(&KMS_KEY)),
        ("gcp_kms", List(&Struct("config.gcpKmsKey", &[("resource_id", Text)]))),
        ("hckms", List(&Struct("config.hckmsKey", &[("key_id", Text)]))),
        ("azure_keyvault", List(&AZURE_KEY)),
        ("hc_vault", List(&Text)),
        ("age", List(&Text)),
        ("pgp", List(&Text)),
    ],
);

static KMS_KEY: Shape =
    Struct("config.kmsKey", &[("arn", Text), ("role", Text), ("context", Texts), ("aws_profile", Text)]);

static AZURE_KEY: Shape =
    Struct("config.azureKVKey", &[("vaultUrl", Text), ("key", Text), ("version", Text)]);

static DESTINATION_RULE: Shape = Struct(
    "config.destinationRule",
    &[
        ("path_regex", Text),
        ("s3_bucket", Text),
        ("s3_prefix", Text),
        ("gcs_bucket", Text),
        ("gcs_prefix", Text),
        ("vault_path", Text),
        ("vault_address", Text),
        ("vault_kv_mount_name", Text),
        ("vault_kv_version", Int),
        ("recreation_rule", RULE),
        ("omit_extensions", Truth),
    ],
);
