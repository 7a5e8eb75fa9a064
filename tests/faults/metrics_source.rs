//! F27: the real Prometheus ends in the middle of a soak. Nothing is undone, however long, and it goes on by itself.
//! And what the real Prometheus remembers: a workload that was broken before its change is not rolled back to that.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use permit_harness::{
    Example, Operator, OperatorOptions, Prometheus, Stage, User, eventually, stage,
};
use serde_json::Value;

use crate::ground::{Ground, PATIENCE, figure, told};

const OPERATOR: &str = "system:serviceaccount:permit-system:permit-operator";
const MOVED: &str = "mirror/checkout:1.6.0";
/// Far more failed polls than the template's deadline for the unknown allows.
const POLLS: f64 = 8.0;

/// An operator that measures by a real Prometheus.
async fn measuring(ground: &Ground) -> Result<(Arc<Operator>, Prometheus)> {
    let prometheus = Prometheus::start(&[]).await?;
    let options = OperatorOptions {
        prometheus_url: Some(prometheus.url()),
        ..OperatorOptions::default()
    };
    Ok((ground.operator(options).await?, prometheus))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_prometheus_down_holds_and_rolls_nothing_back() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (operator, prometheus) = measuring(&ground).await?;
    told(&operator, async {
        let stage = Stage::set(&ground.plane, "shop").await?;
        let example = Example::start(&ground.plane, "shop", "checkout").await?;
        prometheus.add_target(example.target())?;
        stage.enrol().await?;
        // Missing series would be rolled back for after two seconds; a source that is down never is.
        let hasty = "window: 5s\n        unknownDeadline: 2s\n        onUnknown: RollBack";
        let template =
            stage::template("hasty", &[("soak: 5s", "soak: 20s"), ("window: 5s", hasty)]);
        stage.apply(&template).await?;
        is_measured(&prometheus).await?;
        stage
            .request(&stage::permit("checkout-1", "hasty", "1.5.0"))
            .await?;
        stage.approve("checkout-1", "bob").await?;
        stage.reaches("checkout-1", "Issued").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        stage.reaches("checkout-1", "Validating").await?;
        is_judged(&stage, "Healthy").await?;
        let (_, mark) = ground.plane.audit_events_from(0)?;
        prometheus.stop();
        is_judged(&stage, "Unknown").await?;
        let failed = || async { figure(&operator, "permit_metrics_query_errors_total", "").await };
        let before = failed().await?;
        let asked = || async {
            let now = failed().await?;
            ensure!(now >= before + POLLS, "{now} failed polls, {before} before");
            Ok(())
        };
        eventually(PATIENCE, "many polls fail", asked).await?;
        let permit = stage.get("permit/checkout-1").await?;
        let phase = permit.pointer("/status/phase").and_then(Value::as_str);
        ensure!(phase == Some("Validating"), "{permit}");
        let (events, _) = ground.plane.audit_events_from(mark)?;
        let writes: Vec<&Value> = events.iter().filter(|event| is_effect(event)).collect();
        ensure!(writes.is_empty(), "the operator wrote: {writes:#?}");
        prometheus.restart().await?;
        stage.reaches("checkout-1", "Succeeded").await?;
        ensure!(stage.image().await? == "shop/checkout:1.5.0");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_was_broken_before_is_held_and_not_undone() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (operator, prometheus) = measuring(&ground).await?;
    told(&operator, async {
        let stage = Stage::set(&ground.plane, "shop").await?;
        stage.set_image(&User::admin(), "1.6.0").await?.ok()?;
        stage.await_rollout().await?;
        let example = Example::start(&ground.plane, "shop", "checkout").await?;
        prometheus.add_target(example.target())?;
        stage.enrol().await?;
        is_broken(&prometheus).await?;
        // As broken as before: the same version from another registry.
        let permit = stage::permit("checkout-1", "quick-deployment", "1.6.0");
        stage
            .request(&permit.replace("shop/checkout:1.6.0", MOVED))
            .await?;
        stage.approve("checkout-1", "bob").await?;
        stage.reaches("checkout-1", "Issued").await?;
        let set = [
            "set",
            "image",
            "deploy/checkout",
            &format!("checkout={MOVED}"),
        ];
        stage
            .kubectl(&User::person("alice"), &set, None)
            .await?
            .ok()?;
        let held = || async {
            let permit = stage.get("permit/checkout-1").await?;
            let conditions = permit
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let mut conditions = conditions.context("no conditions")?.iter();
            let held = conditions.find(|c| c["type"] == "Held" && c["status"] == "True");
            let why = held.context("not held")?["message"]
                .as_str()
                .unwrap_or_default();
            ensure!(why.contains("before the change"), "{why}");
            Ok(permit)
        };
        let permit = eventually(PATIENCE, "the guard holds", held).await?;
        let phase = permit.pointer("/status/phase").and_then(Value::as_str);
        ensure!(phase == Some("Validating"), "{permit}");
        ensure!(stage.image().await? == MOVED);
        Ok(())
    })
    .await
}

/// Far more errors than the template allows, and enough requests to say so; some seconds ago already, so that it is
/// the state before whatever comes next.
async fn is_broken(prometheus: &Prometheus) -> Result<()> {
    let all = "sum(increase(http_requests_total{namespace=\"shop\"}[5s] offset 4s))";
    let errors =
        "sum(increase(http_requests_total{namespace=\"shop\",code=~\"5..\"}[5s] offset 4s))";
    let query = format!("{errors} > 0.1 * {all} and {all} > 20");
    let look = || async {
        let found = prometheus.query(&query).await?;
        let is_broken = found.as_array().is_some_and(|series| !series.is_empty());
        ensure!(is_broken, "not broken yet");
        Ok(())
    };
    eventually(PATIENCE, "the workload is broken", look).await
}

async fn is_measured(prometheus: &Prometheus) -> Result<()> {
    let scraped = || async {
        let found = prometheus
            .query("http_requests_total{namespace=\"shop\"}")
            .await?;
        ensure!(
            found.as_array().is_some_and(|series| !series.is_empty()),
            "no series yet"
        );
        Ok(())
    };
    eventually(PATIENCE, "the workload is measured", scraped).await
}

async fn is_judged(stage: &Stage<'_>, verdict: &str) -> Result<()> {
    let look = || async {
        let permit = stage.get("permit/checkout-1").await?;
        let found = permit
            .pointer("/status/checks/0/verdict")
            .and_then(Value::as_str);
        let found = found.context("not judged yet")?;
        ensure!(
            found == verdict,
            "judged {found}: {:?}",
            permit.pointer("/status/checks/0/reason")
        );
        Ok(())
    };
    eventually(PATIENCE, &format!("the change is judged {verdict}"), look).await
}

/// A write of the operator to a workload, or a revocation, in the API server's own record.
fn is_effect(event: &Value) -> bool {
    let text = |path: &str| {
        event
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let writes = ["create", "update", "patch", "delete"].contains(&text("/verb"));
    let kinds = ["deployments", "replicasets", "pods", "approvals"];
    writes && text("/user/username") == OPERATOR && kinds.contains(&text("/objectRef/resource"))
}
