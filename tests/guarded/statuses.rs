//! t30, t04: a status has one writer.

use anyhow::{Result, ensure};
use permit_harness::stage::permit;
use permit_harness::{Stage, User};

use crate::ground::{Ground, shared, told};

/// Forged statuses of a permit in this namespace are refused, whoever has the right to write them.
pub(crate) async fn no_permit_is_forged(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let namespace = stage.namespace();
    let patch = r#"{"status":{"phase":"Issued","issuedTime":"2026-01-01T00:00:00Z"}}"#;
    let forge =
        format!("patch permit one -n {namespace} --subresource=status --type=merge -p {patch}");
    let said = "the status of a permit is written by the operator alone";
    for user in [User::person("mallory"), User::admin()] {
        ground.refuses(&user, (&forge, None), said).await?;
    }
    let whole = stage.get("permit/one").await?;
    let line = format!(
        "replace --raw /apis/permits.dev/v1alpha1/namespaces/{namespace}/permits/one/status -f -"
    );
    let mut forged = whole.clone();
    forged["status"]["phase"] = "Issued".into();
    ground
        .refuses(
            &User::person("mallory"),
            (&line, Some(&forged.to_string())),
            said,
        )
        .await?;
    ensure!(stage.get("permit/one").await?["status"] == whole["status"]);
    Ok(())
}

/// A Deployment's status takes no metadata and no lie from anybody but its controller.
pub(crate) async fn no_rollout_is_forged(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let said = "the status of a workload is written by its controller alone";
    let owner = r#"{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"1"}]}}"#;
    let ahead = r#"{"status":{"observedGeneration":99}}"#;
    for patch in [owner, ahead] {
        let line = format!(
            "patch deploy checkout -n {} --subresource=status --type=merge -p {patch}",
            stage.namespace()
        );
        for user in [User::person("mallory"), User::admin()] {
            ground.refuses(&user, (&line, None), said).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn t30_the_status_of_a_permit_is_written_by_the_operator_alone() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = ground.enrolled("forged").await?;
        stage
            .request(&permit("one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("one", "InReview").await?;
        no_permit_is_forged(ground, &stage).await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn t04_the_status_of_a_workload_is_written_by_its_controller_alone() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = ground.enrolled("forged-rollout").await?;
        no_rollout_is_forged(ground, &stage).await
    })
    .await
}
