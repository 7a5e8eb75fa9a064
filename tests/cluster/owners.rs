//! Metadata that changes what runs: the API server asks the gate about owner references, and about no other metadata.

use anyhow::{Result, ensure};
use permit_harness::{Stage, User};
use serde_json::json;

use crate::site::{enrolled, site, told};

/// Patches the workload's metadata as the administrator; says whether that was admitted, and what was said.
async fn patch(stage: &Stage<'_>, metadata: &serde_json::Value) -> Result<(bool, String)> {
    let patch = json!({"metadata": metadata}).to_string();
    let args = ["patch", "deploy/checkout", "--type=merge", "-p", &patch];
    let patched = stage.kubectl(&User::admin(), &args, None).await?;
    Ok((patched.is_success(), patched.stderr))
}

#[tokio::test]
async fn an_added_owner_is_denied_and_a_label_is_nobodys_business() -> Result<()> {
    told(async {
        let stage = enrolled("owned").await?;
        let labelled = patch(&stage, &json!({"labels": {"team": "shop"}})).await?;
        ensure!(labelled.0, "{}", labelled.1);
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}]);
        let (admitted, why) = patch(&stage, &json!({"ownerReferences": owner})).await?;
        ensure!(!admitted && why.contains("PermitRequired"), "{why}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_known_owner_in_another_reference_is_denied() -> Result<()> {
    told(async {
        let stage = Stage::set(site().await?.plane, "reowned").await?;
        let live = stage.get("configmap/kube-root-ca.crt").await?;
        let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": live["metadata"]["uid"]});
        let first = patch(&stage, &json!({"ownerReferences": [owner]})).await?;
        ensure!(first.0, "{}", first.1);
        stage.enrol().await?;
        let same = patch(&stage, &json!({"ownerReferences": [owner]})).await?;
        ensure!(same.0, "{}", same.1);
        for (key, value) in [("name", json!("gone")), ("controller", json!(true)), ("blockOwnerDeletion", json!(true))] {
            let mut other = owner.clone();
            other[key] = value;
            let (admitted, why) = patch(&stage, &json!({"ownerReferences": [other]})).await?;
            ensure!(!admitted && why.contains("PermitRequired"), "{key}: {why}");
        }
        Ok(())
    })
    .await
}
