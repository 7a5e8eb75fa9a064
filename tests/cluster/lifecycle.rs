//! One change from request to closure, and one that is rolled back.

use anyhow::{Result, ensure};
use permit_harness::{User, stage};
use serde_json::Value;

use crate::site::{measured, told};

#[tokio::test]
async fn a_permitted_change_is_admitted_watched_and_closed() -> Result<()> {
    told(async {
        let (stage, _example) = measured("closes").await?;
        let alice = User::person("alice");
        let denied = stage.set_image(&alice, "1.5.0").await?;
        ensure!(!denied.is_success(), "admitted without a permit");
        ensure!(
            denied.stderr.contains("PermitRequired"),
            "{}",
            denied.stderr
        );
        stage.issue("checkout-1", "1.5.0").await?;
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        let permit = stage.reaches("checkout-1", "Succeeded").await?;
        let executor = permit
            .pointer("/status/execution/executor")
            .and_then(Value::as_str);
        ensure!(executor == Some("alice@example.com"), "{permit}");
        // What was validated is the new baseline: applied again it needs no permit, whoever applies it.
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        let other = stage.set_image(&alice, "1.4.2").await?;
        ensure!(!other.is_success(), "a closed permit admits nothing more");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_change_whose_error_rate_breaches_is_rolled_back_and_stays_out() -> Result<()> {
    told(async {
        let (stage, _example) = measured("breaches").await?;
        let alice = User::person("alice");
        stage.issue("checkout-1", "1.6.0").await?;
        stage.set_image(&alice, "1.6.0").await?.ok()?;
        let permit = stage.reaches("checkout-1", "RolledBack").await?;
        let reason = permit
            .pointer("/status/revocation/reason")
            .and_then(Value::as_str);
        ensure!(reason == Some("SafetyViolation"), "{permit}");
        ensure!(stage.image().await? == "shop/checkout:1.4.2");
        let again = stage.set_image(&alice, "1.6.0").await?;
        ensure!(
            !again.is_success() && again.stderr.contains("PermitRevoked"),
            "{}",
            again.stderr
        );
        Ok(())
    })
    .await
}

/// The 99th percentile of the example's own histogram, held against half a second.
const LATENCY: &str = "      - name: latency-p99
        signal: Latency
        query: histogram_quantile(0.99, sum by (namespace, workload, le) (rate(http_request_duration_seconds_bucket[{{ window }}])))
        max: 500ms
        window: 5s
        interval: 1s
        scrapeInterval: 1s
";

#[tokio::test]
async fn a_change_that_only_makes_answers_slow_is_rolled_back() -> Result<()> {
    told(async {
        let (stage, _example) = measured("slows").await?;
        let mut template = stage::template("with-latency", &[("soak: 5s", "soak: 10m")]);
        template.push_str(LATENCY);
        stage.apply(&template).await?;
        stage
            .request(&stage::permit("slow", "with-latency", "1.7.0"))
            .await?;
        stage.approve("slow", "bob").await?;
        stage.reaches("slow", "Issued").await?;
        let alice = User::person("alice");
        stage.set_image(&alice, "1.7.0").await?.ok()?;
        let permit = stage.reaches("slow", "RolledBack").await?;
        let reason = permit.pointer("/status/revocation/reason");
        ensure!(
            reason.and_then(Value::as_str) == Some("PerformanceDegradation"),
            "{permit}"
        );
        ensure!(stage.image().await? == "shop/checkout:1.4.2");
        let again = stage.set_image(&alice, "1.7.0").await?;
        ensure!(again.stderr.contains("PermitRevoked"), "{again:?}");
        Ok(())
    })
    .await
}
