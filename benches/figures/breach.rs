//! Breach: from the moment at which Prometheus would answer the check's query with a breach to the accepted rollback.
//!
//! Decides both ends: our own query of the same text, asked all the time, and the audit log's entry of the operator's
//! PATCH. Does not know how the operator decides.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use permit_harness::{Stage, User, eventually, stage};
use permit_operator::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::report::Report;
use crate::site::{MEASURED, Site, text};

const ROUNDS: usize = 5;
/// One interval of the check, and 200 ms.
const LIMIT_MS: f64 = 1_200.0;
const BAD_POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, labels: {app: checkout}}\n\
    spec: {containers: [{name: checkout, image: 'shop/checkout:1.6.0'}]}\n";
/// How often Prometheus is asked while a breach is awaited.
const PACE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_mins(2);

/// Measures several breaches, one after the other.
pub(crate) async fn measure(report: &mut Report, site: &Site) -> Result<()> {
    let mut longest: f64 = 0.0;
    for round in 1..=ROUNDS {
        let took = one(site, round)
            .await
            .with_context(|| format!("round {round}"))?;
        report.raw_line(format!("breach-to-rollback, round {round}: {took:.0} ms"));
        longest = longest.max(took);
    }
    report.figure("breach-to-rollback-longest", (longest, "ms"), LIMIT_MS);
    report.note(
        "breach",
        format!(
            "{ROUNDS} permitted rollouts of a good image, watched every second over a window of 5 s. When the check is \
             first healthy (verdicts are due), a bare pod of a bad image joins the workload's pods, and errors follow. \
             Beginning: Prometheus, asked the check's own query every 10 ms, first answers above the limit. End: the \
             stageTimestamp of the operator's PATCH of the Deployment in the audit log."
        ),
    );
    Ok(())
}

/// One rollout that breaches late; milliseconds from the queryable breach to the accepted PATCH.
async fn one(site: &Site, round: usize) -> Result<f64> {
    let (stage, name, tag) = (
        site.measured(),
        format!("breach-{round}"),
        format!("1.5.{}", 10 + round),
    );
    site.issue(&stage, (&name, "watched", &tag)).await?;
    let mark = site.mark()?;
    site.change(&stage, &tag).await?;
    await_healthy(&stage, &name).await?;
    stage
        .kubectl(&User::admin(), &["apply", "-f", "-"], Some(BAD_POD))
        .await?
        .ok()?;
    let breached = first_breach(site).await?;
    stage.reaches(&name, "RolledBack").await?;
    let accepted = rollback(site, mark).await?;
    stage
        .kubectl(
            &User::admin(),
            &["delete", "pod", "bad", "--wait=false"],
            None,
        )
        .await?
        .ok()?;
    let is_clean = || async {
        ensure!(
            answers(site, &errors()).await? == 0,
            "errors are still in the window"
        );
        Ok(())
    };
    eventually(stage::PATIENCE, "the errors leave the window", is_clean).await?;
    Ok(accepted.duration_since(breached).as_secs_f64() * 1_000.0)
}

async fn await_healthy(stage: &Stage<'_>, name: &str) -> Result<()> {
    let what = format!("permit/{name}");
    let look = || async {
        let permit = stage.get(&what).await?;
        let checks = permit.pointer("/status/checks").and_then(Value::as_array);
        let verdict = checks.and_then(|c| c.first()).map(|c| text(c, "/verdict"));
        ensure!(verdict == Some("Healthy"), "the check says {verdict:?}");
        Ok(())
    };
    eventually(stage::PATIENCE, "the check is healthy", look).await
}

/// The time at which the check's own query first answers above its limit.
async fn first_breach(site: &Site) -> Result<Timestamp> {
    let query = format!("({}) / ({}) > 0.05", errors(), total());
    let end = Instant::now() + PATIENCE;
    while answers(site, &query).await? == 0 {
        ensure!(Instant::now() < end, "the bad pod brings no breach");
        tokio::time::sleep(PACE).await;
    }
    Ok(SystemClock.now())
}

async fn answers(site: &Site, query: &str) -> Result<usize> {
    let found = site.prometheus.query(query).await?;
    Ok(found.as_array().map_or(0, Vec::len))
}

fn errors() -> String {
    format!("{} > 0", increase("code=~\"5..\","))
}

fn total() -> String {
    increase("")
}

fn increase(matcher: &str) -> String {
    format!(
        "sum by (namespace, workload) (increase(http_requests_total{{{matcher}namespace=\"{MEASURED}\"}}[5s]))"
    )
}

/// When the API server accepted the operator's PATCH of the workload; the log is written behind the answers.
async fn rollback(site: &Site, mark: usize) -> Result<Timestamp> {
    let look = || async {
        let requests = site.requests(mark)?;
        let is_it = |e: &&Value| {
            text(e, "/verb") == "patch"
                && text(e, "/objectRef/resource") == "deployments"
                && e.pointer("/responseStatus/code").and_then(Value::as_i64) == Some(200)
        };
        let event = requests
            .iter()
            .find(is_it)
            .context("no rollback in the audit log yet")?;
        text(event, "/stageTimestamp")
            .parse::<Timestamp>()
            .context("read a time of the audit log")
    };
    eventually(stage::PATIENCE, "the rollback is in the audit log", look).await
}
