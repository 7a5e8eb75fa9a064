//! Gather: reads only, into one plain `World`.
//!
//! From the caches that watches keep, and access reviews for the approvals that could count. Whatever cannot be asked
//! comes in as unknown, which no decision takes for a yes.

use std::sync::Arc;

use futures::future::join_all;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use serde_json::Value;

use super::Context;
use crate::api::facts::Facts;
use crate::api::permit::{Identity, Permit, Target};
use crate::api::vocabulary::{Decision, GateMode, Phase};
use crate::api::{ENVIRONMENT_LABEL, GATE_LABEL};
use crate::cluster::caches::Known;
use crate::cluster::client::deadline;
use crate::cluster::kinds;
use crate::domain::ballot;
use crate::domain::kind;
use crate::domain::parse;
use crate::domain::quorum::{Ballot, Rights};
use crate::domain::request::{Request, target_key};
use crate::domain::rollout;
use crate::domain::standing::environment_of;
use crate::domain::template::{Level, Revision, Template, governing};
use crate::domain::world::{TargetFact, Workload, World};

/// Everything that a decision about this permit may see.
pub(super) async fn gather(ctx: &Context, permit: &Permit) -> World {
    let (request, mistakes) = parse::request(permit);
    let revisions = ctx.caches.revisions(&request.spec.template);
    let revision = governing(&revisions, request.created).cloned();
    let facts = ctx.caches.facts(&request.namespace).unwrap_or_default();
    let mut recorded = permit.status.clone().unwrap_or_default();
    if let Some(execution) = &mut recorded.execution {
        ctx.guard.correct(&request.uid, execution);
    }
    let at_rest = facts.spent.contains_key(&request.uid);
    let template = revision.as_ref().and_then(|r| r.template.as_ref().ok());
    let targets = request.spec.targets.iter();
    let (ballots, may_use, targets) = futures::join!(
        ballots(ctx, &request, template, at_rest),
        may_use(ctx, &request, at_rest),
        join_all(targets.map(|t| target_fact(ctx, &request, &facts, t)))
    );
    let labels = ctx
        .caches
        .namespace_labels(&request.namespace)
        .unwrap_or_default();
    let now = ctx.clock.now();
    let environment = environment_of(labels.get(ENVIRONMENT_LABEL).map(String::as_str)).to_owned();
    let in_force = ctx.caches.in_force(now, (&request.namespace, &environment));
    World {
        now,
        generation: permit.metadata.generation,
        resource_version: permit.resource_version().unwrap_or_default(),
        outdated: is_outdated(ctx, &request, revision.as_ref()),
        environment,
        mode: GateMode::of_label(labels.get(GATE_LABEL).map(String::as_str), GateMode::Audit),
        armed: facts.armed.get(&request.uid).cloned(),
        spent: facts.spent.get(&request.uid).cloned(),
        targets,
        checks: ctx.guard.facts(&request.uid),
        healthy_for: ctx.guard.healthy_for(&request.uid),
        admitted: ctx.admitted.of(&request.uid),
        frozen: in_force.frozen,
        unsound: in_force.unsound,
        // Known from the last try, never found out here: what must not wait for the ledger is decided in here too.
        ledger_writable: !ctx.backlog.is_stalled(),
        refused_rollbacks: ctx.guard.refusals(&request.uid),
        unpermitted: facts
            .unpermitted
            .values()
            .filter(|finding| finding.permit_uid == request.uid)
            .map(|finding| finding.message.clone())
            .collect(),
        revision,
        ballots,
        may_use,
        recorded,
        mistakes,
        request,
    }
}

fn is_outdated(ctx: &Context, request: &Request, revision: Option<&Revision>) -> bool {
    let current = ctx.caches.template_digest(&request.spec.template);
    match (current, revision) {
        (Some(current), Some(revision)) => current != revision.digest,
        _ => false,
    }
}

async fn may_use(ctx: &Context, request: &Request, at_rest: bool) -> Option<bool> {
    if at_rest {
        return None;
    }
    ctx.access
        .may_use_template(&request.requester, &request.spec.template)
        .await
}

