//! Key-value engines of Vault and OpenBao, version 1 and 2.

use sealfast_sops::document::Plain;
use sealfast_sops::store::{EmitOptions, Format};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::env;
use crate::sops::call::Call;
use crate::sops::keyring::cloud;
use crate::sops::log;
use crate::sops::publish::{client, say, send};
use crate::sops::stop::{Code, Stop};

const USUAL_ADDRESS: &str = "https://127.0.0.1:8200";

/// Where a secret goes.
pub(super) struct Place {
    address: String,
    path: String,
    version: u8,
}

impl Place {
    pub(super) fn new(address: &str, mount: &str, path: &str, name: &str, version: u8) -> Self {
        let address = if address.is_empty() { env::VAULT_ADDR.text() } else { Some(address.to_owned()) };
        let slash = |text: &str| if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
        let data = if version == 1 { "" } else { "data/" };
        Self {
            address: address.unwrap_or_else(|| USUAL_ADDRESS.to_owned()),
            path: format!("{}{data}{}{name}", slash(mount), slash(path)),
            version,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("{}/v1/{}", self.address, self.path)
    }
}

/// Writes the decrypted documents, unless they are there already.
pub(super) fn put(call: &Call, place: &Place, plain: &Plain) -> Result<(), Stop> {
    let data = Value::Object(data(plain)?);
    let client = client()?;
    let url = place.url();
    let token = cloud::vault_token();
    let with_token = |request: reqwest::blocking::RequestBuilder| {
        let request = request.header("X-Vault-Request", "true");
        let request = match env::VAULT_NAMESPACE.text() {
            Some(namespace) => request.header("X-Vault-Namespace", namespace),
            None => request,
        };
        match &token {
            Some(token) => request.header("X-Vault-Token", token.expose_secret()),
            None => request,
        }
    };
    let found = with_token(client.get(&url)).send();
    match found {
        Ok(found) if found.status().is_success() => {
            let there: Value = found.json().unwrap_or_default();
            let there = if place.version == 1 { &there["data"] } else { &there["data"]["data"] };
            if *there == data {
                say(call, &format!("Secret in {} is already up-to-date.", place.path));
                return Ok(());
            }
        }
        Ok(missing) if missing.status() == reqwest::StatusCode::NOT_FOUND => {}
        _ => log::warn(
            call.presentation,
            &format!(
                "Cannot check if destination secret already exists in {}. New version will be created even if the \
                 data has not been changed.",
                place.path
            ),
        ),
    }
    let body = if place.version == 1 { data } else { json!({ "data": data }) };
    let body = Zeroizing::new(body.to_string());
    send(with_token(client.put(&url)).body(body.as_bytes().to_vec()), &url).map(drop)
}

/// The entries of all documents; those of later ones replace those of earlier ones.
fn data(plain: &Plain) -> Result<Map<String, Value>, Stop> {
    let mut data = Map::new();
    for branch in plain.branches() {
        let text = Plain::from_branches(vec![branch.clone()])
            .emit(Format::Json, &EmitOptions::default())
            .map_err(|wrong| Stop::dumping(&wrong, ""))?;
        let read = serde_json::from_slice::<Map<String, Value>>(text.expose());
        data.extend(read.map_err(|wrong| Stop::new(wrong.to_string()).code(Code::DumpingTree))?);
    }
    Ok(data)
}
