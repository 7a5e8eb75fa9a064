//! Where the gate's certificates are kept: one Secret in the operator's namespace, shared by all replicas.
//!
//! Whoever comes first creates it; a second creation answers 409 and reads the first. Every later write carries the
//! resourceVersion that it was planned on. Knows no TLS server: what is served with is published on a channel.

use crate::clock::Clock;
use crate::cluster::authority::{AuthorityError, Material, inspect, renew_leaf, rotate, start};
use crate::cluster::client::{CallError, deadline};
use crate::domain::certificate::{Current, Plan, Wanted, plan, plan_as_follower};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Name of the Secret.
pub const SECRET: &str = "permit-gate-tls";

const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";

const ATTEMPTS: usize = 5;
/// After a failure the next try comes soon: a certificate near its end cannot wait.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A timer slept for longer would not notice that the wall clock was set.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// What the gate is served with.
#[derive(Clone)]
pub struct Served {
    /// Certificates and keys.
    pub material: Material,
    /// Their validity and names.
    pub current: Current,
    /// When to look again.
    pub revisit: Timestamp,
}

/// Why there is nothing to serve with, or nothing newer.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The Secret was not read.
    #[error("secret `{SECRET}` was not read: {0}")]
    Read(#[source] CallError),
    /// The Secret was not written.
    #[error("secret `{SECRET}` was not written: {0}")]
    Write(#[source] CallError),
    /// Certificates could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Others keep writing it.
    #[error("secret `{SECRET}` changes with every try; find out who else writes it")]
    Contended,
}

/// The store.
pub struct Certificates {
    api: Api<Secret>,
    wanted: Wanted,
    clock: Arc<dyn Clock>,
}

impl Certificates {
    /// The Secret in `namespace`, holding certificates as `wanted`.
    pub fn new(client: Client, namespace: &str, wanted: Wanted, clock: Arc<dyn Clock>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            wanted,
            clock,
        }
    }

    /// Brings the Secret to what is due now and returns what to serve with. A follower acts only when nothing is usable.
    pub async fn ensure(&self, leads: bool) -> Result<Served, CertificateError> {
        for _ in 0..ATTEMPTS {
            let stored = deadline(self.api.get_opt(SECRET))
                .await
                .map_err(CertificateError::Read)?;
            match self.step(stored, leads).await {
                Ok(Some(served)) => return Ok(served),
                // Written: the next look plans on what is there now.
                Ok(None) => {}
                Err(CertificateError::Write(error)) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Err(CertificateError::Contended)
    }

    async fn step(
        &self,
        stored: Option<Secret>,
        leads: bool,
    ) -> Result<Option<Served>, CertificateError> {
        let now = self.clock.now();
        let material = stored.as_ref().and_then(material_of);
        let current = material.as_ref().and_then(|material| {
            inspect(material)
                .map_err(|error| tracing::warn!(%error, "certificates are made anew"))
                .ok()
        });
        let decide = if leads { plan } else { plan_as_follower };
        let next = match (
            decide(now, current.as_ref(), &self.wanted),
            material,
            current,
        ) {
            (Plan::Keep { until }, Some(material), Some(current)) => {
                return Ok(Some(Served {
                    material,
                    current,
                    revisit: until,
                }));
            }
            (Plan::RenewLeaf, Some(material), _) => renew_leaf(now, &material, &self.wanted)?,
            (Plan::RotateAuthority, Some(material), _) => rotate(now, &material, &self.wanted)?,
            (
                Plan::StartAnew | Plan::Keep { .. } | Plan::RenewLeaf | Plan::RotateAuthority,
                _,
                _,
            ) => start(now, &self.wanted)?,
        };
        self.store(stored, &next)
            .await
            .map_err(CertificateError::Write)?;
        Ok(None)
    }

    async fn store(&self, stored: Option<Secret>, material: &Material) -> Result<(), CallError> {
        let params = PostParams::default();
        if let Some(stored) = stored {
            let secret = Secret {
                data: Some(data_of(material)),
                ..stored
            };
            deadline(self.api.replace(SECRET, &params, &secret)).await?;
        } else {
            let metadata = ObjectMeta {
                name: Some(SECRET.to_owned()),
                ..ObjectMeta::default()
            };
            let type_ = Some("kubernetes.io/tls".to_owned());
            let secret = Secret {
                metadata,
                type_,
                data: Some(data_of(material)),
                ..Secret::default()
            };
            deadline(self.api.create(&params, &secret)).await?;
        }
        Ok(())
    }

    /// Keeps them good for ever and publishes every change. `leads` is asked before each look.
    pub async fn keep(
        &self,
        leads: impl Fn() -> bool,
        publish: &watch::Sender<Option<Arc<Served>>>,
    ) {
        loop {
            let pause = match self.ensure(leads()).await {
                Ok(served) => {
                    let pause = self.until(served.revisit);
                    let served = Arc::new(served);
                    publish.send_if_modified(|last| {
                        let is_new = last
                            .as_ref()
                            .is_none_or(|last| last.material != served.material);
                        *last = Some(served);
                        is_new
                    });
                    pause
                }
                Err(error) => {
                    tracing::error!(%error, "the gate's certificates were not looked after");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn until(&self, revisit: Timestamp) -> Duration {
        let rest = revisit.duration_since(self.clock.now());
        Duration::try_from(rest)
            .unwrap_or_default()
            .clamp(Duration::from_secs(1), LONGEST_SLEEP)
    }
}

fn material_of(secret: &Secret) -> Option<Material> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some(Material {
        bundle: text(AUTHORITY)?,
        authority_key: text(AUTHORITY_KEY)?,
        leaf: text(LEAF)?,
        leaf_key: text(LEAF_KEY)?,
    })
}

fn data_of(material: &Material) -> BTreeMap<String, ByteString> {
    [
        (AUTHORITY, &material.bundle),
        (AUTHORITY_KEY, &material.authority_key),
        (LEAF, &material.leaf),
        (LEAF_KEY, &material.leaf_key),
    ]
    .map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes())))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::Fake;
    use k8s_openapi::jiff::SignedDuration;
    use std::sync::atomic::{AtomicI64, Ordering};

    const PATH: &str = "/api/v1/namespaces/permit-system/secrets/permit-gate-tls";

    #[derive(Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_800_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    fn store(fake: &Fake, clock: &Arc<Hand>) -> Certificates {
        let names = ["127.0.0.1".to_owned()].into();
        let wanted = Wanted {
            lifetime: SignedDuration::from_secs(60),
            names,
        };
        Certificates::new(fake.client(), "permit-system", wanted, clock.clone())
    }

    #[tokio::test]
    async fn whoever_comes_first_creates_the_secret_and_the_others_read_it() {
        let (fake, clock) = (Fake::default(), Arc::new(Hand::default()));
        let first = store(&fake, &clock).ensure(false).await.unwrap();
        let second = store(&fake, &clock).ensure(true).await.unwrap();
        assert!(first.material == second.material);
        assert_eq!(fake.writes(), 1);
    }

    #[tokio::test]
    async fn the_second_of_two_creators_takes_the_firsts() {
        let (fake, clock) = (Fake::default(), Arc::new(Hand::default()));
        let (one, two) = (store(&fake, &clock), store(&fake, &clock));
        assert!(one.step(None, true).await.unwrap().is_none());
        assert!(
            two.step(None, true).await.is_err(),
            "the second creation is a conflict"
        );
        assert!(
            two.ensure(true).await.unwrap().material == one.ensure(true).await.unwrap().material
        );
    }

    #[tokio::test]
    async fn the_leader_renews_when_due_and_a_follower_reads_what_it_wrote() {
        let (fake, clock) = (Fake::default(), Arc::new(Hand::default()));
        let certificates = store(&fake, &clock);
        let first = certificates.ensure(true).await.unwrap();
        clock.0.store(45, Ordering::Relaxed);
        let follower = certificates.ensure(false).await.unwrap();
        assert!(
            follower.material == first.material,
            "a follower leaves renewal to the leader"
        );
        let renewed = certificates.ensure(true).await.unwrap();
        assert!(renewed.material.leaf != first.material.leaf);
        assert!(renewed.material.bundle == first.material.bundle);
        assert!(certificates.ensure(false).await.unwrap().material == renewed.material);
    }

    #[tokio::test]
    async fn a_spoilt_secret_is_made_anew() {
        let (fake, clock) = (Fake::default(), Arc::new(Hand::default()));
        let certificates = store(&fake, &clock);
        certificates.ensure(true).await.unwrap();
        fake.change(PATH, |secret| {
            secret["data"]["ca.key"] = "bm90IGEga2V5".into();
        });
        let served = certificates.ensure(true).await.unwrap();
        assert!(inspect(&served.material).is_ok());
    }
}
