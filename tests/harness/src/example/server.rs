//! Server: answers requests as the images that serve would, and counts what it answered.
//!
//! Decides which pod takes a request and how it ends. Does not know where requests come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry, TextEncoder};
use tokio::time::{Instant, sleep};

use super::behaviour::Behaviour;
use super::workload::Workload;

/// In seconds; fine enough around the thresholds that examples use.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0,
];

/// The server's memory.
pub struct Server {
    workload: Workload,
    turn: AtomicU64,
    turn_of_failing: AtomicU64,
    requests: IntCounterVec,
    duration: Histogram,
    registry: Registry,
}

impl Server {
    /// A server in the place of the workload's pods.
    pub fn new(workload: Workload) -> Result<Self> {
        let requests = Opts::new("http_requests_total", "Requests answered, by status code.");
        let requests = IntCounterVec::new(requests, &["code"]).context("count requests")?;
        let duration =
            HistogramOpts::new("http_request_duration_seconds", "How long requests took.");
        let duration =
            Histogram::with_opts(duration.buckets(BUCKETS.to_vec())).context("time requests")?;
        let registry = Registry::new();
        registry
            .register(Box::new(requests.clone()))
            .context("register the count")?;
        registry
            .register(Box::new(duration.clone()))
            .context("register the times")?;
        let (turn, turn_of_failing) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self {
            workload,
            turn,
            turn_of_failing,
            requests,
            duration,
            registry,
        })
    }

    /// Its routes: `/` serves, `/metrics` tells.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(serve))
            .route("/metrics", get(tell))
            .with_state(Arc::new(self))
    }

    /// The next pod's behaviour, one after the other; none when nothing serves.
    fn next(&self) -> Option<Behaviour> {
        let images = self.workload.serving_images().unwrap_or_default();
        let turn = usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let image = images.get(turn.checked_rem(images.len())?)?;
        Some(Behaviour::of_image(image))
    }

    fn fails(&self, behaviour: Behaviour) -> bool {
        // Failing images count their own turns: else a good pod beside them would change their rate.
        behaviour.errors_percent > 0
            && behaviour.fails(self.turn_of_failing.fetch_add(1, Ordering::Relaxed))
    }
}

async fn serve(State(server): State<Arc<Server>>) -> StatusCode {
    let start = Instant::now();
    let code = match server.next() {
        None => StatusCode::SERVICE_UNAVAILABLE,
        Some(behaviour) => {
            sleep(behaviour.delay).await;
            if server.fails(behaviour) {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
        }
    };
    server.requests.with_label_values(&[code.as_str()]).inc();
    server.duration.observe(start.elapsed().as_secs_f64());
    code
}

async fn tell(State(server): State<Arc<Server>>) -> Result<String, StatusCode> {
    let text = TextEncoder::new().encode_to_string(&server.registry.gather());
    text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
