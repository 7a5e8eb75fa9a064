//! One change from request to closure, and one that is rolled back.

use anyhow::{Result, ensure};
use permit_harness::User;
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
