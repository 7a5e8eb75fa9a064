//! Scripted: answers for Prometheus where a test needs to choose the moment of a breach.
//!
//! Decides values only: every series is fresh, a hundred requests each, and as many errors as the test had said by the
//! instant that is asked about. The real Prometheus is asked where its own fault is the matter (`metrics_source`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use k8s_openapi::jiff::Timestamp;
use permit_operator::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Errors in a hundred requests, by namespace, and since when.
type Errors = Arc<Mutex<BTreeMap<String, Vec<(f64, u32)>>>>;

/// A source of metrics that says what it is told to.
pub(crate) struct Scripted {
    errors: Errors,
    url: String,
}

impl Scripted {
    /// Answers for as long as the test's runtime lives.
    #[expect(
        clippy::disallowed_methods,
        reason = "a stub of one test: it ends with the test's runtime"
    )]
    pub(crate) async fn start() -> Result<Self> {
        let errors = Errors::default();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listen for queries")?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .route("/api/v1/query", post(answer))
            .with_state(Arc::clone(&errors));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { errors, url })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on so many of a hundred requests to the namespace's workload fail.
    pub(crate) fn fails(&self, namespace: &str, percent: u32) {
        let mut errors = lock(&self.errors);
        let history = errors.entry(namespace.to_owned()).or_default();
        history.push((now(), percent));
    }
}

fn now() -> f64 {
    SystemClock.now().as_duration().as_secs_f64()
}

fn lock(errors: &Errors) -> MutexGuard<'_, BTreeMap<String, Vec<(f64, u32)>>> {
    errors.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(errors): State<Errors>, body: String) -> Json<Value> {
    // `timestamp(` asks how fresh the series are, `5..` for errors, and the rest for all requests.
    let decoded = reqwest::Url::parse(&format!("http://form/?{body}"));
    let field = |name: &str| {
        let url = decoded.as_ref().ok()?;
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let query = field("query").unwrap_or_default();
    let instant = field("time").and_then(|time| time.parse::<Timestamp>().ok());
    let now = instant.map_or_else(now, |at| at.as_duration().as_secs_f64());
    let value = |percent: u32| {
        if query.contains("timestamp(") {
            format!("{now:.3}")
        } else if query.contains("5..") {
            percent.to_string()
        } else {
            "100".to_owned()
        }
    };
    let series: Vec<Value> = lock(&errors)
        .iter()
        .map(|(namespace, history)| {
            let said = history.iter().rev().find(|(since, _)| *since <= now);
            let percent = said.map_or(0, |(_, percent)| *percent);
            json!({"metric": {"namespace": namespace, "workload": "checkout"}, "value": [now, value(percent)]})
        })
        .collect();
    Json(json!({"status": "success", "data": {"resultType": "vector", "result": series}}))
}
