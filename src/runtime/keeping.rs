//! Keeping: a keeper for each webhook configuration, policy and binding of the operator's own.
//!
//! Whoever changes one is told and counted. Does not know what is wanted, nor how it is repaired.

use std::fmt::Debug;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, select_all};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::{Client, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::cluster::certificates::Served;
use crate::cluster::drift::{Drift, Owned};
use crate::cluster::keeper::Keeper;
use crate::cluster::leadership::{Leadership, NotLeader};
use crate::cluster::policies;
use crate::cluster::webhook_config::{CONFIGURATION, mutating, validating};
use crate::cluster::webhook_settings::Settings;
use crate::metrics::Metrics;

/// What every keeper is made from.
pub(super) struct Keeping {
    pub(super) client: Client,
    pub(super) leadership: Leadership,
    pub(super) settings: Settings,
    pub(super) served: watch::Receiver<Option<Arc<Served>>>,
    pub(super) metrics: Metrics,
    pub(super) drifts: mpsc::UnboundedSender<Drift>,
}

type Kept = BoxFuture<'static, Result<(), NotLeader>>;

impl Keeping {
    /// Keeps all until leadership is lost. A configuration waits for a certificate to trust; a policy needs none.
    pub(super) async fn keep(self) -> Result<(), NotLeader> {
        let (judge, stamp) = (self.settings.clone(), self.settings.clone());
        let mut kept: Vec<Kept> = vec![
            self.one::<ValidatingWebhookConfiguration>(CONFIGURATION, move |bundle| {
                bundle.map(|bundle| validating(&judge, bundle))
            }),
            self.one::<MutatingWebhookConfiguration>(CONFIGURATION, move |bundle| {
                bundle.map(|bundle| mutating(&stamp, bundle))
            }),
        ];
        for (policy, binding) in policies::all(&self.settings) {
            kept.push(self.one(&policy.name_any(), move |_| Some(policy.clone())));
            kept.push(self.one(&binding.name_any(), move |_| Some(binding.clone())));
        }
        select_all(kept).await.0
    }

    fn one<K>(
        &self,
        name: &str,
        build: impl Fn(Option<&str>) -> Option<K> + Send + Sync + 'static,
    ) -> Kept
    where
        K: Owned<DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let place = (name, self.leadership.clone());
        let keeper = Keeper::new(self.client.clone(), place, build, self.report());
        let served = self.served.clone();
        async move { keeper.keep(served).await }.boxed()
    }

    fn report(&self) -> impl Fn(Drift) + Send + Sync + 'static {
        let (repairs, drifts) = (
            self.metrics.configuration_repairs.clone(),
            self.drifts.clone(),
        );
        move |drift| {
            repairs.with_label_values(&[drift.which]).inc();
            warn!(?drift, "was changed by somebody else; repaired");
            // Nobody listens once this process ends.
            let _ = drifts.send(drift);
        }
    }
}
