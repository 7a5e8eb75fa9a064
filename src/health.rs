//! Health: is the process alive, and can it do its part yet?
//!
//! `/livez` and `/healthz` answer while the process can answer at all; `/readyz` asks every named part; `/metrics` shows
//! the figures. Parts say themselves when they are ready; what that means is theirs to know.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The parts that have to be ready. Cloning shares them.
#[derive(Clone, Default)]
pub struct Readiness(Arc<RwLock<BTreeMap<&'static str, Part>>>);

/// One part's own word on whether it is ready; not ready until it says so.
#[derive(Clone, Default)]
pub struct Part(Arc<AtomicBool>);

impl Part {
    /// Says whether it is ready.
    pub fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Ordering::Release);
    }

    /// Whether it said so.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Readiness {
    /// Adds a part, or returns the one of that name.
    pub fn part(&self, name: &'static str) -> Part {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default()
            .clone()
    }

    /// Are all parts ready? None at all is not: then nothing has begun.
    pub fn is_ready(&self) -> bool {
        let parts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !parts.is_empty() && parts.values().all(Part::is_ready)
    }

    /// A line for each part.
    fn lines(&self) -> String {
        let mut text = String::new();
        for (name, part) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let (sign, word) = if part.is_ready() {
                ('+', "ok")
            } else {
                ('-', "not ready")
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[{sign}]{name} {word}");
        }
        text
    }
}

/// The paths that are served.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(figures).with_state(metrics))
}

/// Serves them until `stop`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn alive() -> &'static str {
    "ok"
}

async fn ready(State(readiness): State<Readiness>, RawQuery(query): RawQuery) -> Response {
    let is_ready = readiness.is_ready();
    let code = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|key| key.starts_with("verbose")));
    let verdict = if is_ready { "ok" } else { "not ready" };
    // Who sees a failed probe wants to know why without asking again.
    let detail = if is_verbose || !is_ready {
        readiness.lines()
    } else {
        String::new()
    };
    (code, format!("{detail}{verdict}")).into_response()
}

async fn figures(State(metrics): State<Metrics>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    async fn ask(readiness: &Readiness, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let router = router(readiness.clone(), Metrics::new().unwrap());
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_process_with_an_unready_part_lives_and_is_not_ready() {
        let readiness = Readiness::default();
        readiness.part("caches").set(true);
        let certificate = readiness.part("certificate");
        assert_eq!(
            ask(&readiness, "/livez").await,
            (StatusCode::OK, "ok".to_owned())
        );
        assert_eq!(
            ask(&readiness, "/healthz").await,
            (StatusCode::OK, "ok".to_owned())
        );
        let (code, text) = ask(&readiness, "/readyz").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "[+]caches ok\n[-]certificate not ready\nnot ready");
        certificate.set(true);
        assert_eq!(
            ask(&readiness, "/readyz").await,
            (StatusCode::OK, "ok".to_owned())
        );
        assert_eq!(
            ask(&readiness, "/readyz?verbose").await.1,
            "[+]caches ok\n[+]certificate ok\nok"
        );
    }

    #[tokio::test]
    async fn a_process_that_has_not_begun_is_not_ready() {
        assert_eq!(
            ask(&Readiness::default(), "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[tokio::test]
    async fn the_figures_are_served_as_text() {
        let (code, text) = ask(&Readiness::default(), "/metrics").await;
        assert_eq!(code, StatusCode::OK);
        assert!(text.contains("permit_leader 0"));
    }
}
