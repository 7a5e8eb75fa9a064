//! The leader lease: one process acts, and knows by itself when it may not any more.
//!
//! Every write carries the resourceVersion of the claim it was decided on, so of two that see a lapsed lease one wins.
//! Decisions are `domain::leadership`'s, validity is `cluster::leadership`'s. Knows nothing of what a leader does.

use crate::clock::Clock;
use crate::cluster::client::{CallError, within};
use crate::cluster::leadership::Leadership;
use crate::cluster::tenure::Tenure;
use crate::domain::leadership::{Candidate, Claim, Sighting, Step, Timing, next_step};
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the lease is called, who asks for it, and how long it holds.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Shown to people; made unique by a suffix.
    pub process: String,
    /// The highest fence that the ledger knows.
    pub floor: i64,
    /// Durations.
    pub timing: Timing,
}

/// The lease, as a candidate sees it.
pub struct Lease {
    api: Api<LeaseObject>,
    pub(crate) settings: LeaseSettings,
    identity: String,
    clock: Arc<dyn Clock>,
    origin: Instant,
}

impl Lease {
    /// A candidate with a name that no other process has.
    pub fn new(client: Client, settings: LeaseSettings, clock: Arc<dyn Clock>) -> Self {
        let identity = format!("{}_{:016x}", settings.process, rand::random::<u64>());
        let api = Api::namespaced(client, &settings.namespace);
        Self {
            api,
            settings,
            identity,
            clock,
            origin: Instant::now(),
        }
    }

