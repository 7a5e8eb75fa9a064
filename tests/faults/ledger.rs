//! F36: the ledger cannot be written. What gives power waits and says so; what takes it away goes on, and is written
//! when it can be. The gate stays.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt as _;
use permit_harness::{Operator, OperatorOptions, eventually, stage};
use permit_operator::api::vocabulary::{Outcome, Phase};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::ground::{Ground, PATIENCE, told};
use crate::records::{story_of, verified};
use crate::scene::{GOOD, NEXT, Scene};
use crate::scripted::Scripted;

const PERMIT: &str = "checkout-1";

async fn ground(metrics: &Scripted) -> Result<(Ground, std::sync::Arc<Operator>)> {
    let ground = Ground::prepare().await?;
    let options = OperatorOptions {
        prometheus_url: Some(metrics.url()),
        ..OperatorOptions::default()
    };
    let operator = ground.operator(options).await?;
    let stage = ground.enrolled("ground").await?;
    stage
        .apply(&stage::template("long", &[("soak: 5s", "soak: 10m")]))
        .await?;
    Ok((ground, operator))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn f36_a_locked_ledger_keeps_up_what_gives_power_and_nothing_else() -> Result<()> {
    let metrics = Scripted::start().await?;
    let (ground, operator) = ground(&metrics).await?;
    told(&operator, async {
        let [running, waiting, issued] = ["running", "waiting", "issued"];
        let mut scenes = Vec::new();
        for namespace in [running, waiting, issued] {
            let scene = Scene::set(&ground.plane, namespace).await?;
            scene.enrol().await?;
            scene.request(PERMIT, "long").await?;
            scene.reaches(PERMIT, Phase::InReview).await?;
            metrics.fails(namespace, 0);
            scenes.push(scene);
        }
        let [running, waiting, issued] = scenes.as_slice() else {
            anyhow::bail!("three scenes were set")
        };
        for scene in [running, issued] {
            scene.approve(PERMIT).await?;
            scene.reaches(PERMIT, Phase::Issued).await?;
        }
        running.roll_out().await?;
        running.reaches(PERMIT, Phase::Validating).await?;
        running.is_judged(PERMIT, "Healthy").await?;
        let options = SqliteConnectOptions::new().filename(operator.data_dir().join("ledger.db"));
        let mut other = SqliteConnection::connect_with(&options).await?;
        let lock = other
            .begin_with("BEGIN EXCLUSIVE")
            .await
            .context("lock the ledger")?;
        // The rollback first: it finds the ledger locked, and does not wait for it.
        metrics.fails(&running.namespace, 30);
        let undone = running.reaches(PERMIT, Phase::Revoked).await?;
        says(running, "the former template is back").await?;
        ensure!(
            image(running).await? == GOOD,
            "not rolled back while the ledger is locked"
        );
        waiting.approve(PERMIT).await?;
        says(waiting, "issuance waits: the record cannot be written").await?;
        // An admission needs no record; the start of execution does.
        issued.roll_out().await?;
        says(
            issued,
            "the start of execution waits: the record cannot be written",
        )
        .await?;
        operator.await_ready().await?;
        lock.rollback().await?;
        running.rests(PERMIT, Outcome::RolledBack).await?;
        waiting.reaches(PERMIT, Phase::Issued).await?;
        issued.reaches(PERMIT, Phase::Validating).await?;
        let records = verified(operator.data_dir()).await?;
        let uid = undone.uid().unwrap_or_default();
        let story = story_of(&records, &uid);
        let end = ["Transition Validating>Revoked", "Intent", "Done", "Closure"];
        ensure!(story.ends_with(&end.map(str::to_owned)), "{story:#?}");
        let late = records.iter().filter(|record| {
            record.subject.uid == uid && record.details.contains_key("occurredTime")
        });
        ensure!(
            late.count() == 3,
            "what came late does not say when it happened"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f36_an_operator_whose_ledger_cannot_be_opened_still_guards() -> Result<()> {
    let metrics = Scripted::start().await?;
    let (ground, operator) = ground(&metrics).await?;
    told(&operator, async {
        let running = Scene::set(&ground.plane, "running").await?;
        running.enrol().await?;
        metrics.fails("running", 0);
        running.request(PERMIT, "long").await?;
        running.reaches(PERMIT, Phase::InReview).await?;
        running.approve(PERMIT).await?;
        running.reaches(PERMIT, Phase::Issued).await?;
        running.roll_out().await?;
        running.reaches(PERMIT, Phase::Validating).await?;
        operator.kill9();
        let aside = aside(operator.data_dir())?;
        operator.restart().await?;
        let denied = || async {
            let told = running
                .set_image("shop/checkout:9.9.9")
                .await
                .err()
                .context("admitted")?
                .to_string();
            ensure!(
                told.contains("PermitRequired") || told.contains("denied the request"),
                "{told}"
            );
            Ok(())
        };
        eventually(PATIENCE, "the gate judges", denied).await?;
        metrics.fails("running", 30);
        running.reaches(PERMIT, Phase::Revoked).await?;
        says(&running, "the former template is back").await?;
        ensure!(
            image(&running).await? == GOOD,
            "not rolled back without a ledger"
        );
        back(operator.data_dir(), &aside)?;
        let permit = running.rests(PERMIT, Outcome::RolledBack).await?;
        ensure!(
            running.set_image(NEXT).await.is_err(),
            "admitted again after the rollback"
        );
        let story = story_of(
            &verified(operator.data_dir()).await?,
            &permit.uid().unwrap_or_default(),
        );
        let end = [
            "Transition Executing>Validating",
            "Transition Validating>Revoked",
            "Intent",
            "Done",
            "Closure",
        ];
        ensure!(story.ends_with(&end.map(str::to_owned)), "{story:#?}");
        Ok(())
    })
    .await
}

/// Puts a directory where the files of the ledger are: nobody can open that, not even root.
fn aside(directory: &Path) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        if directory.join(name).exists() {
            fs::rename(
                directory.join(name),
                directory.join(format!("aside-{name}")),
            )?;
            moved.push(name.to_owned());
        }
    }
    fs::create_dir(directory.join("ledger.db"))?;
    Ok(moved)
}

fn back(directory: &Path, moved: &[String]) -> Result<()> {
    fs::remove_dir(directory.join("ledger.db"))?;
    for name in moved {
        fs::rename(
            directory.join(format!("aside-{name}")),
            directory.join(name),
        )?;
    }
    Ok(())
}

async fn says(scene: &Scene, wanted: &str) -> Result<()> {
    let look = || async {
        let status = scene.permit(PERMIT).await?.status.unwrap_or_default();
        ensure!(
            status.summary.message.contains(wanted),
            "it says at {:?}: {}",
            status.phase,
            status.summary.message
        );
        Ok(())
    };
    eventually(
        PATIENCE,
        &format!("{} says `{wanted}`", scene.namespace),
        look,
    )
    .await
}

async fn image(scene: &Scene) -> Result<String> {
    let pod = scene
        .workload()
        .await?
        .spec
        .and_then(|spec| spec.template.spec);
    let first = pod.and_then(|pod| pod.containers.into_iter().next());
    first
        .and_then(|container| container.image)
        .context("no image")
}
