//! Ask: one check about everyone who has it: how the workloads do now, and once, how they did before their change.
//!
//! Hands each permit its readings. Decides nothing; does not know when it is called.

use std::collections::BTreeSet;

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::Context;
use super::book::About;
use super::watch::Watched;
use crate::domain::check::GuardCheck;
use crate::domain::reading::Observed;
use crate::domain::request::target_key;

/// Whether a check of any target is due.
pub(super) fn is_due(ctx: &Context, watched: &Watched, check: &GuardCheck, now: Timestamp) -> bool {
    watched.permit.spec.targets.iter().any(|t| {
        ctx.guard
            .is_due(&watched.uid, &target_key(t), &check.name, now)
    })
}

/// Asks one check about the namespaces of everyone who has it, and hands each its reading.
pub(super) async fn ask(ctx: &Context, running: &[Watched], check: &GuardCheck) {
    let same = |w: &&Watched| w.checks.iter().any(|c| c.asks_like(check));
    let namespaces: BTreeSet<String> = running
        .iter()
        .filter(same)
        .filter_map(|w| w.permit.namespace())
        .collect();
    let Ok(resolved) = check.about(&namespaces) else {
        return;
    };
    let (readings, ()) = futures::join!(ctx.probe.ask(&resolved), ask_before(ctx, running, check));
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

/// Asks once how the workloads of each change did before it: what was broken then is not undone for it
/// (`decisions.md` 26).
async fn ask_before(ctx: &Context, running: &[Watched], check: &GuardCheck) {
    let open = |watched: &&Watched, own: &&GuardCheck| {
        let mut targets = watched.permit.spec.targets.iter();
        let known = |t| {
            ctx.guard
                .knows_before(&watched.uid, &target_key(t), &own.name)
        };
        own.asks_like(check) && !targets.all(known)
    };
    let asking = running.iter().flat_map(|watched| {
        let own = watched.checks.iter().filter(move |own| open(&watched, own));
        own.map(move |own| ask_one_before(ctx, watched, own))
    });
    join_all(asking).await;
}

async fn ask_one_before(ctx: &Context, watched: &Watched, check: &GuardCheck) {
    let namespace = watched.permit.namespace().unwrap_or_default();
    let Ok(resolved) = check.about(&[namespace.clone()].into()) else {
        return;
    };
    let readings = ctx.probe.ask(&resolved.at(watched.before)).await;
    for target in &watched.permit.spec.targets {
        let about = About {
            uid: &watched.uid,
            target: &target_key(target),
            check,
        };
        ctx.guard
            .note_before(&about, readings.of(&namespace, &target.name));
    }
}
