//! The time in office: renews the lease, notices its loss, and gives it back.
//!
//! A failed renewal is no loss while the deadline is not over; a claim by anybody else is. Knows nothing of what is led.

use crate::cluster::leadership::{Leadership, NotLeader};
use crate::cluster::lease::{Lease, claim_of};
use crate::domain::leadership::{Sighting, Step, next_step};
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The time in office: renews until it is told to stop or finds that it lost.
pub struct Tenure<'a> {
    lease: &'a Lease,
    leadership: Leadership,
    object: LeaseObject,
}

impl<'a> Tenure<'a> {
    /// Begins with the lease as it was written when it was won.
    pub(crate) fn new(lease: &'a Lease, leadership: Leadership, object: LeaseObject) -> Self {
        Self {
            lease,
            leadership,
            object,
        }
    }

    /// Renews until `stop`, then releases the lease so that the next leader need not wait. An error is the loss of
    /// leadership; the process must end then, whatever it was doing.
    pub async fn keep(mut self, stop: &CancellationToken) -> Result<(), NotLeader> {
        let retry = self.lease.settings.timing.retry;
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.release().await,
                () = tokio::time::sleep(retry) => {}
            }
            if let Err(lost) = self.renew().await {
                self.leadership.lost.cancel();
                return Err(lost);
            }
        }
    }

    /// One renewal. Failing is no loss while the deadline is not over; a claim by anybody else is.
    async fn renew(&mut self) -> Result<(), NotLeader> {
        // A process that was stopped past its deadline does not come back, even if nobody took the lease meanwhile.
        self.leadership.ensure()?;
        let begun = Instant::now();
        match self.lease.replace(self.object.clone(), None).await {
            Ok(object) => {
                self.object = object;
                self.leadership.renew(begun);
            }
            Err(error) if error.is_conflict() || error.is_not_found() => self.look_again().await?,
            Err(error) => tracing::warn!(%error, "lease not renewed"),
        }
        self.leadership.ensure()
    }

    /// After a conflict: it may be our own write, whose answer was lost.
    async fn look_again(&mut self) -> Result<(), NotLeader> {
        let object = match self.lease.read().await {
            Ok(object) => object,
            Err(error) => {
                tracing::warn!(%error, "lease not read");
                return Ok(());
            }
        };
        let seen = object
            .as_ref()
            .map(|object| Sighting::after(None, claim_of(object), Duration::ZERO));
        let me = self.lease.candidate(Some(self.leadership.fence));
        match (
            next_step(
                seen.as_ref(),
                Duration::ZERO,
                &me,
                &self.lease.settings.timing,
            ),
            object,
        ) {
            (Step::Renew, Some(object)) => {
                self.object = object;
                Ok(())
            }
            (
                Step::Renew
                | Step::Lost
                | Step::Create { .. }
                | Step::Take { .. }
                | Step::Wait { .. },
                _,
            ) => Err(NotLeader {
                fence: self.leadership.fence,
            }),
        }
    }

    /// Gives the lease back. Nothing of ours acts from here on, whether or not the write arrives.
    pub(crate) async fn release(mut self) -> Result<(), NotLeader> {
        self.leadership.lost.cancel();
        let mut spec = self.object.spec.take().unwrap_or_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        self.object.spec = Some(spec);
        if let Err(error) = self.lease.put(self.object).await {
            tracing::warn!(%error, "lease not released; the next leader waits until it lapses");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::Fake;
    use crate::cluster::lease::tests::{PATH, candidate, holder, timing};
    use crate::domain::leadership::Timing;

    #[tokio::test]
    async fn a_graceful_end_releases_the_lease_and_the_next_fence_is_higher() {
        let fake = Fake::default();
        let (one, two) = (candidate(&fake, timing()), candidate(&fake, timing()));
        let (first, tenure) = one.acquire().await;
        let stop = CancellationToken::new();
        stop.cancel();
        tenure.keep(&stop).await.unwrap();
        assert!(!first.is_valid(), "nothing is written after the release");
        let (second, _tenure) = two.acquire().await;
        assert!(second.fence > first.fence);
    }

    #[tokio::test]
    async fn another_holder_ends_leadership() {
        let fake = Fake::default();
        let lease = candidate(&fake, timing());
        let (leadership, tenure) = lease.acquire().await;
        fake.change(PATH, |object| {
            object["spec"]["holderIdentity"] = "usurper".into();
        });
        assert_eq!(
            tenure.keep(&CancellationToken::new()).await,
            Err(NotLeader { fence: 1 })
        );
        assert!(leadership.lost.is_cancelled());
        assert!(leadership.ensure().is_err());
        assert_eq!(holder(&fake), "usurper", "a lost lease is not fought for");
    }

    #[tokio::test]
    async fn a_deleted_lease_ends_leadership() {
        let fake = Fake::default();
        let lease = candidate(&fake, timing());
        let (_, tenure) = lease.acquire().await;
        fake.remove(PATH);
        assert!(tenure.keep(&CancellationToken::new()).await.is_err());
    }

    #[tokio::test]
    async fn a_harmless_edit_by_somebody_else_is_survived() {
        let fake = Fake::default();
        let lease = candidate(&fake, timing());
        let (leadership, mut tenure) = lease.acquire().await;
        fake.change(PATH, |object| {
            object["metadata"]["annotations"] = serde_json::json!({"note": "seen"});
        });
        tenure.renew().await.unwrap();
        tenure.renew().await.unwrap();
        assert!(leadership.is_valid());
    }

    #[tokio::test]
    async fn a_holder_past_its_deadline_writes_nothing_more() {
        let fake = Fake::default();
        let lease = candidate(&fake, timing());
        let (_, mut tenure) = lease.acquire().await;
        let before = fake.writes();
        let lapsed = Timing {
            renew_deadline: Duration::ZERO,
            ..timing()
        };
        tenure.leadership = Leadership::granted(1, lapsed, Instant::now());
        assert!(tenure.renew().await.is_err());
        assert_eq!(fake.writes(), before);
    }

    #[tokio::test]
    async fn a_failing_api_server_ends_leadership_at_the_deadline() {
        let fake = Fake::default();
        let lease = candidate(
            &fake,
            Timing {
                renew_deadline: Duration::from_millis(20),
                ..timing()
            },
        );
        let (leadership, tenure) = lease.acquire().await;
        fake.fail_with(503);
        assert!(tenure.keep(&CancellationToken::new()).await.is_err());
        assert!(!leadership.is_valid());
    }
}
