//! `flux create secret oci`: credentials of a container registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::required;
use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::Secret;
use crate::flux::{Failed, image};

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("url", Kind::Text),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with the credentials of a container registry.

Usage:
  flux create secret oci NAME --url HOST[/REPOSITORY] --username USER --password PASSWORD [flags]

Flags:
      --url ADDRESS    registry or repository, without oci://
  -u, --username, -p, --password
      --export         print the Secret instead of creating it

Examples:
  flux create secret oci registry-auth --url=ghcr.io --username=my-user --password=TOKEN --export > auth.yaml
";

pub(super) fn make(args: &Args, mut secret: Secret) -> Result<Secret, Failed> {
    let url = required(args, "url", "--url is required")?;
    let username = required(args, "username", "--username is required")?;
    let password = required(args, "password", "--password is required")?;
    image::reference(url).map_err(|why| format!("error parsing url: '{why}'"))?;
    secret.set(".dockerconfigjson", &docker_config(url, username, password));
    Ok(secret.typed("kubernetes.io/dockerconfigjson"))
}

/// The text that Docker keeps, laid out as the reference lays it out.
fn docker_config(server: &str, username: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new([username, ":", password].concat());
    let login = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let [server, username, password, login] = [server, username, password, &login].map(quoted);
    Zeroizing::new(
        [
            "{\n  \"auths\": {\n    ",
            &server,
            ": {\n      \"username\": ",
            &username,
            ",\n      \"password\": ",
            &password,
            ",\n      \"auth\": ",
            &login,
            "\n    }\n  }\n}",
        ]
        .concat(),
    )
}

/// A JSON string as Go writes it: what means something in HTML or JavaScript is escaped.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 6 + 2));
    out.push('"');
    let mut buffer = [0; 4];
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => {
                let json = Value::from(&*letter.encode_utf8(&mut buffer)).to_string();
                out.push_str(&json[1..json.len() - 1]);
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_escaped_as_go_escapes_them() {
        assert_eq!(
            quoted("a\"b\\c<d>&é\n\u{2028}\u{1}").as_str(),
            r#""a\"b\\c\u003cd\u003e\u0026é\n\u2028\u0001""#
        );
        let text = docker_config("ghcr.io", "bob", "<s>");
        let read: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(read["auths"]["ghcr.io"]["password"], "<s>");
        assert_eq!(read["auths"]["ghcr.io"]["auth"], "Ym9iOjxzPg==");
    }
}
