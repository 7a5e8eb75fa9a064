//! The watch over live changes: asks the checks of every running permit, each query once for all of them.
//!
//! Load on Prometheus grows with distinct checks, not with permits (`performance.md` P17). Decides nothing: the book
//! folds, `decide` judges.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ask::{ask, is_due};
use super::{Context, census, enrol, journal, orphans, revisions, sweep, unreadable};
use crate::api::permit::Permit;
use crate::api::vocabulary::Phase;
use crate::cluster::caches::PermitRef;
use crate::domain::check::GuardCheck;
use crate::domain::template::governing;

/// How often it is looked whether a check is due; the shortest interval that a check may have.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked for what permits left behind that are gone.
const SWEEP: Duration = Duration::from_secs(15);
/// How often the permits, and what cannot be read, are counted for the metrics.
const CENSUS: Duration = Duration::from_secs(5);
/// How long before its start a change is asked about: the start is known to the second.
const JUST_BEFORE: Duration = Duration::from_secs(1);
/// The longest time between two healthy polls that still counts as watched, in intervals.
const LONGEST_GAP: u32 = 3;

/// A running permit under watch.
pub(super) struct Watched {
    pub(super) permit: Permit,
    pub(super) uid: String,
    pub(super) started: Timestamp,
    /// When its change surely had not begun.
    pub(super) before: Timestamp,
    soaks: bool,
    pub(super) checks: Vec<GuardCheck>,
}

/// Watches until `stop`, and keeps what has to be kept beside: the records that wait, and the facts of what is gone.
pub async fn watch(ctx: Arc<Context>, due: mpsc::Sender<PermitRef>, stop: CancellationToken) {
    let catching_up = every(TICK, &stop, || journal::catch_up(&ctx));
    let sweeping = every(SWEEP, &stop, || orphans::sweep(&ctx));
    let enrolling = every(TICK, &stop, || enrol::keep(&ctx));
    let counting = every(CENSUS, &stop, || async { census::take(&ctx) });
    let finding = every(TICK, &stop, || sweep::look(&ctx, &due));
    let told = unreadable::Told::default();
    let reading = every(CENSUS, &stop, || unreadable::look(&ctx, &told));
    // None waits for another: a ledger that hangs must not keep up the guard.
    tokio::join!(
        guard(Arc::clone(&ctx), due.clone(), stop.clone()),
        catching_up,
        sweeping,
        enrolling,
        counting,
        finding,
        reading
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
        // Reads caches only, and writes only where something is missing.
        revisions::keep(&ctx).await;
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
    // What was never issued does not run, whatever its status says.
    let facts = ctx.caches.shared_facts(&permit.namespace()?)?;
    let issued = facts.armed.get(&uid)?.issued_time.as_ref()?.0;
    let created = permit.metadata.creation_timestamp.as_ref()?.0;
    let revisions = ctx.caches.revisions(&permit.spec.template);
    let checks = governing(&revisions, created)?
        .template
        .as_ref()
        .ok()?
        .checks
        .clone();
    let soaks = status.phase == Some(Phase::Validating);
    let now = ctx.clock.now();
    let recorded = execution.started_time.as_ref().map_or(now, |t| t.0);
    // Neither before its issuance nor yet to come, and healthy no longer than it ran.
    let recorded = recorded.min(now).max(issued.min(now));
    let ran = Duration::try_from(now.duration_since(recorded)).unwrap_or_default();
    let healthy = u64::try_from(execution.healthy_seconds).unwrap_or(0);
    let healthy = Duration::from_secs(healthy).min(ran);
    let started = ctx.guard.open(&uid, recorded, healthy);
    // Where the start was missed, the change may be older than it was seen; it is never older than its issuance.
    let exact = ctx.guard.exact_start(&uid);
    let before = exact.and_then(|start| start.checked_sub(JUST_BEFORE).ok());
    let before = before.unwrap_or(issued);
    Some(Watched {
        permit,
        uid,
        started,
        before,
        soaks,
        checks,
    })
}
