//! F34: an approver loses the role after approving and before the start. The approval does not count any more.

use anyhow::{Result, ensure};
use permit_harness::{OperatorOptions, User};
use serde_json::Value;

use crate::ground::{Ground, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_an_approval_whose_approver_lost_the_role_ends_the_permit() -> Result<()> {
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = ground.enrolled("shop").await?;
        let (admin, alice) = (User::admin(), User::person("alice"));
        stage.issue("checkout-1", "1.5.0").await?;
        stage
            .kubectl(&admin, &["delete", "rolebinding", "tech-leads"], None)
            .await?
            .ok()?;
        // At once at the gate, which asks for itself; soon in the permit, which is asked again though nothing happened.
        let denied = stage.set_image(&alice, "1.5.0").await?;
        ensure!(
            !denied.is_success() && denied.stderr.contains("admission webhook"),
            "{denied:?}"
        );
        let permit = stage.reaches("checkout-1", "Revoked").await?;
        let reason = permit
            .pointer("/status/revocation/reason")
            .and_then(Value::as_str);
        ensure!(reason == Some("ApproverRequest"), "{permit}");
        let denied = stage.set_image(&alice, "1.5.0").await?;
        ensure!(!denied.is_success(), "admitted under a revoked permit");
        ensure!(stage.image().await? == "shop/checkout:1.4.2");
        Ok(())
    })
    .await
}
