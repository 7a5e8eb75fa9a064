//! Process: the tasks that every replica runs, and what they share.
//!
//! Each is a task of the foundation: it ends after the leader's work has ended. Decides nothing.

use std::sync::Arc;

use anyhow::Context as _;
use kube::Client;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::cluster::caches::{Caches, Watching};
use crate::cluster::certificates::{Certificates, Served};
use crate::cluster::webhook_settings::Settings;
use crate::config::Run;
use crate::controller::{AdmittedBook, GrantedBook};
use crate::domain::certificate::Wanted;
use crate::domain::sweep::Granted;
use crate::domain::world::Admitted;
use crate::health::{self, Part, Readiness};
use crate::metrics::Metrics;
use crate::supervise::{Stage, Supervisor};
use crate::webhook::handover::{self, Handover};
use crate::webhook::{self, Gate, server};

type ServedCertificate = watch::Receiver<Option<Arc<Served>>>;

/// What the tasks of one process share.
pub(super) struct Process {
    pub(super) run: Run,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) supervisor: Supervisor,
    pub(super) settings: Settings,
}

impl Process {
    /// Answers probes and shows figures.
    pub(super) async fn serve_probes(&self) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind(self.run.metrics_listen)
            .await
            .context("listen for probes and metrics")?;
        let router = health::router(self.readiness.clone(), self.metrics.clone());
        let stop = self.supervisor.stop(Stage::Foundation);
        let probes = health::serve(listener, router, stop);
        self.supervisor.spawn(Stage::Foundation, "probes", probes);
        Ok(())
    }

    /// Runs the watches; each cache says itself when it is filled, `filled` says when all are.
    pub(super) fn fill(&self, caches: &Arc<Caches>, watches: Vec<Watching>, filled: Part) {
        for watch in watches {
            self.spawn("watch", watch.run);
            let (part, mut filled) = (self.readiness.part(watch.name), watch.filled);
            self.spawn("readiness", async move {
                part.set(filled.wait_for(|is_filled| *is_filled).await.is_ok());
                std::future::pending::<()>().await;
            });
        }
        let caches = Arc::clone(caches);
        self.spawn("fill", async move {
            caches.filled().await;
            filled.set(true);
            std::future::pending::<()>().await;
        });
    }

    /// Keeps the serving certificate; the leader renews it.
    pub(super) fn keep_certificates(&self, leads: watch::Receiver<bool>) -> ServedCertificate {
        let (served_in, served) = watch::channel(None);
        let wanted = Wanted {
            lifetime: self.run.certificate_lifetime,
            names: self.settings.names(),
        };
        let (client, clock) = (self.client.clone(), Arc::clone(&self.clock));
        let certificates = Certificates::new(client, &self.run.namespace, wanted, clock);
        self.spawn("certificates", async move {
            certificates.keep(move || *leads.borrow(), &served_in).await;
        });
        self.tell_of_certificates(served.clone());
        served
    }

    /// Says that there is a certificate, and until when each one holds.
    fn tell_of_certificates(&self, mut served: ServedCertificate) {
        let ready = self.readiness.part("certificate");
        let expiry = self.metrics.certificate_expiry.clone();
        self.spawn("expiry", async move {
            while served.changed().await.is_ok() {
                if let Some(served) = served.borrow_and_update().as_ref() {
                    expiry.set(served.current.leaf.not_after.as_duration().as_secs_f64());
                    ready.set(true);
                }
            }
            std::future::pending::<()>().await;
        });
    }

    /// Takes in what the gate hands over.
    pub(super) fn take_in(
        &self,
        (admitted, granted): (Arc<AdmittedBook>, Arc<GrantedBook>),
    ) -> mpsc::Sender<Handover> {
        let (handover, mut handovers) = handover::channel();
        let lost = self.metrics.handover_lost.clone();
        self.spawn("intake", async move {
            while let Some(handover) = handovers.recv().await {
                match handover {
                    Handover::Permitted {
                        permit_uid,
                        username,
                        decision_id,
                    } => {
                        let by = Admitted {
                            username,
                            decision_id,
                        };
                        admitted.note(&permit_uid, by);
                    }
                    Handover::Granted {
                        namespace,
                        key,
                        before,
                        digest,
                    } => {
                        let after = digest;
                        if !granted.note(&namespace, Granted { key, before, after }) {
                            lost.inc();
                        }
                    }
                }
            }
        });
        handover
    }

    /// Serves the gate with the newest certificate.
    pub(super) fn serve_gate(&self, gate: Gate, served: ServedCertificate) -> anyhow::Result<()> {
        let listener =
            std::net::TcpListener::bind(self.run.webhook_listen).context("listen for the gate")?;
        listener
            .set_nonblocking(true)
            .context("listen for the gate")?;
        let stop = self.supervisor.stop(Stage::Foundation);
        let serving = server::serve(listener, webhook::router(gate), served, stop);
        self.supervisor.spawn(Stage::Foundation, "gate", serving);
        Ok(())
    }

    /// A task without an end of its own, ended with the foundation.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.supervisor.stop(Stage::Foundation);
        let stopped = async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
            Ok::<_, std::convert::Infallible>(())
        };
        self.supervisor.spawn(Stage::Foundation, name, stopped);
    }
}
