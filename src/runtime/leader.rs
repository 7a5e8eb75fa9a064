//! The leader's part: wait for the lease, then write: ledger, controller, what is the operator's own.
//!
//! Whoever loses the lease ends its process: what it had begun is derived again by the next leader.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::Client;
use kube::runtime::events::Reporter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::keeping::Keeping;
use crate::clock::Clock;
use crate::cluster::access::Access;
use crate::cluster::caches::{Caches, Due, PermitRef};
use crate::cluster::certificates::Served;
use crate::cluster::leadership::Leadership;
use crate::cluster::lease::{Lease, LeaseSettings};
use crate::cluster::webhook_settings::Settings;
use crate::config::Run;
use crate::controller::{self, AdmittedBook, Context, Desk, GuardBook, Recorder};
use crate::domain::leadership::Timing;
use crate::ledger::{Backlog, Opening, Place, highest_fence};
use crate::metrics::Metrics;
use crate::probe::Probe;
use crate::probe::fixed::Fixed;
use crate::probe::prometheus::{DEADLINE, Prometheus};

/// The most records that wait while the ledger cannot be written.
const BACKLOG: usize = 10_000;

/// Everything that the leader's part needs.
pub(super) struct Leader {
    pub(super) run: Run,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) settings: Settings,
    pub(super) served: watch::Receiver<Option<Arc<Served>>>,
    pub(super) admitted: Arc<AdmittedBook>,
    pub(super) caches: Arc<Caches>,
    pub(super) due: Due,
    pub(super) leads: watch::Sender<bool>,
}

impl Leader {
    /// Waits for the lease and leads until `stop`; an error is the loss of the lease, which ends the process.
    pub(super) async fn lead(self, stop: CancellationToken) -> anyhow::Result<()> {
        // None yet is no error: then any fence is high enough. A deleted lease must not restart the count.
        let floor = highest_fence(&self.run.data_dir).await.unwrap_or(0);
        let lease = Lease::new(
            self.client.clone(),
            LeaseSettings {
                namespace: self.run.namespace.clone(),
                name: self.run.lease_name.clone(),
                process: self.run.pod_name.clone(),
                floor: i64::try_from(floor).unwrap_or(i64::MAX),
                timing: Timing::of_lease(self.run.lease_duration),
            },
            Arc::clone(&self.clock),
        );
        let (leadership, tenure) = tokio::select! {
            won = lease.acquire() => won,
            () = stop.cancelled() => return Ok(()),
        };
        info!(fence = leadership.fence, "leading");
        self.metrics.leader.set(1);
        let _ = self.leads.send(true);
        let work = CancellationToken::new();
        let working = self.work(leadership, work.clone());
        let keeping = tenure.keep(&stop);
        futures::pin_mut!(working, keeping);
        tokio::select! {
            kept = &mut keeping => kept?,
            worked = &mut working => worked?,
        }
        work.cancel();
        Ok(())
    }

    async fn work(self, leadership: Leadership, stop: CancellationToken) -> anyhow::Result<()> {
        self.caches.filled().await;
        let place = Place {
            directory: self.run.data_dir.clone(),
            log: "permits.dev/audit".into(),
            operator_version: env!("CARGO_PKG_VERSION").into(),
        };
        let ledger = Opening::new(place, Arc::clone(&self.clock));
        let reporter = Reporter {
            controller: "permit-operator".into(),
            instance: Some(self.run.pod_name.clone()),
        };
        let (drifts_in, drifts) = mpsc::unbounded_channel();
        let keeping = Keeping {
            client: self.client.clone(),
            leadership: leadership.clone(),
            settings: self.settings,
            served: self.served,
            metrics: self.metrics.clone(),
            drifts: drifts_in,
        };
        let ctx = Arc::new(Context {
            namespace: self.run.namespace.clone(),
            caches: self.caches,
            access: Access::remembering(self.client.clone()),
            ledger: Arc::new(ledger),
            backlog: Backlog::new(BACKLOG),
            probe: probe(&self.run)?,
            guard: GuardBook::default(),
            desk: Desk::default(),
            admitted: self.admitted,
            default_mode: super::default_mode(self.run.default_mode),
            clock: self.clock,
            leadership: Arc::new(leadership),
            recorder: Recorder::new(self.client.clone(), reporter),
            metrics: self.metrics,
            client: self.client,
        });
        let (due, dues) = self.due.listen();
        let dues = every_permit_and(&ctx.caches, dues);
        tokio::select! {
            () = controller::run(Arc::clone(&ctx), dues, stop.clone()) => {}
            () = controller::follow_rights(Arc::clone(&ctx), due.clone()) => {}
            () = controller::watch(Arc::clone(&ctx), due, stop) => {}
            () = controller::record_drifts(ctx, drifts) => {}
            kept = keeping.keep() => kept?,
        }
        Ok(())
    }
}

/// Every permit once, then those that a change concerns: nothing was kept from before this process led.
fn every_permit_and(
    caches: &Caches,
    dues: mpsc::Receiver<PermitRef>,
) -> impl Stream<Item = PermitRef> + Send + 'static {
    let all = caches.permit_refs(|_| true);
    let named = futures::stream::unfold(dues, async |mut dues| {
        dues.recv().await.map(|due| (due, dues))
    });
    futures::stream::iter(all).chain(named)
}

/// Prometheus, or what answers for it when none is configured: nobody, which holds and never passes.
fn probe(run: &Run) -> anyhow::Result<Arc<dyn Probe>> {
    Ok(match &run.prometheus_url {
        Some(url) => {
            let prometheus = Prometheus::new(url, DEADLINE)?;
            Arc::new(prometheus.with_token(run.prometheus_token_file.clone()))
        }
        None => Arc::new(Fixed::unconfigured()),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Response};
    use futures::future::join_all;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::cluster::caches::Feed;

    /// A cluster with one permit.
    fn cluster() -> Client {
        let answer = |request: Request<Body>| async move {
            if request
                .uri()
                .query()
                .is_some_and(|q| q.contains("watch=true"))
            {
                return std::future::pending().await;
            }
            let permit = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"template": "t", "purpose": "p", "targets": []}});
            let items = if request.uri().path().ends_with("/permits") {
                vec![permit]
            } else {
                Vec::new()
            };
            let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
            let body = Body::from(list.to_string().into_bytes());
            Ok::<_, std::convert::Infallible>(Response::new(body))
        };
        Client::new(tower::service_fn(answer), "permit-system")
    }

    #[tokio::test]
    async fn who_begins_to_lead_looks_at_every_permit_once_and_then_at_what_changes() {
        let Feed {
            caches,
            watches,
            due,
        } = Feed::new(&cluster(), "permit-system");
        let running = join_all(watches.into_iter().map(|watch| watch.run));
        let looked = async {
            caches.filled().await;
            let (listener, dues) = due.listen();
            let mut named = Box::pin(every_permit_and(&caches, dues));
            let first = named.next().await;
            let _ = listener.send(PermitRef::new("shop", "b")).await;
            [first, named.next().await].map(|permit| permit.map(|p| p.name.to_string()))
        };
        tokio::select! {
            _ = running => panic!("a watch ended"),
            names = looked => assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]),
        }
    }
}
