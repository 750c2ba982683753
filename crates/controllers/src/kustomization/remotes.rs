//! Connections to remote clusters, kept while they are used.
//!
//! TLS and what is known about kinds are not begun anew with each run.

use std::sync::Arc;
use std::time::Duration;

use sealfast_cluster::client::Client;
use sealfast_k8s::object;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::keeper::Keeper;
use crate::kustomization::report::Failure;

/// A connection that nobody used for this long is let go.
const UNUSED: Duration = Duration::from_secs(30 * 60);
/// How many are kept; the one used least lately makes place.
const MOST: usize = 256;

/// The connections.
pub struct Remotes(Arc<Keeper<Origin, (Version, Client)>>);

impl Default for Remotes {
    fn default() -> Self {
        Remotes(Keeper::new(MOST, UNUSED))
    }
}

/// The object that says where a cluster is, and the entry in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    uid: String,
    entry: Option<String>,
}

/// What was said there, and where that leads.
#[derive(Clone, PartialEq, Eq)]
pub struct Version(Zeroizing<String>);

impl Origin {
    /// An entry of an object, or the usual one.
    pub fn of(object: &Value, entry: Option<&str>) -> Origin {
        let uid = object::metadata_text(object, "uid").to_owned();
        Origin { uid, entry: entry.map(str::to_owned) }
    }
}

impl Version {
    /// That of an object, and an address beside it (or nothing).
    pub fn of(object: &Value, address: &str) -> Version {
        let version = object::metadata_text(object, "resourceVersion");
        Version(Zeroizing::new(format!("{version}#{address}")))
    }
}

impl Remotes {
    /// The connection that was made from this version, or a new one.
    ///
    /// # Errors
    /// What making one raises.
    pub async fn get(
        &self,
        origin: Origin,
        version: Version,
        make: impl Future<Output = Result<Client, Failure>>,
    ) -> Result<Client, Failure> {
        if let Some((_, client)) = self.0.find(&origin, |(known, _)| *known == version) {
            return Ok(client);
        }
        let client = make.await?;
        self.0.keep(origin, (version, client.clone()));
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::kustomization::report::Reason;

    #[tokio::test]
    async fn a_connection_is_made_once_for_each_version() {
        // Whoever was first: another test may have set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (remotes, made) = (Remotes::default(), Cell::new(0));
        let secret = |version: &str| json!({"metadata": {"uid": "u", "resourceVersion": version}});
        for (version, token, entry, wanted) in [
            ("1", "", None, 1),
            ("1", "", None, 1),
            ("2", "", None, 2),
            ("2", "", None, 2),
            ("2", "t", None, 3),
            ("2", "t", Some("other"), 4),
            ("2", "t", None, 4),
        ] {
            let make = async {
                made.set(made.get() + 1);
                let client = Client::from_url("http://127.0.0.1:1", None, None).await;
                client.map_err(|error| Failure::new(Reason::ReconciliationFailed, error.chain()))
            };
            let object = secret(version);
            let got = remotes.get(Origin::of(&object, entry), Version::of(&object, token), make).await;
            assert!(got.is_ok() && made.get() == wanted, "{version} {token} {entry:?}: {}", made.get());
        }
        let failed = async { Err(Failure::new(Reason::ReconciliationFailed, "none")) };
        let object = secret("3");
        let none = remotes.get(Origin::of(&object, None), Version::of(&object, ""), failed).await;
        assert!(none.is_err() && remotes.0.retain(|_| true) == 2);
    }

    #[tokio::test]
    async fn only_so_many_are_kept() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let remotes = Remotes::default();
        let client = Client::from_url("http://127.0.0.1:1", None, None).await.expect("an address");
        for number in 0..MOST + 5 {
            let object = json!({"metadata": {"uid": number.to_string()}});
            let make = async { Ok(client.clone()) };
            let got = remotes.get(Origin::of(&object, None), Version::of(&object, ""), make).await;
            assert!(got.is_ok());
        }
        let first = Origin { uid: "0".to_owned(), entry: None };
        assert!(remotes.0.find(&first, |_| true).is_none() && remotes.0.retain(|_| true) == MOST);
    }
}
