//! The watch over live changes: asks the checks of every running permit, each query once for all of them.
//!
//! Load on Prometheus grows with distinct checks, not with permits (`performance.md` P17). Decides nothing: the book
//! folds, `decide` judges.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::book::About;
use super::{Context, census, enrol, journal, orphans, revisions};
use crate::api::permit::Permit;
use crate::api::vocabulary::Phase;
use crate::cluster::caches::PermitRef;
use crate::domain::check::GuardCheck;
use crate::domain::reading::Observed;
use crate::domain::request::target_key;
use crate::domain::template::governing;

/// How often it is looked whether a check is due; the shortest interval that a check may have.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked for what permits left behind that are gone.
const SWEEP: Duration = Duration::from_secs(15);
/// How often the permits are counted for the metrics.
const CENSUS: Duration = Duration::from_secs(5);
/// The longest time between two healthy polls that still counts as watched, in intervals.
const LONGEST_GAP: u32 = 3;

/// A running permit under watch.
struct Watched {
    permit: Permit,
    uid: String,
    started: Timestamp,
    soaks: bool,
    checks: Vec<GuardCheck>,
}

/// Watches until `stop`, and keeps what has to be kept beside: the records that wait, and the facts of what is gone.
pub async fn watch(ctx: Arc<Context>, due: mpsc::Sender<PermitRef>, stop: CancellationToken) {
    let catching_up = every(TICK, &stop, || journal::catch_up(&ctx));
    let sweeping = every(SWEEP, &stop, || orphans::sweep(&ctx));
    let counting = every(CENSUS, &stop, || async { census::take(&ctx) });
    // None waits for another: a ledger that hangs must not keep up the guard.
    tokio::join!(
        guard(Arc::clone(&ctx), due, stop.clone()),
        catching_up,
        sweeping,
        counting
    );
}

/// Does something in an interval until `stop`.
async fn every<F, Fut>(pause: Duration, stop: &CancellationToken, act: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let acting = async {
        loop {
            tokio::time::sleep(pause).await;
            act().await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = acting => {}
    }
}

/// Names in `due` every permit that something new is known of.
async fn guard(ctx: Arc<Context>, due: mpsc::Sender<PermitRef>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        // Both read caches only, and write only where something is missing.
        revisions::keep(&ctx).await;
        enrol::enrol(&ctx).await;
        for permit in poll(&ctx).await {
            // Full means that it is named already, or will be by its own timer.
            let _ = due.try_send(permit);
        }
    }
}

/// Asks every check that is due, each distinct one once.
async fn poll(ctx: &Context) -> Vec<PermitRef> {
    let now = ctx.clock.now();
    let running = running(ctx);
    let mut distinct: Vec<&GuardCheck> = Vec::new();
    for check in running
        .iter()
        .flat_map(|w| w.checks.iter().filter(|c| is_due(ctx, w, c, now)))
    {
        if !distinct.iter().any(|known| known.asks_like(check)) {
            distinct.push(check);
        }
    }
    join_all(distinct.into_iter().map(|check| ask(ctx, &running, check))).await;
    // The soak begins once the rollout is complete.
    for watched in running.iter().filter(|w| w.soaks) {
        let longest = watched
            .checks
            .iter()
            .map(|c| c.rules.interval)
            .max()
            .unwrap_or(TICK);
        ctx.guard.soak(
            &watched.uid,
            ctx.clock.now(),
            longest.saturating_mul(LONGEST_GAP),
        );
    }
    let named = running.into_iter();
    named
        .map(|w| {
            PermitRef::new(
                w.permit.namespace().unwrap_or_default(),
                w.permit.name_any(),
            )
        })
        .collect()
}

fn is_due(ctx: &Context, watched: &Watched, check: &GuardCheck, now: Timestamp) -> bool {
    watched.permit.spec.targets.iter().any(|t| {
        ctx.guard
            .is_due(&watched.uid, &target_key(t), &check.name, now)
    })
}

/// Asks one check about the namespaces of everyone who has it, and hands each its reading.
async fn ask(ctx: &Context, running: &[Watched], check: &GuardCheck) {
    let same = |w: &&Watched| w.checks.iter().any(|c| c.asks_like(check));
    let namespaces: BTreeSet<String> = running
        .iter()
        .filter(same)
        .filter_map(|w| w.permit.namespace())
        .collect();
    let Ok(resolved) = check.about(&namespaces) else {
        return;
    };
    let readings = ctx.probe.ask(&resolved).await;
    // What is said of nobody in particular holds for all: the source is down, or refuses the query.
    if [Observed::SourceDown, Observed::QueryError].contains(&readings.of("", "").observed) {
        ctx.metrics
            .metrics_query_errors
            .with_label_values(&["prometheus"])
            .inc();
    }
    let now = ctx.clock.now();
    for watched in running {
        let namespace = watched.permit.namespace().unwrap_or_default();
        for own in watched
            .checks
            .iter()
            .filter(|c| c.asks_like(check) && is_due(ctx, watched, c, now))
        {
            for target in &watched.permit.spec.targets {
                let key = target_key(target);
                let about = About {
                    uid: &watched.uid,
                    target: &key,
                    check: own,
                };
                ctx.guard.take(
                    &about,
                    readings.of(&namespace, &target.name),
                    watched.started,
                    now,
                );
            }
        }
    }
}

/// Every permit with a live change, and the checks of the revision that governs it.
fn running(ctx: &Context) -> Vec<Watched> {
    ctx.caches
        .known_permits(|card| card.phase().is_some_and(Phase::is_running))
        .into_iter()
        .filter_map(|known| watched(ctx, known.whole()?))
        .collect()
}

fn watched(ctx: &Context, permit: Permit) -> Option<Watched> {
    let status = permit.status.as_ref()?;
    let execution = status
        .execution
        .clone()
        .filter(|_| status.phase.is_some_and(Phase::is_running))?;
    let uid = permit.uid()?;
    let created = permit.metadata.creation_timestamp.as_ref()?.0;
    let revisions = ctx.caches.revisions(&permit.spec.template);
    let checks = governing(&revisions, created)?
        .template
        .as_ref()
        .ok()?
        .checks
        .clone();
    let soaks = status.phase == Some(Phase::Validating);
    let healthy = u64::try_from(execution.healthy_seconds).unwrap_or(0);
    ctx.guard.open(&uid, Duration::from_secs(healthy));
    let started = execution
        .started_time
        .as_ref()
        .map_or_else(|| ctx.clock.now(), |t| t.0);
    Some(Watched {
        permit,
        uid,
        started,
        soaks,
        checks,
    })
}
