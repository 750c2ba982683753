//! Connections to remote clusters, kept while they are used.
//!
//! TLS and what is known about kinds are not begun anew with each run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_k8s::object;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::report::Failure;

/// A connection that nobody used for this long is let go.
const UNUSED: Duration = Duration::from_secs(30 * 60);
/// How often somebody looks for those.
const LOOK: Duration = Duration::from_secs(5 * 60);
/// How many are kept; the one used least lately makes place.
const MOST: usize = 256;

/// The connections.
#[derive(Clone, Default)]
pub struct Remotes(Arc<Mutex<Keeping>>);

#[derive(Default)]
struct Keeping {
    by_origin: HashMap<Origin, Kept>,
    /// Whether somebody lets go of those that are not used.
    is_watched: bool,
}

/// The object that says where a cluster is, and the entry in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    uid: String,
    entry: Option<String>,
}

/// What was said there, and with which token it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Version(Zeroizing<String>);

struct Kept {
    version: Version,
    client: Client,
    used: Instant,
}

impl Origin {
    /// An entry of an object, or the usual one.
    pub fn of(object: &Value, entry: Option<&str>) -> Origin {
        let uid = object::metadata_text(object, "uid").to_owned();
        Origin { uid, entry: entry.map(str::to_owned) }
    }
}

impl Version {
    /// That of an object, and a token beside it (or nothing).
    pub fn of(object: &Value, token: &str) -> Version {
        let version = object::metadata_text(object, "resourceVersion");
        Version(Zeroizing::new(format!("{version}#{token}")))
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
        if let Some(client) = self.find(&origin, &version) {
            return Ok(client);
        }
        let client = make.await?;
        self.keep(origin, Kept { version, client: client.clone(), used: Instant::now() });
        Ok(client)
    }

    fn find(&self, origin: &Origin, version: &Version) -> Option<Client> {
        let mut keeping = self.0.lock();
        let found = keeping.by_origin.get_mut(origin).filter(|kept| kept.version == *version)?;
        found.used = Instant::now();
        Some(found.client.clone())
    }

    fn keep(&self, origin: Origin, kept: Kept) {
        let mut keeping = self.0.lock();
        if !std::mem::replace(&mut keeping.is_watched, true) {
            tokio::spawn(self.clone().forget());
        }
        let by_origin = &mut keeping.by_origin;
        if by_origin.len() >= MOST && !by_origin.contains_key(&origin) {
            let oldest = by_origin.iter().min_by_key(|(_, kept)| kept.used).map(|(origin, _)| origin.clone());
            oldest.and_then(|oldest| by_origin.remove(&oldest));
        }
        by_origin.insert(origin, kept);
    }

    /// Lets connections go that nobody used for a while, until there are none.
    async fn forget(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut keeping = self.0.lock();
            keeping.by_origin.retain(|_, kept| kept.used.elapsed() < UNUSED);
            if keeping.by_origin.is_empty() {
                *keeping = Keeping::default();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

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
                client.map_err(|error| Failure::new("ReconciliationFailed", error.chain()))
            };
            let object = secret(version);
            let got = remotes.get(Origin::of(&object, entry), Version::of(&object, token), make).await;
            assert!(got.is_ok() && made.get() == wanted, "{version} {token} {entry:?}: {}", made.get());
        }
        let failed = async { Err(Failure::new("ReconciliationFailed", "none")) };
        let object = secret("3");
        let none = remotes.get(Origin::of(&object, None), Version::of(&object, ""), failed).await;
        assert!(none.is_err() && remotes.0.lock().by_origin.len() == 2);
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
        let keeping = remotes.0.lock();
        assert!(keeping.by_origin.len() == MOST && !keeping.by_origin.contains_key(&first));
    }
}
