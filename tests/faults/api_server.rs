//! F9: the API server ends in the middle of a lifecycle and comes back.

use anyhow::{Context, Result, ensure};
use permit_harness::{Operator, OperatorOptions, eventually, stage};
use permit_operator::api::vocabulary::{Outcome, Phase};

use crate::ground::{Ground, PATIENCE, told};
use crate::scene::{GOOD, NEXT, Scene};
use crate::scripted::Scripted;

const PERMIT: &str = "checkout-1";

fn leased(duration: &str) -> OperatorOptions {
    OperatorOptions {
        flags: vec![format!("--lease-duration={duration}")],
        ..OperatorOptions::default()
    }
}

/// A permit that is issued, with a soak in which an API server can go and come.
async fn issued(ground: &Ground, metrics: &Scripted) -> Result<Scene> {
    let stage = ground.enrolled("ground").await?;
    let away = stage::template("away", &[("soak: 5s", "soak: 15s")]);
    stage.apply(&away).await?;
    let scene = Scene::set(&ground.plane, "shop").await?;
    scene.enrol().await?;
    metrics.fails("shop", 0);
    scene.request(PERMIT, "away").await?;
    scene.reaches(PERMIT, Phase::InReview).await?;
    scene.approve(PERMIT).await?;
    scene.reaches(PERMIT, Phase::Issued).await?;
    Ok(scene)
}

/// The manifest's own lease may lapse meanwhile: then the leader ends, a kubelet starts it again, and it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_with_the_shipped_lease_the_operator_goes_on_or_begins_anew() -> Result<()> {
    let ground = Ground::prepare().await?;
    let (operator, metrics) = ground.scripted(leased("15s")).await?;
    told(&operator, async {
        let scene = issued(&ground, &metrics).await?;
        scene.roll_out().await?;
        scene.reaches(PERMIT, Phase::Validating).await?;
        ground.plane.restart_apiserver().await?;
        let rests = scene.rests(PERMIT, Outcome::Succeeded);
        tokio::select! {
            rested = rests => rested.map(drop),
            never = kept_up(&operator) => never,
        }
    })
    .await
}

/// Starts the operator again whenever it has ended, as a kubelet does; never returns but with an error.
async fn kept_up(operator: &Operator) -> Result<()> {
    loop {
        let ended = || async {
            ensure!(operator.id().is_none(), "it runs");
            Ok(())
        };
        if eventually(PATIENCE, "the operator ends", ended)
            .await
            .is_ok()
        {
            operator.restart().await?;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_lifecycle_goes_on_after_the_api_server_was_away() -> Result<()> {
    let ground = Ground::prepare().await?;
    // Longer than the API server is away: what happens to a leader that cannot renew is F12.
    let (operator, metrics) = ground.scripted(leased("90s")).await?;
    told(&operator, async {
        let scene = issued(&ground, &metrics).await?;
        let before = operator.id();
        // Once while a change may start, once while it is watched.
        ground.plane.restart_apiserver().await?;
        scene.roll_out().await?;
        scene.reaches(PERMIT, Phase::Validating).await?;
        ground.plane.restart_apiserver().await?;
        scene.rests(PERMIT, Outcome::Succeeded).await?;
        ensure!(
            before.is_some() && operator.id() == before,
            "the operator was ended or replaced"
        );
        let denied = scene.set_image(GOOD).await;
        let told = denied
            .err()
            .context("admitted without a permit")?
            .to_string();
        ensure!(told.contains("PermitRequired"), "{told}");
        scene
            .set_image(NEXT)
            .await
            .context("apply what was validated")?;
        Ok(())
    })
    .await
}
