//! F11: the operator ends between any two of its writes, and the next one finishes what it began.
//!
//! A proxy before the API server ends it with SIGKILL at the n-th write of a lifecycle with rollback: before the API
//! server sees the write, and after it has answered but before the operator knows. A write of the lifecycle is one to
//! the status of the permit, an approval, the namespace's facts or its workload. Lease, Events, access reviews,
//! certificates, template revisions and webhook configurations are upkeep and do not count.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use permit_harness::fault_proxy::{When, Write};
use permit_harness::{FaultProxy, Operator, OperatorOptions, eventually, stage};
use permit_operator::api::facts::facts_name;
use permit_operator::api::vocabulary::{Outcome, Phase};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, PATIENCE, told};
use crate::records::{story_of, verified};
use crate::scene::Scene;
use crate::scripted::Scripted;

const PERMIT: &str = "checkout-1";
const TEMPLATE: &str = "crash";
/// More writes than any lifecycle makes: a test that never ends is a fault too.
const MOST_WRITES: usize = 40;
/// How long after the end of a story a further write of it is waited for.
const LATEST: Duration = Duration::from_secs(2);

/// Everything that the cases share.
struct Site {
    ground: Ground,
    proxy: FaultProxy,
    metrics: Scripted,
    operator: Arc<Operator>,
}

