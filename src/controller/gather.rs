//! Gather: reads only, into one plain `World`.
//!
//! From the caches that watches keep, and access reviews for the approvals that could count. Whatever cannot be asked
//! comes in as unknown, which no decision takes for a yes.

use std::sync::Arc;

use futures::future::join_all;
use kube::ResourceExt as _;

use super::Context;
use crate::api::facts::Facts;
use crate::api::permit::{Identity, Permit, Target};
use crate::api::vocabulary::{Decision, GateMode, Phase};
use crate::api::{ENVIRONMENT_LABEL, GATE_LABEL};
use crate::cluster::caches::Known;
use crate::domain::ballot;
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
    let recorded = permit.status.clone().unwrap_or_default();
    let at_rest = facts.spent.contains_key(&request.uid);
    let template = revision.as_ref().and_then(|r| r.template.as_ref().ok());
    let (ballots, may_use) = futures::join!(
        ballots(ctx, &request, template, at_rest),
        may_use(ctx, &request, at_rest)
    );
    let labels = ctx
        .caches
        .namespace_labels(&request.namespace)
        .unwrap_or_default();
    World {
        now: ctx.clock.now(),
        generation: permit.metadata.generation,
        resource_version: permit.resource_version().unwrap_or_default(),
        outdated: is_outdated(ctx, &request, revision.as_ref()),
        mode: GateMode::of_label(labels.get(GATE_LABEL).map(String::as_str), GateMode::Audit),
        environment: environment_of(labels.get(ENVIRONMENT_LABEL).map(String::as_str)).to_owned(),
        armed: facts.armed.get(&request.uid).cloned(),
        spent: facts.spent.get(&request.uid).cloned(),
        targets: request
            .spec
            .targets
            .iter()
            .map(|t| target_fact(ctx, &request, &facts, t))
            .collect(),
        checks: ctx.guard.facts(&request.uid),
        healthy_for: ctx.guard.healthy_for(&request.uid),
        admitted: ctx.admitted.of(&request.uid),
        // Known from the last try, never found out here: what must not wait for the ledger is decided in here too.
        ledger_writable: !ctx.backlog.is_stalled(),
        refused_rollbacks: ctx.guard.refusals(&request.uid),
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

/// The permit's ballots, each approval with what the access reviews say now; asked side by side.
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
    join_all(all.into_iter().map(|ballot| {
        let matters = !at_rest
            && match ballot.decision {
                Decision::Approve => ballot.digest == digest,
                Decision::Resume => true,
                _ => false,
            };
        async move {
            if !matters {
                return ballot;
            }
            let rights = rights(ctx, request, &ballot, level).await;
            Ballot { rights, ..ballot }
        }
    }))
    .await
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

fn target_fact(ctx: &Context, request: &Request, facts: &Facts, target: &Target) -> TargetFact {
    let live = ctx
        .caches
        .deployment(&request.namespace, &target.name)
        .map(|object| Workload {
            uid: object
                .pointer("/metadata/uid")
                .and_then(|u| u.as_str())
                .unwrap_or_default()
                .to_owned(),
            rollout: rollout::of_deployment(&object),
            object: Arc::unwrap_or_clone(object),
        });
    let key = target_key(target);
    let others = ctx.caches.permits_naming(&request.namespace, &key);
    let runs = |p: &&Known| {
        let uid = &**p.card.uid();
        uid != request.uid
            && facts.armed.contains_key(uid)
            && p.card.phase().is_some_and(Phase::is_running)
    };
    TargetFact {
        target: target.clone(),
        live,
        busy_with: others.iter().find(runs).map(|p| p.name.to_string()),
    }
}
