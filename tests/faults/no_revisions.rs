//! F32: the Deployment keeps no former ReplicaSet. It is rolled back to what was put on record at issuance.

use anyhow::{Context, Result, ensure};
use permit_harness::{OperatorOptions, User, eventually};
use permit_operator::api::vocabulary::{Outcome, Phase};
use serde_json::Value;

use crate::ground::{Ground, PATIENCE, told};
use crate::scene::Scene;

const PERMIT: &str = "checkout-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn f32_a_workload_without_former_replica_sets_is_rolled_back_too() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (operator, metrics) = ground.scripted(OperatorOptions::default()).await?;
    told(&operator, async {
        ground.with_long_soaks().await?;
        let scene = Scene::set(&ground.plane, "shop").await?;
        let none = [
            "patch",
            "deploy",
            "checkout",
            "-n",
            "shop",
            "-p",
            r#"{"spec":{"revisionHistoryLimit":0}}"#,
        ];
        ground
            .plane
            .kubectl(&User::admin(), &none, None)
            .await?
            .ok()?;
        scene.enrol().await?;
        metrics.fails("shop", 0);
        let prior = scene.workload().await?;
        scene.request(PERMIT, "long").await?;
        scene.reaches(PERMIT, Phase::InReview).await?;
        scene.approve(PERMIT).await?;
        scene.reaches(PERMIT, Phase::Issued).await?;
        scene.roll_out().await?;
        scene.reaches(PERMIT, Phase::Validating).await?;
        let alone = || async {
            let get = ["get", "replicasets", "-n", "shop", "-o", "json"];
            let found: Value = serde_json::from_str(
                &ground
                    .plane
                    .kubectl(&User::admin(), &get, None)
                    .await?
                    .ok()?,
            )?;
            let count = found
                .pointer("/items")
                .and_then(Value::as_array)
                .map(Vec::len);
            ensure!(count == Some(1), "{count:?} ReplicaSets");
            Ok(())
        };
        eventually(PATIENCE, "the former ReplicaSet is gone", alone).await?;
        metrics.fails("shop", 30);
        scene.rests(PERMIT, Outcome::RolledBack).await?;
        let template = |d: &k8s_openapi::api::apps::v1::Deployment| {
            d.spec.as_ref().map(|spec| spec.template.clone())
        };
        let now = scene.workload().await?;
        ensure!(
            template(&now) == template(&prior),
            "another template came back"
        );
        ensure!(
            now.status.context("no status")?.available_replicas == Some(1),
            "not stable"
        );
        Ok(())
    })
    .await
}