/// What is the same after every run.
#[derive(Debug, PartialEq)]
struct End {
    phase: Option<Phase>,
    outcome: Option<Outcome>,
    reason: String,
    rollback: String,
    revocations: Vec<String>,
    generation: Option<i64>,
    records: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_crash_before_or_after_any_write_ends_as_if_there_had_been_none() -> Result<()> {
    let site = site().await?;
    let operator = Arc::clone(&site.operator);
    told(&operator, async {
        let (undisturbed, writes) = undisturbed(&site).await?;
        ensure!(
            undisturbed.outcome == Some(Outcome::RolledBack),
            "{undisturbed:#?}"
        );
        for when in [When::Before, When::After] {
            let struck_at = strike_at_each(&site, when, &undisturbed).await?;
            ensure!(
                struck_at + 1 >= writes.len(),
                "struck {when:?} {struck_at} writes only, undisturbed there are: {writes:#?}"
            );
        }
        Ok(())
    })
    .await
}

/// One case for each write, until a story ends with fewer writes than that; returns how many there were.
async fn strike_at_each(site: &Site, when: When, undisturbed: &End) -> Result<usize> {
    for nth in 1..=MOST_WRITES {
        let case = struck(site, nth, when).await;
        match case.with_context(|| format!("{when:?} write {nth}"))? {
            None => return Ok(nth - 1),
            Some(end) => ensure!(
                end == *undisturbed,
                "{when:?} write {nth}: {end:#?}\nundisturbed: {undisturbed:#?}"
            ),
        }
    }
    bail!("more than {MOST_WRITES} writes in one lifecycle")
}

async fn site() -> Result<Site> {
    let ground = Ground::prepare().await?;
    let (proxy, metrics) = (FaultProxy::start(&ground.plane)?, Scripted::start().await?);
    let options = OperatorOptions {
        api_server_url: Some(proxy.url()),
        prometheus_url: Some(metrics.url()),
        ..OperatorOptions::default()
    };
    let operator = ground.operator(options).await?;
    // Brings the roles of the stage, and shows that the operator works at all.
    let stage = ground.enrolled("ground").await?;
    stage
        .apply(&stage::template(
            TEMPLATE,
            &[
                ("soak: 5s", "soak: 10m"),
                ("window: 5s", "window: 1s"),
                ("scrapeInterval: 1s", "scrapeInterval: 500ms"),
            ],
        ))
        .await?;
    Ok(Site {
        ground,
        proxy,
        metrics,
        operator,
    })
}

async fn undisturbed(site: &Site) -> Result<(End, Vec<Write>)> {
    let scene = scene(site, "undisturbed").await?;
    let prior = scene.workload().await?;
    count(site, &scene);
    play(site, &scene).await?;
    let writes = site.proxy.writes();
    Ok((end(site, &scene, &prior).await?, writes))
}

/// One case: nothing if the story was over before the n-th write.
async fn struck(site: &Site, nth: usize, when: When) -> Result<Option<End>> {
    let scene = scene(
        site,
        &format!("case-{nth}-{}", format!("{when:?}").to_lowercase()),
    )
    .await?;
    let prior = scene.workload().await?;
    count(site, &scene);
    let (fallen, falls) = oneshot::channel();
    let victim = Arc::clone(&site.operator);
    site.proxy.strike_at(nth, when, move || {
        victim.kill9();
        let _ = fallen.send(());
    });
    let over = CancellationToken::new();
    let playing = async {
        let played = play(site, &scene).await;
        over.cancel();
        played
    };
    let reviving = async {
        tokio::select! {
            fallen = falls => fallen.context("the strike was given up")?,
            // The last write may come a moment after everything is seen to be at rest.
            () = async { over.cancelled().await; sleep(LATEST).await } => return Ok(false),
        }
        site.ground.release_lease().await?;
        site.operator.restart().await.map(|()| true)
    };
    let (played, revived): (Result<()>, Result<bool>) = tokio::join!(playing, reviving);
    played?;
    if !revived? {
        // What was planned for this case must not fall on the next.
        site.proxy.reset();
        return Ok(None);
    }
    end(site, &scene, &prior).await.map(Some)
}

async fn scene(site: &Site, name: &str) -> Result<Scene> {
    let scene = Scene::set(&site.ground.plane, name).await?;
    scene.enrol().await?;
    site.metrics.fails(name, 0);
    Ok(scene)
}

/// Counts from now on what belongs to the lifecycle in this namespace.
fn count(site: &Site, scene: &Scene) {
    let (here, facts) = (
        format!("/namespaces/{}/", scene.namespace),
        facts_name(&scene.namespace),
    );
    site.proxy.count_only(move |write| {
        let is_here = write.path.contains(&here) && !write.path.contains("/events");
        is_here || write.path.ends_with("/secrets") || write.path.ends_with(&facts)
    });
}

/// From the request to the restored workload: the permitted image fails once it is rolled out and judged healthy.
async fn play(site: &Site, scene: &Scene) -> Result<()> {
    scene.request(PERMIT, TEMPLATE).await?;
    scene.reaches(PERMIT, Phase::InReview).await?;
    scene.approve(PERMIT).await?;
    scene.reaches(PERMIT, Phase::Issued).await?;
    scene.roll_out().await?;
    scene.reaches(PERMIT, Phase::Validating).await?;
    scene.is_judged(PERMIT, "Healthy").await?;
    site.metrics.fails(&scene.namespace, 30);
    scene.rests(PERMIT, Outcome::RolledBack).await.map(drop)
}

async fn end(site: &Site, scene: &Scene, prior: &Deployment) -> Result<End> {
    let permit = scene.permit(PERMIT).await?;
    let (uid, status) = (
        permit.uid().unwrap_or_default(),
        permit.status.unwrap_or_default(),
    );
    let workload = scene.workload().await?;
    let template = |d: &Deployment| d.spec.as_ref().map(|spec| spec.template.clone());
    ensure!(
        template(&workload) == template(prior),
        "the former template is not back"
    );
    let revocation = status.revocation.context("the permit has no revocation")?;
    let closed = || async {
        let records = story_of(&verified(site.operator.data_dir()).await?, &uid);
        ensure!(
            records
                .last()
                .is_some_and(|last| last.starts_with("Closure")),
            "not closed yet: {records:?}"
        );
        Ok(records)
    };
    Ok(End {
        phase: status.phase,
        outcome: status.outcome,
        reason: revocation.reason.to_string(),
        rollback: revocation.rollback,
        revocations: scene.revocations().await?,
        // One for what stood there, one for the change, one for the rollback.
        generation: workload.metadata.generation,
        records: eventually(PATIENCE, "the ledger has the closure", closed).await?,
    })
}
