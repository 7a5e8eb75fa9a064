//! Pods that run already: their images, their debuggers, their resources.
//!
//! Each by the number of its row in the list of threats. Does not know how a pod came to run.

use anyhow::{Context, Result, ensure};
use permit_harness::{Stage, User};
use serde_json::{Value, json};

use super::{PLAIN_TEMPLATE, admitted, issue, manifest, refused, with};
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
        let sized = manifest(("Pod", "v1"), "shop/app:1").replace(
            "name: app, image",
            "name: app, resources: {requests: {cpu: 1, memory: 1Gi}}, image",
        );
        let stage = with("resized", &[sized]).await?;
        let ready = ["wait", "pod/pod", "--for=condition=Ready", "--timeout=170s"];
        stage.kubectl(&User::admin(), &ready, None).await?.ok()?;
        // What a kubelet that can resize tells of its containers.
        let mut live = stage.get("pod/pod").await?;
        live["status"]["containerStatuses"][0]["resources"] = live["spec"]["containers"][0]["resources"].clone();
        let tell = ["replace", "--subresource=status", "-f", "-"];
        stage.kubectl(&User::admin(), &tell, Some(&live.to_string())).await?.ok()?;
        let more = json!({"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "2"}}}]}}).to_string();
        let resize = ["patch", "pod", "pod", "--subresource=resize", "-p", &more];
        let said = refused(&stage, &resize, None).await?;
        ensure!(said.contains("PermitRequired"), "{said}");
        issue(&stage, ("grows", "Pod", "pod"), "operations: [Configure]").await?;
        admitted(&stage, &resize, None).await.map(drop)
    })
    .await
}
