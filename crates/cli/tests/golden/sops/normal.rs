//! Replaces everything that is random or depends on time in an encrypted file.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::bytes::{Captures, Regex};

static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:[A-Za-z0-9+/=]*,tag:[A-Za-z0-9+/=]*,type:([a-z]+)\]")
});
static AGE: LazyLock<Regex> = LazyLock::new(|| armor("AGE ENCRYPTED FILE"));
static PGP: LazyLock<Regex> = LazyLock::new(|| armor("PGP MESSAGE"));
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    compile(r#"((?:lastmodified|created_at)"?\s*[:=]\s*"?)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)"#)
});
static WRAPPED: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"(enc"?\s*[:=]\s*"?)(?:vault:v1:[A-Za-z0-9+/=]+|QVdTTU9DS[A-Za-z0-9+/=]+)"#));
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"(\bversion"?\s*[:=]\s*"?)\d+\.\d+\.\d+[-+.0-9A-Za-z]*"#));
static CHOMPING: LazyLock<Regex> = LazyLock::new(|| compile(r"(enc: )\|[-+]?(\s+<ARMOR)"));
static BEHIND_ARMOR: LazyLock<Regex> = LazyLock::new(|| compile(r"(<ARMOR [A-Z ]+>)\s*"));

fn compile(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).unwrap_or_else(|wrong| panic!("{pattern}: {wrong}"))
}

fn armor(kind: &str) -> Regex {
    compile(&format!(r"(?s)-----BEGIN ({kind})-----.*?-----END {kind}-----(?:\\n|\\\\n|\n)*"))
}

/// Returns every encrypted value's data and type.
pub(crate) fn values(data: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    VALUE.captures_iter(data).map(|found| (found[1].to_vec(), found[2].to_vec())).collect()
}

/// Returns the file with lengths and kinds in the place of secrets.
pub(crate) fn normalize(data: &[u8]) -> Vec<u8> {
    let armor = |found: &Captures<'_>| [b"<ARMOR ", &found[1], b">\n"].concat();
    let value = |found: &Captures<'_>| {
        let length = STANDARD.decode(&found[1]).map_or(-1, |bytes| bytes.len() as i64);
        [b"<ENC ", &found[2], format!(" {length}>").as_bytes()].concat()
    };
    let blank = |mark: &'static str| move |found: &Captures<'_>| [&found[1], mark.as_bytes()].concat();
    let data = AGE.replace_all(data, armor);
    let data = PGP.replace_all(&data, armor).into_owned();
    let data = VALUE.replace_all(&data, value).into_owned();
    let data = WRAPPED.replace_all(&data, blank("<WRAPPED>")).into_owned();
    let data = TIME.replace_all(&data, blank("<TIME>")).into_owned();
    let data = VERSION.replace_all(&data, blank("<VERSION>")).into_owned();
    let data = CHOMPING
        .replace_all(&data, |found: &Captures<'_>| [&found[1], b"|", &found[2]].concat())
        .into_owned();
    BEHIND_ARMOR.replace_all(&data, blank("\n")).into_owned()
}
