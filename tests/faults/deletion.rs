//! F18: a permit that is issued cannot be deleted; its namespace can, at once, and the ledger records the end.

use anyhow::{Context, Result, ensure};
use kube::ResourceExt as _;
use permit_harness::{OperatorOptions, User, eventually};
use permit_operator::api::vocabulary::Phase;

use crate::ground::{Ground, PATIENCE, told};
use crate::records::{story_of, verified};
use crate::scene::Scene;

const PERMIT: &str = "checkout-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_namespace_goes_with_its_running_permit_and_the_end_is_recorded() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (operator, metrics) = ground.scripted(OperatorOptions::default()).await?;
    told(&operator, async {
        ground.with_long_soaks().await?;
        let (admin, alice) = (User::admin(), User::person("alice"));
        let scene = Scene::set(&ground.plane, "shop").await?;
        scene.enrol().await?;
        metrics.fails("shop", 0);
        scene.request(PERMIT, "long").await?;
        scene.reaches(PERMIT, Phase::InReview).await?;
        scene.approve(PERMIT).await?;
        let permit = scene.reaches(PERMIT, Phase::Issued).await?;
        for (user, what, code) in [
            (&alice, "permit/checkout-1", "PermitProtected"),
            (&admin, "permit/checkout-1", "PermitProtected"),
            (&admin, "approval/checkout-1.bob", "ApprovalProtected"),
        ] {
            let delete = ["delete", what, "-n", "shop", "--wait=false"];
            let refused = ground.plane.kubectl(user, &delete, None).await?;
            ensure!(
                !refused.is_success() && refused.stderr.contains(code),
                "{what}: {refused:?}"
            );
        }
        scene.roll_out().await?;
        scene.reaches(PERMIT, Phase::Validating).await?;
        // With nobody there to ask: no finalizer of ours is in the way, and the gate is not asked.
        operator.kill9();
        let delete = ["delete", "namespace", "shop", "--timeout=120s"];
        ground.plane.kubectl(&admin, &delete, None).await?.ok()?;
        operator.restart().await?;
        let uid = permit.uid().context("no uid")?;
        let forgotten = || async {
            let facts = scene.facts().await?;
            ensure!(!facts.armed.contains_key(&uid), "the facts still hold it");
            let story = story_of(&verified(operator.data_dir()).await?, &uid);
            ensure!(
                story.last().is_some_and(|last| last == "Closure"),
                "{story:#?}"
            );
            Ok(())
        };
        eventually(PATIENCE, "the end is recorded", forgotten).await
    })
    .await
}
