//! Answer: an 8 KB review through the webhook's own code: parsed, decided, answered.
//!
//! Decides which changes are reviewed: those that need no live read. Does not know TLS.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, header};
use permit_harness::allocations;
use permit_operator::api::vocabulary::GateMode;
use permit_operator::clock::SystemClock;
use permit_operator::cluster::access::Access;
use permit_operator::cluster::webhook_config::GATE_PATH;
use permit_operator::health::Readiness;
use permit_operator::metrics::Metrics;
use permit_operator::webhook::{Gate, handover, router};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::canned::Canned;
use crate::fixture::{deployment, review};
use crate::measure::{Samples, WarmUp};
use crate::report::Report;

/// A workload that no permit names.
pub(crate) const UNNAMED: &str = "unnamed";
const LAPS: usize = 20_000;
const LIMIT_US: f64 = 15.0;

/// The webhook's router over these caches, ready to judge.
pub(crate) fn gate(canned: &Canned) -> Result<Router> {
    let filled = Readiness::default().part("caches");
    filled.set(true);
    let (handover, _) = handover::channel();
    Ok(router(Gate {
        client: canned.client.clone(),
        caches: Arc::clone(&canned.caches),
        access: Access::new(canned.client.clone()),
        clock: Arc::new(SystemClock),
        operator: "system:serviceaccount:permit-system:permit-operator".to_owned(),
        default_mode: GateMode::Audit,
        handover,
        filled,
        metrics: Metrics::new()?,
    }))
}

/// A change of the image that nobody permitted, about 8 KB.
pub(crate) fn denied_review() -> Bytes {
    let (old, new) = (deployment(UNNAMED, "1.4.2"), deployment(UNNAMED, "1.5.0"));
    review(UNNAMED, (&old, &new)).into()
}

/// An update that changes nothing that runs, about 8 KB.
fn unchanged_review() -> Bytes {
    let same = deployment(UNNAMED, "1.4.2");
    review(UNNAMED, (&same, &same)).into()
}

/// Measures both reviews.
pub(crate) async fn measure(report: &mut Report, warm_up: WarmUp) -> Result<()> {
    let canned = Canned::filled(1_000).await?;
    let gate = gate(&canned)?;
    let (denied, unchanged) = (denied_review(), unchanged_review());
    for (name, body, allowed) in [
        ("answer-deny", &denied, false),
        ("answer-unchanged", &unchanged, true),
    ] {
        one(report, warm_up, (&gate, name, body, allowed)).await?;
    }
    report.note(
        "answer",
        format!(
            "`webhook::router` called in process with a review of {} bytes: axum's routing, parsing, gathering from \
             caches with 1,000 permits, the decision and the answer's bytes; no TLS, no socket, no log subscriber. \
             `deny`: an image change that no permit names, with its whole message; `unchanged`: nothing that runs \
             changes. Neither needs a live read.",
            denied.len()
        ),
    );
    Ok(())
}

async fn one(
    report: &mut Report,
    warm_up: WarmUp,
    asked: (&Router, &str, &Bytes, bool),
) -> Result<()> {
    let (gate, name, body, allowed) = asked;
    let answer: Value = serde_json::from_slice(&answered(gate, body).await?)?;
    let said = answer.pointer("/response/allowed").and_then(Value::as_bool);
    ensure!(said == Some(allowed), "{name} was answered: {answer}");
    let call = || async { answered(gate, body).await.map(drop) };
    let warm = warm_up.of_async(call).await?;
    let before = allocations::so_far();
    call().await?;
    let asked_for = allocations::so_far() - before;
    let mut samples = Samples::default();
    samples.extend(&warm, LAPS, call).await?;
    report.raw(name, &samples);
    report.raw_line(format!("{name}: {asked_for} allocations a review"));
    report.figure(
        &format!("{name}-p50"),
        (samples.percentile(50), "us"),
        LIMIT_US,
    );
    Ok(())
}

async fn answered(gate: &Router, body: &Bytes) -> Result<Bytes> {
    let request = Request::post(GATE_PATH)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.clone()))
        .context("make a request")?;
    let response = gate.clone().oneshot(request).await?;
    Ok(axum::body::to_bytes(response.into_body(), usize::MAX).await?)
}
