//! F1: the gate is away. What is enforced is denied, and nothing else is in its way.

use anyhow::{Result, ensure};
use permit_harness::{OperatorOptions, Stage, User, eventually};

use crate::ground::{Ground, PATIENCE, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_a_dead_gate_denies_what_is_enforced_and_nothing_else() -> Result<()> {
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let shop = ground.enrolled("shop").await?;
        let other = Stage::set(&ground.plane, "other").await?;
        let (admin, alice) = (User::admin(), User::person("alice"));
        operator.kill9();
        let denied = shop.set_image(&alice, "1.5.0").await?;
        ensure!(
            !denied.is_success()
                && denied
                    .stderr
                    .contains("failed calling webhook \"gate.permits.dev\""),
            "{denied:?}"
        );
        let scaled = shop
            .kubectl(&alice, &["scale", "deploy/checkout", "--replicas=0"], None)
            .await?;
        ensure!(!scaled.is_success(), "scaled to nothing: {scaled:?}");
        other.set_image(&alice, "1.5.0").await?.ok()?;
        other.await_rollout().await?;
        // The operator's own Deployment has to come up without it, and so has everything of the cluster.
        for namespace in ["permit-system", "kube-system"] {
            let create = [
                "create",
                "deployment",
                "probe",
                "--image=probe",
                "-n",
                namespace,
            ];
            ground.plane.kubectl(&admin, &create, None).await?.ok()?;
        }
        ensure!(shop.image().await? == "shop/checkout:1.4.2");
        // Controllers finish what was admitted before: a pod that is lost is replaced.
        shop.kubectl(&admin, &["delete", "pods", "--all", "--wait=true"], None)
            .await?
            .ok()?;
        shop.await_rollout().await?;
        operator.restart().await?;
        let judged = || async {
            let denied = shop.set_image(&alice, "1.5.0").await?;
            ensure!(
                !denied.is_success() && denied.stderr.contains("PermitRequired"),
                "{denied:?}"
            );
            Ok(())
        };
        eventually(PATIENCE, "the gate judges again", judged).await
    })
    .await
}