/// The permit's ballots, each approval with what the access reviews say; every person and role asked once, side by side.
async fn ballots(
    ctx: &Context,
    request: &Request,
    template: Option<&Template>,
    at_rest: bool,
) -> Vec<Ballot> {
    let approvals = ctx.caches.approvals_of(&request.namespace, &request.name);
    let all: Vec<Ballot> = approvals
        .iter()
        .filter_map(|a| ballot::of(a, request))
        .collect();
    let digest = template.map(|t| request.digest(&t.digest));
    let level = template.map_or(Level::Numbered(4), |t| t.level);
    let matters = |ballot: &&Ballot| {
        !at_rest
            && match ballot.decision {
                Decision::Approve => ballot.digest == digest,
                Decision::Resume => true,
                _ => false,
            }
    };
    let mut asked: Vec<&Ballot> = Vec::new();
    for ballot in all.iter().filter(matters) {
        if !asked.iter().any(|known| asks_like(known, ballot)) {
            asked.push(ballot);
        }
    }
    let answers = join_all(asked.iter().map(|b| rights(ctx, request, b, level))).await;
    let answer_to = |ballot: &Ballot| {
        let mut known = asked.iter().zip(&answers);
        let same = known.find(|(known, _)| asks_like(known, ballot));
        same.map_or_else(Rights::default, |(_, rights)| *rights)
    };
    let found: Vec<_> = all
        .iter()
        .map(|ballot| matters(&ballot).then(|| answer_to(ballot)))
        .collect();
    all.into_iter()
        .zip(found)
        .map(|(ballot, rights)| Ballot {
            rights: rights.unwrap_or(ballot.rights),
            ..ballot
        })
        .collect()
}

/// Whether two ballots are by the same person in the same role.
fn asks_like(one: &Ballot, other: &Ballot) -> bool {
    (&one.person, &one.groups, &one.role) == (&other.person, &other.groups, &other.role)
}

async fn rights(ctx: &Context, request: &Request, ballot: &Ballot, level: Level) -> Rights {
    let who = Identity {
        username: ballot.person.clone(),
        uid: None,
        groups: ballot.groups.clone(),
    };
    let role = ballot.role.as_deref().unwrap_or_default();
    let own = ballot.person == request.requester.username;
    ctx.access.rights(&who, request, role, (level, own)).await
}

async fn target_fact(
    ctx: &Context,
    request: &Request,
    facts: &Facts,
    target: &Target,
) -> TargetFact {
    let live = live(ctx, &request.namespace, target).await;
    let live = live.map(|object| Workload {
        uid: object
            .pointer("/metadata/uid")
            .and_then(|u| u.as_str())
            .unwrap_or_default()
            .to_owned(),
        rollout: rollout::of(&object),
        object,
    });
    let key = target_key(target);
    let others = ctx.caches.permits_naming(&request.namespace, &key);
    let runs = |p: &&Known| {
        let (uid, phase) = (&**p.card.uid(), p.card.phase());
        let is_told = phase.is_some_and(Phase::is_running);
        let has_ended = phase.is_some_and(Phase::is_terminal);
        // What this process saw begin runs, though its status may not say so.
        let may_run = is_told || ctx.guard.has_begun(uid) && !has_ended;
        uid != request.uid && facts.armed.contains_key(uid) && may_run
    };
    TargetFact {
        target: target.clone(),
        live,
        busy_with: others.iter().find(runs).map(|p| p.name.to_string()),
    }
}

/// A target as it is: from the watch, or asked for where the watch keeps none because a controller made it.
async fn live(ctx: &Context, namespace: &str, target: &Target) -> Option<Value> {
    let place = (namespace, target.name.as_str());
    if let Some(known) = ctx.caches.workload(&target.kind, place) {
        return Some(Arc::unwrap_or_clone(known));
    }
    let form = kind::form(target.kind.as_str()).filter(|form| form.may_be_derived())?;
    let api: Api<DynamicObject> =
        Api::namespaced_with(ctx.client.clone(), namespace, &kinds::resource(form));
    // What cannot be read is as if it were not there: nothing is armed, and nothing is admitted.
    let found = deadline(api.get_opt(&target.name)).await.ok()??;
    serde_json::to_value(found).ok()
}
