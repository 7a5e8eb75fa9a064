//! Many: what ten thousand permits weigh.
//!
//! Decides how they come to be, and when their weight is taken. Does not know what they ask for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use permit_harness::{Stage, User, eventually};
use serde_json::json;
use tokio::task::JoinSet;

use crate::machine::as_f64;
use crate::report::Report;
use crate::rest::minute;
use crate::site::Site;

const NAMESPACE: &str = "bench-many";
const PERMITS: usize = 10_000;
const WRITERS: usize = 8;
const PATIENCE: Duration = Duration::from_mins(20);
/// P8 of the budgets: 15 MiB at rest, and 1.5 KB a permit.
const LIMIT_MIB: f64 = 15.0 + 1.5 * 10_000.0 / 1_024.0;

/// Creates them through the API, waits until each is in review, and weighs the operator after a minute of rest.
pub(crate) async fn measure(report: &mut Report, site: &Site) -> Result<()> {
    let stage = Stage::set_empty(&site.plane, NAMESPACE).await?;
    stage.enrol().await?;
    let (before, began) = (in_review(site).await?, Instant::now());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = site.plane.client(&User::person("alice")).await?;
        writers.spawn(async move { write(client, writer).await });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let created = began.elapsed().as_secs_f64();
    let all_in = || async {
        let so_far = in_review(site).await? - before;
        ensure!(so_far >= as_f64(PERMITS as u64), "{so_far} are in review");
        Ok(())
    };
    eventually(PATIENCE, "every permit is in review", all_in).await?;
    report.raw_line(format!(
        "{PERMITS} permits: created in {created:.0} s by {WRITERS} writers, all in review after {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    report.raw_line(format!(
        "memory at the end of the load: VmHWM {:.1} MiB",
        site.memory_mib("VmHWM")?
    ));
    let calls = minute(report, site, "with 10,000 permits").await?;
    report.figure("rest-calls-a-minute-10k-permits", (calls, "count"), 0.0);
    report.figure(
        "memory-10k-permits",
        (site.memory_mib("VmRSS")?, "MiB"),
        LIMIT_MIB,
    );
    report.note(
        "memory-10k-permits",
        format!(
            "{PERMITS} permits, each for a workload of its own in one enrolled namespace, created through the API as \
             alice by {WRITERS} clients side by side; the operator has brought each to review (status, record, Event). \
             VmRSS of its process after quiet and a minute of rest. The goal is P8's: 15 MiB and 1.5 KB a permit."
        ),
    );
    Ok(())
}

async fn in_review(site: &Site) -> Result<f64> {
    site.metric("permit_transitions_total", "to=\"InReview\"")
        .await
}

async fn write(client: kube::Client, writer: usize) -> Result<()> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("permits.dev", "v1alpha1", "Permit"));
    let permits: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    for number in (writer..PERMITS).step_by(WRITERS) {
        let target =
            json!({"name": format!("service-{number}"), "images": {"app": "shop/checkout:1.5.0"}});
        let permit = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": format!("service-{number}-1"), "namespace": NAMESPACE},
            "spec": {"template": "unwatched", "purpose": "roll out the next version", "targets": [target]}});
        permits
            .create(&PostParams::default(), &serde_json::from_value(permit)?)
            .await?;
    }
    Ok(())
}
