//! Encrypted, clear or damaged.

use sealfast_sops::document::{State, state};
use sealfast_sops::store::Format;

#[test]
fn damaged_documents_are_told_from_clear_ones() {
    let damaged: [(Format, &[u8]); 6] = [
        (Format::Yaml, b"<<<<<<< HEAD\na: b\nsops:\n  mac: ENC[AES256_GCM,data:x]\n"),
        (Format::Yaml, b"a: b\nsops:\n  lastmodified: '2026-01-02T03:04:05Z'\n"),
        (Format::Json, br#"{"a": 1,, "sops": {"mac": "ENC[AES256_GCM,data:x]"}}"#),
        (Format::Binary, b"<<<<<<< HEAD\n{\"data\": \"ENC[AES256_GCM,data:x]\", \"sops\": {}}\n"),
        (Format::Dotenv, b"<<<<<<< HEAD\nA=b\nsops_mac=ENC[AES256_GCM,data:x]\n"),
        (Format::Ini, b"[a]\nb = c\n<<<<<<< HEAD\n[sops]\nmac = ENC[AES256_GCM,data:x]\n"),
    ];
    for (format, text) in damaged {
        let state = state(text, format);
        assert!(matches!(state, State::Damaged(_)), "{format:?} {state:?}");
    }
    let clear: [(Format, &[u8]); 5] = [
        (Format::Yaml, b"sops:\n  enabled: true\n"),
        (Format::Yaml, b"a: |\n  sops:\n    mac: ENC[AES256_GCM,data:x]\n"),
        (Format::Yaml, b"a: [\n# a sops file has ENC[AES256_GCM,data:x]\n"),
        (Format::Json, br#"{"a": "{\"sops\": \"ENC[AES256_GCM,data:x]\"}"}"#),
        (Format::Binary, b"A sops file:\n{\"data\": \"ENC[AES256_GCM,data:x]\", \"sops\": {}}\n"),
    ];
    for (format, text) in clear {
        let state = state(text, format);
        assert!(matches!(state, State::Clear), "{format:?} {state:?}");
    }
}
