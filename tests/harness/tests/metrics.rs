//! The measured workload: a bad image makes a bad metric, and only by running.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use permit_harness::{ControlPlane, Example, Prometheus, User, eventually};
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

async fn release(plane: &ControlPlane, namespace: &str, tag: &str) -> Result<()> {
    let pod = json!({
        "metadata": {"labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "main", "image": format!("registry.example/shop:{tag}")}]},
    });
    let spec =
        json!({"replicas": 2, "selector": {"matchLabels": {"app": "checkout"}}, "template": pod});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": spec,
    });
    let apply = ["apply", "-n", namespace, "-f", "-"];
    plane
        .kubectl(&User::admin(), &apply, Some(&deployment.to_string()))
        .await?
        .ok()?;
    Ok(())
}

/// The one value that a query answers.
async fn value(prometheus: &Prometheus, promql: &str) -> Result<f64> {
    let result = prometheus.query(promql).await?;
    let text = result
        .pointer("/0/value/1")
        .and_then(serde_json::Value::as_str);
    let text = text.with_context(|| format!("`{promql}` answers {result}"))?;
    text.parse()
        .with_context(|| format!("`{promql}` answers {text}"))
}

#[tokio::test]
async fn error_rate_and_latency_follow_the_image_that_runs() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    plane
        .kubectl(&User::admin(), &["create", "namespace", "measured"], None)
        .await?
        .ok()?;
    let example = Example::start(plane, "measured", "checkout").await?;
    let prometheus = Prometheus::start(&[example.target()]).await?;
    let labels = "namespace=\"measured\",workload=\"checkout\"";
    let errors = format!(
        "sum(rate(http_requests_total{{{labels},code=~\"5..\"}}[3s])) / sum(rate(http_requests_total{{{labels}}}[3s]))"
    );
    let total = format!("sum(rate(http_requests_total{{{labels}}}[3s]))");
    let p99 = format!(
        "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{{labels}}}[3s])))"
    );

    release(plane, "measured", "1.4.2").await?;
    let served = || async {
        let total = value(&prometheus, &total).await?;
        ensure!(total > 30.0, "{total} requests a second");
        Ok(())
    };
    eventually(PATIENCE, "the load arrives", served).await?;
    assert_eq!(
        prometheus.query(&errors).await?,
        json!([]),
        "no error series exists before an error"
    );

    release(plane, "measured", "1.6.0").await?;
    let failing = || async {
        let rate = value(&prometheus, &errors).await?;
        ensure!((0.25..0.35).contains(&rate), "error rate {rate}");
        Ok(())
    };
    eventually(PATIENCE, "the bad image fails", failing).await?;

    release(plane, "measured", "1.7.0").await?;
    let slow = || async {
        let (rate, p99) = (
            value(&prometheus, &errors).await?,
            value(&prometheus, &p99).await?,
        );
        ensure!(rate < 0.01 && p99 > 1.0, "error rate {rate}, p99 {p99}");
        Ok(())
    };
    eventually(PATIENCE, "the slow image is slow and fails no more", slow).await?;

    prometheus.stop();
    assert!(prometheus.query("up").await.is_err());
    prometheus.restart().await?;
    ensure!(
        value(&prometheus, "count_over_time(up[5m])").await? > 1.0,
        "what was stored is lost"
    );
    Ok(())
}
