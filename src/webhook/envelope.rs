//! Envelope: HTTP around one judgement: what is read, in which size, time and number, and what is answered instead.
//!
//! Whatever goes wrong where the review can be read is a denial (threat rows 21, 25); where it cannot be read it is an
//! HTTP error, and the failure policy of the entry decides. Does not know what is judged.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Query, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::review::{Answer, Request, Review};
use super::{Door, Gate, judge, unavailable};

/// The largest body; controller-runtime's cap as well.
pub(super) const LARGEST_BODY: usize = 7 * 1024 * 1024;
/// The longest that a judgement may take, whatever the API server would allow.
const DEADLINE: Duration = Duration::from_secs(3);
/// What is left for the way back when the API server states its own timeout.
const WAY_BACK: Duration = Duration::from_millis(500);
/// How many judgements run at once; what is over is denied, never queued.
const CONCURRENCY: usize = 256;
/// How much of bodies may lie in memory at once, in blocks; a body waits for its room until its deadline.
const BLOCKS: usize = 2048;
/// The size of a block.
const BLOCK: usize = 64 * 1024;

/// What all judgements share.
pub(super) struct Shared {
    gate: Gate,
    judging: Semaphore,
    bodies: Semaphore,
}

impl Shared {
    pub(super) fn new(gate: Gate) -> Self {
        Self {
            gate,
            judging: Semaphore::new(CONCURRENCY),
            bodies: Semaphore::new(BLOCKS),
        }
    }

    /// Room for a body of the stated length; without a statement it may be the largest.
    async fn room(&self, headers: &HeaderMap) -> Option<SemaphorePermit<'_>> {
        let stated = headers.get(header::CONTENT_LENGTH);
        let stated = stated.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        let length = stated.map_or(LARGEST_BODY, |length| length.min(LARGEST_BODY));
        let blocks = u32::try_from(length.div_ceil(BLOCK)).ok()?;
        self.bodies.acquire_many(blocks).await.ok()
    }
}

/// The API server's own timeout, as it states it. Example: `5s`.
#[derive(serde::Deserialize)]
pub(super) struct Timeout {
    timeout: Option<String>,
}

impl Timeout {
    fn limit(&self) -> Duration {
        let stated = self
            .timeout
            .as_deref()
            .and_then(|t| crate::domain::quantity::duration(t).ok());
        stated.map_or(DEADLINE, |t| t.saturating_sub(WAY_BACK).min(DEADLINE))
    }
}

/// Answers one HTTP request.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(timeout): Query<Timeout>,
    (door, request): (Door, HttpRequest),
) -> Response {
    let began = Instant::now();
    let deadline = began + timeout.limit();
    if !is_json(request.headers()) {
        let why = "send an AdmissionReview as application/json\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
    }
    // Held until the answer is made: what is parsed of a body is larger than the body.
    let Ok(room) = timeout_at(deadline.into(), shared.room(request.headers())).await else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too much is sent at once\n",
        )
            .into_response();
    };
    let body = match timeout_at(deadline.into(), Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => return refused.into_response(),
        Err(_) => {
            return (StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n").into_response();
        }
    };
    let mut review = match read(&body) {
        Ok(review) => review,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    drop(body);
    let uid = review.uid.clone();
    let answer = bounded(&shared, door, &mut review, deadline).await;
    drop(room);
    let spent = began.elapsed().as_secs_f64();
    shared.gate.metrics.gate_decision_duration.observe(spent);
    Json(answer.render(&uid)).into_response()
}

/// Whether the body is said to be JSON, parameters such as a character set aside.
fn is_json(headers: &HeaderMap) -> bool {
    let stated = headers.get(header::CONTENT_TYPE);
    let stated = stated.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = stated.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A review that can be answered, or why it cannot. Without a uid no answer is accepted by the API server.
fn read(body: &[u8]) -> Result<Request, String> {
    let review: Review =
        serde_json::from_slice(body).map_err(|error| format!("no AdmissionReview: {error}"))?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Err("no AdmissionReview of admission.k8s.io/v1".into());
    }
    let request = review
        .request
        .ok_or("the AdmissionReview carries no request")?;
    if request.uid.is_empty() {
        return Err("the request carries no uid".into());
    }
    Ok(request)
}

/// Judges in bounded number and time; a panic costs this one request.
async fn bounded(shared: &Shared, door: Door, request: &mut Request, deadline: Instant) -> Answer {
    let gate = &shared.gate;
    let Ok(_judging) = shared.judging.try_acquire() else {
        return unavailable(gate, door, request, "too many changes are judged at once");
    };
    if !gate.filled.is_ready() {
        return unavailable(gate, door, request, "the gate has only just started");
    }
    let judging = AssertUnwindSafe(judge(gate, door, request)).catch_unwind();
    let why = match timeout_at(deadline.into(), judging).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(_)) => "the gate failed on this change",
        Err(_) => "the gate could not decide in time",
    };
    unavailable(gate, door, request, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(timeout: Option<&str>) -> Duration {
        let timeout = timeout.map(str::to_owned);
        Timeout { timeout }.limit()
    }

    #[test]
    fn the_deadline_lies_before_the_api_servers_and_is_never_longer_than_ours() {
        assert_eq!(limit(Some("2s")), Duration::from_millis(1500));
        assert_eq!(limit(Some("30s")), DEADLINE);
        assert_eq!(limit(Some("100ms")), Duration::ZERO);
        for unknown in [None, Some("soon"), Some("")] {
            assert_eq!(limit(unknown), DEADLINE, "{unknown:?}");
        }
    }

    #[test]
    fn only_json_is_json() {
        let says = |text: &str| {
            let value = text.parse().unwrap();
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        assert!(says("application/json") && says("application/json; charset=utf-8"));
        assert!(!says("application/jsonp") && !says("text/plain") && !says("application/yaml"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
