//! Records: what the ledger is told, each under a key that a repeated try finds again.
//!
//! Issuance, start and closure wait for their record; revocation and rollback do not, theirs follow from the backlog.

use std::collections::BTreeMap;

use tracing::warn;

use super::permit::chain;
use super::{Context, Error};
use crate::api::facts::{Prior, Spent};
use crate::api::vocabulary::Phase;
use crate::domain::audit::{Actor, ActorKind, Draft, RecordType, Ruling, Subject};
use crate::domain::decide::{Decision, Transition};
use crate::domain::world::World;

/// Appends the intent of every transition, before any of them is written.
pub(super) async fn transitions(
    ctx: &Context,
    world: &World,
    decision: &Decision,
) -> Result<(), Error> {
    for step in &decision.transitions {
        let draft = transition(ctx, world, decision, step);
        if waits(step) {
            ctx.ledger.append(draft).await.map_err(Error::Record)?;
            ctx.metrics.audit_records.inc();
        } else {
            append_or_keep(ctx, draft).await;
        }
    }
    Ok(())
}

/// Whether a transition waits for its record. What ends a permit's power never does (`decisions.md` 32).
const fn waits(step: &Transition) -> bool {
    !matches!(
        step.to,
        Phase::Revoked | Phase::Rejected | Phase::Expired | Phase::Cancelled
    )
}

async fn append_or_keep(ctx: &Context, draft: Draft) {
    // What waits already comes first, or the order of the log would not be the order of events.
    if !ctx.backlog.is_empty()
        && let Err(error) = ctx.backlog.flush(ctx.ledger.as_ref(), ctx.fence()).await
    {
        warn!(error = %chain(&error), "records wait: the ledger cannot be written");
        ctx.backlog.push(draft, ctx.clock.now());
        return;
    }
    match ctx.ledger.append(draft.clone()).await {
        Ok(_) => ctx.metrics.audit_records.inc(),
        Err(error) => {
            warn!(error = %chain(&error), key = %draft.key, "record kept until the ledger can be written");
            ctx.backlog.push(draft, ctx.clock.now());
        }
    }
}

fn subject(world: &World) -> Subject {
    Subject {
        kind: "Permit".into(),
        ns: world.request.namespace.clone(),
        name: world.request.name.clone(),
        uid: world.request.uid.clone(),
        request_id: world.request.spec.request_id.clone().unwrap_or_default(),
    }
}

fn operator() -> Actor {
    Actor {
        name: "permit-operator".into(),
        kind: ActorKind::Operator,
    }
}

fn draft(ctx: &Context, world: &World, kind: RecordType, key: String) -> Draft {
    let mut draft = Draft::new(kind, operator(), subject(world), key);
    draft.fence = ctx.fence();
    draft
        .personal
        .insert("requester".into(), world.request.requester.username.clone());
    if let Some(revision) = &world.revision {
        draft.permit_digest = Some(world.request.digest(&revision.digest));
        draft
            .details
            .insert("templateDigest".into(), revision.digest.clone());
    }
    draft
}

fn transition(ctx: &Context, world: &World, decision: &Decision, step: &Transition) -> Draft {
    let uid = &world.request.uid;
    let key = format!("{uid}/{}/{}>{}", world.resource_version, step.from, step.to);
    let mut draft = draft(ctx, world, RecordType::Transition, key);
    draft.from = Some(step.from);
    draft.to = Some(step.to);
    draft.reason = Some(step.reason.to_owned());
    draft
        .personal
        .insert("because".into(), step.because.clone());
    draft.trace = decision
        .trace
        .0
        .iter()
        .map(|s| Ruling {
            rule: s.rule.as_str().into(),
            verdict: format!("{:?}", s.verdict),
            because: s.because.clone(),
        })
        .collect();
    if step.to == Phase::Executing {
        match &world.admitted {
            Some(admitted) => {
                draft.decision_id = Some(admitted.decision_id.clone());
                draft
                    .personal
                    .insert("executor".into(), admitted.username.clone());
            }
            // Who did it was lost between gate and controller: said, never made up.
            None => {
                draft.details.insert("executor".into(), "unknown".into());
            }
        }
    }
    draft
}

/// The intent to roll back, before it is written.
pub(super) async fn rollback_intent(ctx: &Context, world: &World, target: &str, prior: &Prior) {
    append_or_keep(ctx, rollback(ctx, world, target, prior, RecordType::Intent)).await;
}

/// The rollback that the API server accepted.
pub(super) async fn rollback_accepted(ctx: &Context, world: &World, target: &str, prior: &Prior) {
    append_or_keep(ctx, rollback(ctx, world, target, prior, RecordType::Done)).await;
}

fn rollback(ctx: &Context, world: &World, target: &str, prior: &Prior, kind: RecordType) -> Draft {
    let key = format!("{}/rollback/{target}/{kind:?}", world.request.uid);
    let mut draft = draft(ctx, world, kind, key);
    draft.reason = Some("Rollback".into());
    draft.details.extend(BTreeMap::from([
        ("target".to_owned(), target.to_owned()),
        ("toTemplateDigest".to_owned(), prior.template_digest.clone()),
    ]));
    draft
}

/// The final account of a permit at rest (`decisions.md` 38).
pub(super) async fn closure(ctx: &Context, world: &World, decision: &Decision, spent: &Spent) {
    let mut draft = draft(
        ctx,
        world,
        RecordType::Closure,
        format!("{}/closure", world.request.uid),
    );
    draft.to = Some(spent.phase);
    draft.decision = spent.outcome.map(|o| o.to_string());
    let status = &decision.status;
    draft
        .details
        .insert("approvals".into(), status.summary.approvals.clone());
    draft
        .details
        .insert("targets".into(), status.summary.target.clone());
    draft
        .details
        .insert("change".into(), status.summary.change.clone());
    for check in &status.checks {
        let told = format!(
            "{} {} of {}",
            check.verdict,
            check.value.as_deref().unwrap_or("-"),
            check.limit
        );
        draft
            .details
            .insert(format!("check.{}.{}", check.target, check.name), told);
    }
    if let Some(execution) = &status.execution {
        draft.decision_id.clone_from(&execution.decision_id);
        let executor = execution.executor.clone().unwrap_or_default();
        draft.personal.insert("executor".into(), executor);
        let times = [&execution.started_time, &execution.finished_time];
        if let [Some(began), Some(ended)] = times {
            let seconds = ended.0.duration_since(began.0).as_secs();
            draft
                .details
                .insert("durationSeconds".into(), seconds.to_string());
        }
    }
    append_or_keep(ctx, draft).await;
}
