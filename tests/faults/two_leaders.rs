//! F12: a leader that was stopped in the middle of a rollback comes back after another one has finished it.

use anyhow::{Context, Result, ensure};
use kube::ResourceExt as _;
use permit_harness::{FaultProxy, OperatorOptions, eventually};
use permit_operator::api::vocabulary::{Outcome, Phase};

use crate::ground::{Ground, PATIENCE, told};
use crate::records::{story_of, verified};
use crate::scene::{GOOD, Scene};
use crate::scripted::Scripted;

const PERMIT: &str = "checkout-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn f12_a_stopped_leaders_late_rollback_is_refused_and_it_ends() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (proxy, metrics) = (FaultProxy::start(&ground.plane)?, Scripted::start().await?);
    let options = OperatorOptions {
        api_server_url: Some(proxy.url()),
        prometheus_url: Some(metrics.url()),
        ..OperatorOptions::default()
    };
    let first = ground.operator(options).await?;
    let options = OperatorOptions {
        pod: "permit-operator-1".to_owned(),
        data_dir: Some(first.data_dir().to_owned()),
        prometheus_url: Some(metrics.url()),
        ..OperatorOptions::default()
    };
    let second = ground.operator(options).await?;
    told(&second, async {
        ground.with_long_soaks().await?;
        let scene = Scene::set(&ground.plane, "shop").await?;
        scene.enrol().await?;
        metrics.fails("shop", 0);
        proxy.count_only(|write| {
            write
                .path
                .ends_with("/namespaces/shop/deployments/checkout")
        });
        let mut rollback = proxy.delay(1);
        scene.request(PERMIT, "long").await?;
        scene.reaches(PERMIT, Phase::InReview).await?;
        scene.approve(PERMIT).await?;
        scene.reaches(PERMIT, Phase::Issued).await?;
        scene.roll_out().await?;
        scene.reaches(PERMIT, Phase::Validating).await?;
        scene.is_judged(PERMIT, "Healthy").await?;
        metrics.fails("shop", 30);
        rollback.arrives().await?;
        first.sigstop()?;
        // The second waits until the lease has lapsed, and finishes what the first began.
        let permit = scene.rests(PERMIT, Outcome::RolledBack).await?;
        let restored = scene.workload().await?.metadata.resource_version;
        first.sigcont()?;
        let answer = rollback.goes_on().await?;
        ensure!(
            answer.is_client_error(),
            "the late rollback was answered with {answer}"
        );
        let ended = || async {
            ensure!(first.id().is_none(), "it still runs");
            Ok(())
        };
        eventually(PATIENCE, "the first leader ends by itself", ended).await?;
        let workload = scene.workload().await?;
        ensure!(
            workload.metadata.generation == Some(3),
            "more than one rollback: {workload:?}"
        );
        ensure!(
            workload.metadata.resource_version == restored,
            "touched after the rollback: {workload:?}"
        );
        ensure!(scene.revocations().await? == ["checkout-1.operator-revoke"]);
        let records = verified(second.data_dir()).await?;
        let story = story_of(&records, &permit.uid().unwrap_or_default());
        let expected = [
            "Transition Requested>InReview",
            "Transition InReview>Approved",
            "Transition Approved>Issued",
            "Transition Issued>Executing",
            "Transition Executing>Validating",
            "Transition Validating>Revoked",
            "Intent",
            "Done",
            "Closure",
        ];
        ensure!(story == expected, "{story:#?}");
        let fences: Vec<u64> = records.iter().map(|record| record.fence).collect();
        ensure!(
            fences.is_sorted(),
            "a later leader's records are followed by an earlier one's: {fences:?}"
        );
        // The one that is left governs: what was rolled back stays out, and what is there may be applied again.
        let again = scene.set_image(crate::scene::NEXT).await;
        ensure!(again.is_err(), "the rolled back image is admitted again");
        scene.set_image(GOOD).await.context("apply what runs")?;
        Ok(())
    })
    .await
}
