//! The webhook: HTTP in, one judgement, HTTP out; and no way to an admission but through the judgement.
//!
//! Bounded in size, time and number; whatever goes wrong is a denial (threat rows 21, 25). Decides nothing itself.

pub mod handover;
mod live;
mod own;
mod review;
pub mod server;
mod stamp;
mod workload;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use futures::FutureExt as _;
use kube::Client;
use tokio::sync::{Semaphore, mpsc};
use tracing::warn;

use crate::api::vocabulary::GateMode;
use crate::clock::Clock;
use crate::cluster::access::Access;
use crate::cluster::caches::Caches;
use crate::cluster::webhook_config::{GATE_PATH, OWN_PATH, REPORT_PATH, STAMP_PATH};
use crate::health::Part;
use crate::metrics::Metrics;
use handover::Handover;
use review::{Answer, Request, Review};

/// The largest body; controller-runtime's cap as well.
const LARGEST_BODY: usize = 7 * 1024 * 1024;
/// The longest that a judgement may take, whatever the API server would allow.
const DEADLINE: Duration = Duration::from_secs(3);
/// What is left for the way back when the API server states its own timeout.
const WAY_BACK: Duration = Duration::from_millis(500);
/// How many judgements run at once; what is over is denied, never queued.
const CONCURRENCY: usize = 256;

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

struct Shared {
    gate: Gate,
    room: Semaphore,
}

/// Which judgement a path asks for.
#[derive(Clone, Copy)]
enum Door {
    Workload,
    Report,
    Own,
    Stamp,
}

/// The router of all judgements.
pub fn router(gate: Gate) -> Router {
    let shared = Arc::new(Shared {
        gate,
        room: Semaphore::new(CONCURRENCY),
    });
    let door = |door: Door| {
        post(
            move |state: State<Arc<Shared>>,
                  query: Query<Timeout>,
                  headers: HeaderMap,
                  body: Bytes| { answer(state, query, headers, (door, body)) },
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

/// The API server's own timeout, as it states it. Example: `5s`.
#[derive(serde::Deserialize)]
struct Timeout {
    timeout: Option<String>,
}

impl Timeout {
    fn deadline(&self) -> Duration {
        let stated = self
            .timeout
            .as_deref()
            .and_then(|t| crate::domain::quantity::duration(t).ok());
        stated.map_or(DEADLINE, |t| t.saturating_sub(WAY_BACK).min(DEADLINE))
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(timeout): Query<Timeout>,
    headers: HeaderMap,
    asked: (Door, Bytes),
) -> Response {
    let (door, body) = asked;
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/json"));
    if !is_json {
        return (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send an AdmissionReview as application/json\n",
        )
            .into_response();
    }
    let request = match read(&body) {
        Ok(request) => request,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let uid = request.uid.clone();
    let began = Instant::now();
    let answer = bounded(&shared, door, request, timeout.deadline()).await;
    shared
        .gate
        .metrics
        .gate_decision_duration
        .observe(began.elapsed().as_secs_f64());
    Json(answer.render(&uid)).into_response()
}

/// A review that can be answered, or why it cannot. Without a uid no answer is accepted by the API server.
fn read(body: &[u8]) -> Result<Request, String> {
    let review: Review =
        serde_json::from_slice(body).map_err(|error| format!("no AdmissionReview: {error}"))?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Err(format!(
            "no AdmissionReview of admission.k8s.io/v1: {} {}",
            review.api_version, review.kind
        ));
    }
    let request = review
        .request
        .ok_or("the AdmissionReview carries no request")?;
    if request.uid.is_empty() {
        return Err("the request carries no uid".into());
    }
    Ok(request)
}

/// Judges in bounded room and time; a panic costs this one request.
async fn bounded(shared: &Shared, door: Door, request: Request, deadline: Duration) -> Answer {
    let unavailable = |why: &str| {
        shared.gate.metrics.gate_errors.inc();
        warn!(why, "gate unavailable");
        Answer::deny(format!(
            "GateUnavailable: {why}; nothing was changed, try again"
        ))
    };
    let Ok(_room) = shared.room.try_acquire() else {
        return unavailable("too many changes are judged at once");
    };
    if !shared.gate.filled.is_ready() {
        return unavailable("the gate has only just started");
    }
    let judging = AssertUnwindSafe(judge(&shared.gate, door, &request)).catch_unwind();
    match tokio::time::timeout(deadline, judging).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => unavailable("the gate failed on this change"),
        Err(_) => unavailable("the gate could not decide in time"),
    }
}

async fn judge(gate: &Gate, door: Door, request: &Request) -> Answer {
    match door {
        Door::Own => own::review(gate, request).await,
        Door::Stamp => {
            stamp::malformed(request).unwrap_or_else(|| stamp::stamp(request, ulid::Ulid::new()))
        }
        Door::Workload | Door::Report if !is_judged(request) => Answer::deny(format!(
            "GateUnavailable: `{}` is no kind that this gate judges",
            request.resource.resource
        )),
        Door::Workload | Door::Report => {
            match workload::review(gate, request, matches!(door, Door::Workload)).await {
                Ok(answer) => answer,
                Err(error) => {
                    gate.metrics.gate_errors.inc();
                    warn!(%error, "live read failed");
                    Answer::deny(
                        "GateUnavailable: the permit could not be read; nothing was changed, try again",
                    )
                }
            }
        }
    }
}

/// Deployments and their scale, with at least one object to judge.
fn is_judged(request: &Request) -> bool {
    request.resource.group == "apps"
        && request.resource.resource == "deployments"
        && matches!(request.sub_resource.as_str(), "" | "scale" | "status")
        && (request.object.is_some() || request.old_object.is_some())
}
