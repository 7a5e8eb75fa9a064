//! By-ways: writes that run something else although no pod template was written, or make a way for one that was not.
//!
//! Each by the number of its row in the list of threats. Does not know what a permit would admit.

use anyhow::{Context, Result, ensure};
use permit_harness::{Stage, User};
use serde_json::{Value, json};

use super::{APPLY, admitted, issue, manifest, refused, with};
use crate::site::{enrolled, told};

const STATEFUL_SET: (&str, &str) = ("StatefulSet", "apps/v1");

async fn first(stage: &Stage<'_>, what: &str) -> Result<Value> {
    let list = stage.get(what).await?;
    let found = list["items"]
        .as_array()
        .and_then(|items| items.first().cloned());
    found.with_context(|| format!("no {what}"))
}

#[tokio::test]
async fn t10_t11_an_owner_reference_makes_nothing_managed() -> Result<()> {
    told(async {
        let stage = enrolled("forges").await?;
        let owner = stage.get("deploy/checkout").await?["metadata"]["uid"].clone();
        let mut orphan: Value = serde_json::to_value(stage.get("rs").await?["items"][0].clone())?;
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            orphan["metadata"].as_object_mut().context("metadata")?.remove(key);
        }
        orphan["metadata"]["name"] = json!("checkout-evil");
        orphan["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:1");
        for owners in [
            json!([]),
            json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": owner, "controller": true}]),
        ] {
            orphan["metadata"]["ownerReferences"] = owners;
            refused(&stage, &["create", "-f", "-"], Some(&orphan.to_string())).await?;
        }
        // Not even under the controller's name, when it is borrowed.
        let name = "--as=system:serviceaccount:kube-system:deployment-controller";
        let borrowed = ["create", name, "-f", "-"];
        let tried = stage.kubectl(&User::admin(), &borrowed, Some(&orphan.to_string())).await?;
        ensure!(!tried.is_success() && tried.stderr.contains("Permit"), "{}", tried.stderr);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t09_t55_a_replica_set_of_a_deployment_is_not_edited_scaled_or_relabelled() -> Result<()> {
    told(async {
        let stage = enrolled("replicas").await?;
        let set = first(&stage, "rs").await?;
        let name = format!("rs/{}", set["metadata"]["name"].as_str().context("name")?);
        refused(&stage, &["set", "image", &name, "checkout=evil:1"], None).await?;
        refused(&stage, &["scale", &name, "--replicas=5"], None).await?;
        refused(&stage, &["label", &name, "app-"], None).await?;
        refused(&stage, &["label", "--overwrite", &name, "app=other"], None).await?;
        refused(&stage, &["delete", &name], None).await?;
        admitted(&stage, &["annotate", &name, "team=shop"], None)
            .await
            .map(drop)
    })
    .await
}

#[tokio::test]
async fn t54_an_owner_added_by_way_of_the_status_is_refused() -> Result<()> {
    told(async {
        let stage = with("status-owned", &[manifest(STATEFUL_SET, "shop/app:1")]).await?;
        let owner =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "dead"}]);
        let patch = json!({"metadata": {"ownerReferences": owner}}).to_string();
        for object in ["deploy/checkout", "sts/statefulset"] {
            for sub in [None, Some("--subresource=status")] {
                let mut args = vec!["patch", object, "--type=merge", "-p", &patch];
                args.extend(sub);
                refused(&stage, &args, None).await?;
            }
        }
        // Nothing else passes there either: only its controller reports on a workload.
        let patch =
            json!({"metadata": {"annotations": {"permits.dev/permit": "forged"}}}).to_string();
        let args = [
            "patch",
            "deploy/checkout",
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        refused(&stage, &args, None).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t56_controller_revisions_are_their_controllers_only() -> Result<()> {
    told(async {
        let stage = with("revised", &[manifest(STATEFUL_SET, "shop/app:1")]).await?;
        let mut revision = first(&stage, "controllerrevisions").await?;
        let name = revision["metadata"]["name"]
            .as_str()
            .context("name")?
            .to_owned();
        let object = format!("controllerrevision/{name}");
        refused(&stage, &["delete", &object], None).await?;
        refused(
            &stage,
            &["label", "--overwrite", &object, "app=other"],
            None,
        )
        .await?;
        let metadata = revision["metadata"].as_object_mut().context("metadata")?;
        for key in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generateName",
        ] {
            metadata.remove(key);
        }
        metadata.insert("name".into(), json!("by-hand"));
        let text = revision.to_string().replace("shop/app:1", "evil:1");
        refused(&stage, &["create", "-f", "-"], Some(&text))
            .await
            .map(drop)
    })
    .await
}

#[tokio::test]
async fn t57_a_lowered_partition_starts_nothing_unknown() -> Result<()> {
    told(async {
        let held = manifest(STATEFUL_SET, "shop/app:1").replace(
            "{replicas: 2",
            "{updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}, replicas: 2",
        );
        let stage = with("partitioned", &[held]).await?;
        // Admitted, and nothing moves: the partition holds it.
        issue(
            &stage,
            ("lies", "StatefulSet", "statefulset"),
            "images: {app: 'shop/app:2'}",
        )
        .await?;
        admitted(
            &stage,
            &["set", "image", "sts/statefulset", "app=shop/app:2"],
            None,
        )
        .await?;
        let lower =
            json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}).to_string();
        let args = ["patch", "sts/statefulset", "--type=merge", "-p", &lower];
        refused(&stage, &args, None).await?;
        stage.reaches("lies", "Succeeded").await?;
        issue(
            &stage,
            ("goes", "StatefulSet", "statefulset"),
            "operations: [Resume]",
        )
        .await?;
        admitted(&stage, &args, None).await?;
        stage.reaches("goes", "Succeeded").await?;
        let set = stage.get("sts/statefulset").await?;
        ensure!(
            set.pointer("/status/updatedReplicas") == Some(&json!(2)),
            "{set}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t58_an_autoscaler_and_its_limits_are_a_scale() -> Result<()> {
    told(async {
        let stage = enrolled("autoscaled").await?;
        let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout}\nspec: \
            {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}}\n";
        refused(&stage, &APPLY, Some(scaler)).await?;
        issue(&stage, ("scales", "HorizontalPodAutoscaler", "checkout"), "operations: [Scale]").await?;
        admitted(&stage, &APPLY, Some(scaler)).await?;
        stage.reaches("scales", "Succeeded").await?;
        let wider = json!({"spec": {"maxReplicas": 300}}).to_string();
        refused(&stage, &["patch", "hpa/checkout", "--type=merge", "-p", &wider], None).await?;
        admitted(&stage, &APPLY, Some(scaler)).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn t01_the_scale_of_a_stateful_set_is_judged_by_its_parent() -> Result<()> {
    told(async {
        let none = manifest(STATEFUL_SET, "shop/app:1").replace("replicas: 2", "replicas: 0");
        let stage = with(
            "scaled",
            &[
                none,
                manifest(("ReplicationController", "v1"), "shop/app:1"),
            ],
        )
        .await?;
        refused(&stage, &["scale", "sts/statefulset", "--replicas=2"], None).await?;
        refused(
            &stage,
            &["scale", "rc/replicationcontroller", "--replicas=2"],
            None,
        )
        .await?;
        issue(
            &stage,
            ("wakes", "StatefulSet", "statefulset"),
            "operations: [Scale]",
        )
        .await?;
        admitted(&stage, &["scale", "sts/statefulset", "--replicas=2"], None).await?;
        stage.reaches("wakes", "Succeeded").await.map(drop)
    })
    .await
}
