//! Pods that run already: their images, their debuggers, their resources.
//!
//! Each by the number of its row in the list of threats. Does not know how a pod came to run.

use anyhow::{Context, Result, ensure};
use permit_harness::Stage;
use serde_json::{Value, json};

use super::{PLAIN_TEMPLATE, admitted, issue, refused};
use crate::site::{enrolled, told};

/// The name of a pod of the workload.
async fn pod(stage: &Stage<'_>) -> Result<String> {
    let pods = stage.get("pods").await?;
    let name = pods
        .pointer("/items/0/metadata/name")
        .and_then(Value::as_str);
    Ok(name.context("no pod")?.to_owned())
}

#[tokio::test]
async fn t12_the_image_of_a_running_pod_is_not_changed() -> Result<()> {
    told(async {
        let stage = enrolled("pod-image").await?;
        let name = format!("pod/{}", pod(&stage).await?);
        refused(&stage, &["set", "image", &name, "checkout=evil:1"], None).await?;
        admitted(&stage, &["label", &name, "looked-at=yes"], None).await?;
        // Whoever deletes a pod starts nothing new.
        admitted(&stage, &["delete", &name, "--wait=false"], None)
            .await
            .map(drop)
    })
    .await
}

#[tokio::test]
async fn t13_a_debugger_needs_a_permit_to_diagnose() -> Result<()> {
    told(async {
        let stage = enrolled("debugged").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        let name = pod(&stage).await?;
        let debug = [
            "debug",
            &name,
            "--image=busybox",
            "--container=looks",
            "--attach=false",
        ];
        let said = refused(&stage, &debug, None).await?;
        ensure!(said.contains("PermitRequired"), "{said}");
        issue(&stage, ("looks", "Pod", &name), "operations: [Diagnose]").await?;
        admitted(&stage, &debug, None).await?;
        stage.reaches("looks", "Succeeded").await?;
        let live = stage.get(&format!("pod/{name}")).await?;
        let image = live.pointer("/spec/ephemeralContainers/0/image");
        ensure!(image == Some(&json!("busybox")), "{live}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t13_a_running_pod_is_not_resized() -> Result<()> {
    told(async {
        let stage = enrolled("resized").await?;
        let name = pod(&stage).await?;
        let more = json!({"spec": {"containers": [{"name": "checkout", "resources": {"requests": {"cpu": "2"}}}]}}).to_string();
        let resize = ["patch", "pod", &name, "--subresource=resize", "-p", &more];
        refused(&stage, &resize, None).await.map(drop)
    })
    .await
}