    /// The name under which this process stands in the lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Waits until this process leads. Errors are tried again: without an API server there is nothing to lead.
    pub async fn acquire(&self) -> (Leadership, Tenure<'_>) {
        let mut seen = None;
        loop {
            match self.attempt(&mut seen).await {
                Ok(Some(won)) => return won,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, lease = %self.settings.name, "lease not acquired");
                }
            }
            tokio::time::sleep(self.settings.timing.retry).await;
        }
    }

    async fn attempt(
        &self,
        seen: &mut Option<Sighting>,
    ) -> Result<Option<(Leadership, Tenure<'_>)>, CallError> {
        let object = self.read().await?;
        let now = self.origin.elapsed();
        *seen = object
            .as_ref()
            .map(|object| Sighting::after(seen.take(), claim_of(object), now));
        let begun = Instant::now();
        let (fence, written) = match next_step(
            seen.as_ref(),
            now,
            &self.candidate(None),
            &self.settings.timing,
        ) {
            Step::Create { fence } => (fence, self.create(fence).await),
            Step::Take { fence } => (
                fence,
                self.replace(object.unwrap_or_default(), Some(fence)).await,
            ),
            Step::Wait { .. } | Step::Renew | Step::Lost => return Ok(None),
        };
        match written {
            Ok(object) => {
                let leadership = Leadership::granted(fence, self.settings.timing, begun);
                let tenure = Tenure::new(self, leadership.clone(), object);
                Ok(Some((leadership, tenure)))
            }
            // Somebody else was first; the next look shows who.
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn candidate(&self, fence: Option<i64>) -> Candidate {
        Candidate {
            name: self.identity.clone(),
            fence,
            floor: self.settings.floor,
        }
    }

    fn call_limit(&self) -> Duration {
        self.settings.timing.renew_deadline / 2
    }

    pub(crate) async fn read(&self) -> Result<Option<LeaseObject>, CallError> {
        within(self.call_limit(), self.api.get_opt(&self.settings.name)).await
    }

    async fn create(&self, fence: i64) -> Result<LeaseObject, CallError> {
        let now = MicroTime(self.clock.now());
        let metadata = ObjectMeta {
            name: Some(self.settings.name.clone()),
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            acquire_time: Some(now.clone()),
            ..self.spec(fence, now)
        };
        let object = LeaseObject {
            metadata,
            spec: Some(spec),
        };
        within(
            self.call_limit(),
            self.api.create(&PostParams::default(), &object),
        )
        .await
    }

    /// Writes our claim over `object`, under its resourceVersion. With a fence it is a takeover, without one a renewal.
    pub(crate) async fn replace(
        &self,
        mut object: LeaseObject,
        takeover: Option<i64>,
    ) -> Result<LeaseObject, CallError> {
        let now = MicroTime(self.clock.now());
        let old = object.spec.take().unwrap_or_default();
        let fence = takeover.unwrap_or_else(|| old.lease_transitions.unwrap_or_default().into());
        let acquire_time = if takeover.is_some() {
            Some(now.clone())
        } else {
            old.acquire_time
        };
        object.spec = Some(LeaseSpec {
            acquire_time,
            ..self.spec(fence, now)
        });
        self.put(object).await
    }

    pub(crate) async fn put(&self, object: LeaseObject) -> Result<LeaseObject, CallError> {
        within(
            self.call_limit(),
            self.api
                .replace(&self.settings.name, &PostParams::default(), &object),
        )
        .await
    }

    fn spec(&self, fence: i64, now: MicroTime) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(whole_seconds(self.settings.timing.lease)),
            lease_transitions: Some(i32::try_from(fence).unwrap_or(i32::MAX)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }
}

pub(crate) fn claim_of(object: &LeaseObject) -> Claim {
    let spec = object.spec.clone().unwrap_or_default();
    Claim {
        holder: spec.holder_identity.unwrap_or_default(),
        renewed: spec.renew_time.map(|MicroTime(time)| -> Timestamp { time }),
        transitions: spec.lease_transitions.unwrap_or_default().into(),
        lease: spec
            .lease_duration_seconds
            .and_then(|s| u64::try_from(s).ok())
            .map(Duration::from_secs),
    }
}

// Others must never wait a shorter time than we count on, so parts of a second are rounded up.
fn whole_seconds(lease: Duration) -> i32 {
    let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::cluster::fake::Fake;

    pub(crate) const PATH: &str =
        "/apis/coordination.k8s.io/v1/namespaces/permit-system/leases/permit-operator";

    pub(crate) fn timing() -> Timing {
        Timing {
            retry: Duration::from_millis(1),
            ..Timing::of_lease(Duration::from_secs(15))
        }
    }

    pub(crate) fn candidate(fake: &Fake, timing: Timing) -> Lease {
        let settings = LeaseSettings {
            namespace: "permit-system".into(),
            name: "permit-operator".into(),
            process: "operator-0".into(),
            floor: 0,
            timing,
        };
        Lease::new(fake.client(), settings, Arc::new(SystemClock))
    }

    pub(crate) fn holder(fake: &Fake) -> String {
        fake.get(PATH)
            .unwrap()
            .pointer("/spec/holderIdentity")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[tokio::test]
    async fn the_first_candidate_creates_the_lease_and_leads() {
        let fake = Fake::default();
        let lease = candidate(&fake, timing());
        let (leadership, _tenure) = lease.acquire().await;
        assert!(leadership.is_valid());
        assert_eq!(leadership.fence, 1);
        assert_eq!(holder(&fake), lease.identity());
    }

    #[tokio::test]
    async fn of_two_that_see_a_free_lease_one_leads() {
        let fake = Fake::default();
        let (one, two) = (candidate(&fake, timing()), candidate(&fake, timing()));
        let (_, tenure) = one.acquire().await;
        tenure.release().await.unwrap();
        // Both have read the released lease; the second write comes with an old resourceVersion.
        let read = one.read().await.unwrap().unwrap();
        assert!(one.replace(read.clone(), Some(2)).await.is_ok());
        assert!(two.replace(read, Some(2)).await.unwrap_err().is_conflict());
        assert_eq!(holder(&fake), one.identity());
    }

    #[tokio::test]
    async fn a_held_lease_is_not_taken() {
        let fake = Fake::default();
        let (one, two) = (candidate(&fake, timing()), candidate(&fake, timing()));
        let _office = one.acquire().await;
        let mut seen = None;
        assert!(two.attempt(&mut seen).await.unwrap().is_none());
        assert!(two.attempt(&mut seen).await.unwrap().is_none());
        assert_eq!(holder(&fake), one.identity());
    }

    #[test]
    fn parts_of_a_second_are_promised_as_a_whole_one() {
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(15)), 15);
    }
}
