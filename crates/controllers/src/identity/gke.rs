//! GKE: where Google Cloud says that a cluster is.
//!
//! Follows: `projects.locations.clusters.get` of the REST reference of the Kubernetes Engine API.

use std::sync::LazyLock;

use secrecy::ExposeSecret as _;

use super::clusters::{Found, authority, canonical, other, step};
use super::{Error, Identities, Who};

const PATTERN: &str = r"^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";
static CLUSTER: LazyLock<sealfast_re2::Regex> =
    LazyLock::new(|| sealfast_re2::compile(PATTERN).expect("holds because a test compiles it"));

/// The path of a cluster.
fn path(cluster: &str) -> Result<String, Error> {
    let steps = || {
        CLUSTER.is_match(cluster).then_some(())?;
        cluster.split('/').map(step).collect::<Option<Vec<_>>>()
    };
    let invalid = || other(format!("invalid GKE cluster ID: '{cluster}'. must match {PATTERN}"));
    steps().map(|steps| steps.join("/")).ok_or_else(invalid)
}

impl Identities {
    pub(super) async fn describe_gke(
        &self,
        who: &Who,
        cluster: &str,
        operation: &'static str,
    ) -> Result<Vec<Found>, Error> {
        let path = path(cluster)?;
        let token = self.google(who, operation).await?.text(who)?;
        let failed = |why: String| other(format!("failed to describe GKE cluster '{cluster}': {why}"));
        let request = self.http(who)?.get(format!("{}/v1/{path}", self.clouds.places.google_container));
        let told = self.ask_about(who, request.bearer_auth(token.expose_secret())).await.map_err(failed)?;
        let authority = authority(told["masterAuth"]["clusterCaCertificate"].as_str().unwrap_or_default())
            .map_err(|why| other(format!("failed to decode GKE CA certificate: {why}")))?;
        let (endpoints, private) =
            (&told["controlPlaneEndpointsConfig"]["ipEndpointsConfig"], &told["privateClusterConfig"]);
        let addresses = [
            &told["endpoint"],
            &endpoints["publicEndpoint"],
            &endpoints["privateEndpoint"],
            &private["publicEndpoint"],
            &private["privateEndpoint"],
        ];
        let addresses = addresses.into_iter().filter_map(|address| address.as_str());
        let addresses = addresses.filter(|address| !address.is_empty());
        let found = |address| {
            let address = canonical(address).map_err(failed)?;
            Ok(Found { address, authority: authority.clone() })
        };
        addresses.map(found).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn clusters_are_ids_whose_parts_lead_nowhere_else() {
        let good = "projects/p/locations/l/clusters/c";
        assert_eq!(path(good).ok().as_deref(), Some(good));
        assert!(
            path("projects/p?x/locations/l/clusters/c").is_ok_and(|path| path.starts_with("projects/p%3Fx/"))
        );
        for wrong in
            ["projects/../locations/l/clusters/c", "projects/p/locations/l/clusters/c/d", "projects/p", ""]
        {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
