//! Leader election: one replica works, the others wait for its Lease to run out.
//!
//! A replica believes a Lease for as long as it has seen no change in it, by its own clock, so that clocks of
//! different machines need not agree.
//!
//! Follows: the leader election of client-go with Leases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealfast_cluster::client::{Client, Fence};
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::clock::Clock;

/// How a replica stands for election.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The time of day that the Lease tells; nobody is judged by it.
    pub clock: Clock,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are; no two replicas may have the same.
    pub identity: String,
    /// A Lease that was not renewed for this long is free.
    pub duration: Duration,
    /// A leader that could not renew for this long gives up.
    pub renew_deadline: Duration,
    /// Pause between two looks.
    pub retry_period: Duration,
    /// Whether a leader that stops frees the Lease at once.
    pub release: Release,
}

/// What a leader that stops does with its Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It frees it, so that another may take over at once.
    AtOnce,
    /// It lets it run out.
    Never,
}

/// What was last seen of the Lease, and when.
#[derive(Default)]
struct Seen {
    record: Value,
    at: Option<Instant>,
}

impl Seen {
    fn note(&mut self, record: &Value) {
        if self.record != *record {
            self.record = record.clone();
            self.at = Some(Instant::now());
        }
    }

    /// Whether nobody holds it, or who did has let it run out. How long that takes is up to who holds it.
    fn is_free(&self, duration: Duration) -> bool {
        let nobody = self.record["holderIdentity"].as_str().unwrap_or_default().is_empty();
        let told = self.record["leaseDurationSeconds"].as_u64().map(Duration::from_secs);
        nobody || self.at.is_none_or(|at| at.elapsed() >= told.unwrap_or(duration))
    }
}

/// A held Lease.
pub struct Leadership {
    client: Client,
    candidate: Candidate,
    seen: Seen,
    /// When the last renewal was asked for: others count from what it wrote, and not from when we heard of that.
    renewed: Instant,
    fence: Arc<Fence>,
}

impl Candidate {
    /// Waits until this replica leads.
    pub async fn elected(self, client: Client) -> Leadership {
        // Who renews a Lease does not stand in line behind the work that it is for: here is no limit.
        let client = client.throttled(0.0, 0.0);
        let renewed = Instant::now();
        let fence = Arc::new(Fence::at(renewed));
        let mut leadership = Leadership { client, candidate: self, seen: Seen::default(), renewed, fence };
        loop {
            let asked = Instant::now();
            match timeout(leadership.candidate.renew_deadline, leadership.acquire()).await {
                Ok(Ok(true)) => {
                    leadership.holds_since(asked);
                    return leadership;
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(error = %error.chain(), "cannot look at the lease"),
                Err(_) => {
                    tracing::warn!("looking at the lease takes too long");
                    leadership.connect_anew();
                }
            }
            tokio::time::sleep(leadership.candidate.retry_period).await;
        }
    }

    /// The length that is told to others, who believe it; servers take none that is less than a second.
    fn seconds(&self) -> u64 {
        (self.duration.as_secs() + u64::from(self.duration.subsec_nanos() > 0)).max(1)
    }
}

impl Leadership {
    /// Renews the Lease until that fails for too long; then somebody else may lead.
    pub async fn lost(&mut self) {
        // A connection that died without a word takes a third of the time at most; a new one, which may lead to a server that
        // is just slow, all that is left.
        let mut share = 3;
        loop {
            if share > 1 {
                tokio::time::sleep(self.candidate.retry_period.min(self.left())).await;
            }
            let asked = Instant::now();
            let most = self.left().min(self.candidate.renew_deadline / share).max(Duration::from_millis(1));
            let tried = timeout(most, self.acquire()).await;
            share = if tried.is_err() { 1 } else { 3 };
            match tried {
                Ok(Ok(true)) => self.holds_since(asked),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => tracing::warn!(error = %error.chain(), "cannot renew the lease"),
                Err(_) => {
                    tracing::warn!("renewing the lease takes too long");
                    self.connect_anew();
                }
            }
            if self.left().is_zero() {
                return;
            }
        }
    }

    fn connect_anew(&mut self) {
        match self.client.anew() {
            Ok(client) => self.client = client,
            Err(error) => tracing::warn!(error = %error.chain(), "cannot connect anew"),
        }
    }

    /// Where those stop who work under this Lease, should nobody get to tell them.
    pub fn fence(&self) -> Arc<Fence> {
        Arc::clone(&self.fence)
    }

    fn holds_since(&mut self, asked: Instant) {
        self.renewed = asked;
        self.fence.put_off(asked + self.candidate.renew_deadline);
    }

    /// Time until a leader that cannot renew gives up.
    fn left(&self) -> Duration {
        self.candidate.renew_deadline.saturating_sub(self.renewed.elapsed())
    }

    /// Frees the Lease when that is asked for.
    pub async fn release(mut self) {
        if self.candidate.release == Release::Never {
            return;
        }
        let Ok(Some(mut lease)) = self.read().await else { return };
        if lease["spec"]["holderIdentity"] != *self.candidate.identity {
            return;
        }
        lease["spec"]["holderIdentity"] = "".into();
        lease["spec"]["leaseDurationSeconds"] = 1.into();
        lease["spec"]["renewTime"] = self.candidate.clock.micros().into();
        if let Err(error) = self.client.update(&lease, &self.candidate.identity).await {
            tracing::debug!(error = %error.chain(), "cannot free the lease");
        }
    }

    async fn read(&mut self) -> Result<Option<Value>, Error> {
        self.client.find(&kind(), &self.candidate.namespace, &self.candidate.name).await
    }

    /// Takes or renews the Lease; false when somebody else holds it.
    async fn acquire(&mut self) -> Result<bool, Error> {
        let written = match self.read().await? {
            None => self.client.create(&self.fresh(), &self.candidate.identity).await,
            Some(lease) => {
                self.seen.note(&lease["spec"]);
                let ours = lease["spec"]["holderIdentity"] == *self.candidate.identity;
                if !ours && !self.seen.is_free(self.candidate.duration) {
                    return Ok(false);
                }
                self.client.update(&self.renewed(lease, ours), &self.candidate.identity).await
            }
        };
        // Refused when somebody wrote it meanwhile; the next look tells who holds it.
        self.seen.note(&written?["spec"]);
        Ok(true)
    }

    fn fresh(&self) -> Value {
        let now = self.candidate.clock.micros();
        json!({
            "apiVersion": kind().api_version(), "kind": kind().kind,
            "metadata": {"name": self.candidate.name, "namespace": self.candidate.namespace},
            "spec": {
                "holderIdentity": self.candidate.identity,
                "leaseDurationSeconds": self.candidate.seconds(),
                "acquireTime": now, "renewTime": now, "leaseTransitions": 0,
            },
        })
    }

    fn renewed(&self, lease: Value, ours: bool) -> Value {
        let mut lease = lease;
        let now = self.candidate.clock.micros();
        let spec = &mut lease["spec"];
        if !ours {
            let changes = spec["leaseTransitions"].as_i64().unwrap_or_default();
            spec["leaseTransitions"] = (changes + 1).into();
            spec["acquireTime"] = now.clone().into();
        }
        spec["holderIdentity"] = self.candidate.identity.clone().into();
        spec["leaseDurationSeconds"] = self.candidate.seconds().into();
        spec["renewTime"] = now.into();
        if let Some(metadata) = object::metadata_mut(&mut lease) {
            metadata.remove("managedFields");
        }
        lease
    }
}

fn kind() -> GroupVersionKind {
    GroupVersionKind::new("coordination.k8s.io", "v1", "Lease")
}
