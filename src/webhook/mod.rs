//! The webhook: HTTP in, one judgement, HTTP out; and no way to an admission but through the judgement.
//!
//! Which door asks which judgement, and what is said when there is none. Decides nothing itself.

mod crowd;
mod envelope;
pub mod handover;
mod live;
mod own;
mod refusals;
mod review;
pub mod server;
mod stamp;
mod whole;
mod workload;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, Request as HttpRequest, State};
use axum::{Router, routing::post};
use kube::Client;
use tokio::sync::mpsc;
use tracing::warn;

use crate::api::GATE_LABEL;
use crate::api::vocabulary::GateMode;
use crate::clock::Clock;
use crate::cluster::access::Access;
use crate::cluster::caches::Caches;
use crate::cluster::webhook_config::{GATE_PATH, OWN_PATH, REPORT_PATH, STAMP_PATH};
use crate::health::Part;
use crate::metrics::Metrics;
pub use refusals::REFUSALS;

use envelope::{LARGEST_BODY, Shared, Timeout};
use handover::Handover;
use review::{Answer, Request};

/// Everything that the gate judges with.
pub struct Gate {
    /// The API server, for live reads.
    pub client: Client,
    /// What is known of the cluster.
    pub caches: Arc<Caches>,
    /// Who may do what.
    pub access: Access,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The operator's own username.
    pub operator: String,
    /// The mode of namespaces without the label.
    pub default_mode: GateMode,
    /// Tells the leader who made an admitted change.
    pub handover: mpsc::Sender<Handover>,
    /// Caches are filled; before that everything is denied.
    pub filled: Part,
    /// What is counted.
    pub metrics: Metrics,
}

impl Gate {
    /// How strictly a namespace is gated, as far as the caches know.
    fn mode(&self, namespace: &str) -> GateMode {
        let labels = self.caches.namespace_labels(namespace).unwrap_or_default();
        GateMode::of_label(
            labels.get(GATE_LABEL).map(String::as_str),
            self.default_mode,
        )
    }
}

/// Which judgement a path asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Workloads, where the API server asked for enforcement.
    Workload,
    /// Workloads, where it asked for a report.
    Report,
    Own,
    Stamp,
}

/// The router of all judgements.
pub fn router(gate: Gate) -> Router {
    let shared = Arc::new(Shared::new(gate));
    let door = |door: Door| {
        post(
            move |state: State<Arc<Shared>>, query: Query<Timeout>, request: HttpRequest| {
                envelope::answer(state, query, (door, request))
            },
        )
    };
    Router::new()
        .route(GATE_PATH, door(Door::Workload))
        .route(REPORT_PATH, door(Door::Report))
        .route(OWN_PATH, door(Door::Own))
        .route(STAMP_PATH, door(Door::Stamp))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(shared)
}

async fn judge(gate: &Gate, door: Door, request: &mut Request) -> Answer {
    match door {
        Door::Own => own::review(gate, request).await,
        Door::Stamp => {
            stamp::malformed(request).unwrap_or_else(|| stamp::stamp(request, ulid::Ulid::new()))
        }
        Door::Workload | Door::Report => match workload::kind_of(request) {
            Ok(kind) => match workload::review(gate, request, (kind, door == Door::Workload)).await
            {
                Ok(answer) => answer,
                Err(error) => {
                    warn!(%error, "live read failed");
                    unavailable(gate, door, request, "the permit could not be read")
                }
            },
            Err(why) => unavailable(gate, door, request, &why),
        },
    }
}

/// What is said when there was no judgement. Where it would only have been reported, or nothing is stored, that is no
/// reason to deny; unless the namespace is known to be enforced.
fn unavailable(gate: &Gate, door: Door, request: &Request, why: &str) -> Answer {
    gate.metrics.gate_errors.inc();
    warn!(why, namespace = %request.namespace, "gate unavailable");
    let message = format!("GateUnavailable: {why}; nothing was changed, try again");
    let reports = door == Door::Report && gate.mode(&request.namespace) != GateMode::Enforce;
    let stores_nothing = matches!(door, Door::Workload | Door::Report) && request.is_dry_run();
    if reports {
        Answer::admit().warn(&format!(
            "GateUnavailable: {why}; the change was not judged"
        ))
    } else if stores_nothing {
        Answer::admit().warn(&format!(
            "{}: {message}",
            crate::domain::gate::DRY_RUN_DENIES
        ))
    } else {
        Answer::deny(message)
    }
}
