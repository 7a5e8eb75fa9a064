//! Lifecycle: what one permitted rollout costs the API server and the gate.
//!
//! Decides which requests count as writes of a lifecycle, and which rollouts are compared. Does not know how they look
//! inside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use permit_harness::{Stage, User};
use serde_json::Value;

use crate::machine::as_f64;
use crate::report::Report;
use crate::site::{Site, is_event, is_write, shape};

const PATIENCE: Duration = Duration::from_mins(2);

/// Writes of a watched rollout, and admission calls of rollouts of 1 and 5 replicas.
pub(crate) async fn measure(report: &mut Report, site: &Site) -> Result<()> {
    let stage = site.measured();
    let watched = rollout(site, &stage, ("watched-1", "quick-deployment", "1.5.0")).await?;
    report.raw_line(format!(
        "writes, soak of 5 s with a check: {}",
        watched.told
    ));
    report.figure("lifecycle-writes", (watched.writes, "count"), 8.0);
    for replicas in [1, 5] {
        let namespace = format!("bench-{replicas}");
        let stage = sized(site, &namespace, replicas).await?;
        let done = rollout(site, &stage, ("unwatched-1", "unwatched", "1.5.0")).await?;
        report.raw_line(format!(
            "writes, {replicas} replicas, soak of 1 s without a check: {}",
            done.told
        ));
        report.figure(
            &format!("admission-calls-{replicas}-replicas"),
            (done.calls, "count"),
            1.0,
        );
    }
    report.note(
        "lifecycle",
        "from the request to the closed permit and quiet after it: creates, updates, patches and deletes of the \
         operator's account in the API server's audit log, its lease, access reviews and Events apart. Admission calls: \
         the difference of `permit_gate_decisions_total` over `kubectl set image` until the permit is closed."
            .to_owned(),
    );
    Ok(())
}

/// A stage with so many replicas, enrolled.
async fn sized<'a>(site: &'a Site, namespace: &str, replicas: u32) -> Result<Stage<'a>> {
    let stage = Stage::set(&site.plane, namespace).await?;
    let replicas = format!("--replicas={replicas}");
    stage
        .kubectl(
            &User::admin(),
            &["scale", "deploy/checkout", &replicas],
            None,
        )
        .await?
        .ok()?;
    stage.await_rollout().await?;
    stage.enrol().await?;
    Ok(stage)
}

struct Cost {
    writes: f64,
    calls: f64,
    told: String,
}

async fn rollout(site: &Site, stage: &Stage<'_>, what: (&str, &str, &str)) -> Result<Cost> {
    let (name, _, tag) = what;
    site.quiet(PATIENCE).await?;
    let mark = site.mark()?;
    site.issue(stage, what).await?;
    let before = site.metric("permit_gate_decisions_total", "").await?;
    site.change(stage, tag).await?;
    stage.reaches(name, "Succeeded").await?;
    site.quiet(PATIENCE).await?;
    let calls = site.metric("permit_gate_decisions_total", "").await? - before;
    let all = site.requests(mark)?;
    let writes = all.iter().filter(|e| is_write(e)).count();
    let events = all.iter().filter(|e| is_event(e)).count();
    Ok(Cost {
        writes: as_f64(writes as u64),
        calls,
        told: format!(
            "{writes} ({}); {events} Events",
            counted(all.iter().filter(|e| is_write(e)))
        ),
    })
}

/// Requests by their shape, the most frequent first.
pub(crate) fn counted<'a>(events: impl Iterator<Item = &'a Value>) -> String {
    let mut by_shape = BTreeMap::<String, usize>::new();
    for event in events {
        *by_shape.entry(shape(event)).or_default() += 1;
    }
    let mut rows: Vec<_> = by_shape.into_iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    rows.iter()
        .map(|(shape, count)| format!("{count} {shape}"))
        .collect::<Vec<_>>()
        .join(", ")
}
