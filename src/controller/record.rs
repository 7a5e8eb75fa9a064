//! Records: what the ledger is told, each under a key that a repeated try finds again.
//!
//! What gives power or vouches for a change waits for its record: issuance, start and closure. Nothing else does; where
//! the ledger cannot be written, those records follow from the backlog.

use std::collections::BTreeMap;

use super::journal::{append, append_or_keep, has};
use super::{Context, Error};
use crate::api::facts::{Armed, Prior, Spent};
use crate::api::vocabulary::Phase;
use crate::domain::applied::is_restored;
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
        let draft = transition(world, decision, step);
        if waits(step) {
            append(ctx, draft).await?;
        } else {
            append_or_keep(ctx, draft).await?;
        }
    }
    Ok(())
}

/// Whether a transition waits for its record (`decisions.md` 32). A review that waited could not even say why.
const fn waits(step: &Transition) -> bool {
    matches!(step.to, Phase::Issued | Phase::Executing | Phase::Closed)
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

/// The operator, as who did or found something.
pub(super) fn operator() -> Actor {
    Actor {
        name: "permit-operator".into(),
        kind: ActorKind::Operator,
    }
}

fn draft(world: &World, kind: RecordType, key: String) -> Draft {
    let mut draft = Draft::new(kind, operator(), subject(world), key);
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

fn transition(world: &World, decision: &Decision, step: &Transition) -> Draft {
    let uid = &world.request.uid;
    let key = format!("{uid}/{}/{}>{}", world.resource_version, step.from, step.to);
    let mut draft = draft(world, RecordType::Transition, key);
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
    if step.from == Phase::Requested {
        draft.personal.extend(asked(world));
    }
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

/// What was asked, in the requester's words: it may name people.
fn asked(world: &World) -> impl Iterator<Item = (String, String)> {
    let spec = &world.request.spec;
    let words = [
        ("purpose", Some(&spec.purpose)),
        ("ticket", spec.ticket.as_ref()),
        ("incident", spec.incident.as_ref()),
    ];
    words
        .into_iter()
        .filter_map(|(name, said)| Some((name.to_owned(), said?.clone())))
}

/// The intent to roll back, before it is written.
pub(super) async fn rollback_intent(
    ctx: &Context,
    world: &World,
    target: &str,
    prior: &Prior,
) -> Result<(), Error> {
    append_or_keep(ctx, rollback(world, target, prior, RecordType::Intent)).await
}

/// The rollback that the API server accepted.
pub(super) async fn rollback_accepted(
    ctx: &Context,
    world: &World,
    target: &str,
    prior: &Prior,
) -> Result<(), Error> {
    append_or_keep(ctx, rollback(world, target, prior, RecordType::Done)).await
}

/// Completes the account of rollbacks whose answer a crash has swallowed: what was meant to be restored is restored.
async fn rollbacks_done(ctx: &Context, world: &World) -> Result<(), Error> {
    for fact in world.targets.iter().rev() {
        let target = fact.key();
        let restored = fact
            .prior(world.armed.as_ref())
            .filter(|prior| is_restored(fact, prior));
        let Some(prior) = restored else { continue };
        if has(ctx, &rollback_key(world, &target, RecordType::Intent)).await? {
            append(ctx, rollback(world, &target, prior, RecordType::Done)).await?;
        }
    }
    Ok(())
}

fn rollback_key(world: &World, target: &str, kind: RecordType) -> String {
    format!("{}/rollback/{target}/{kind:?}", world.request.uid)
}

fn rollback(world: &World, target: &str, prior: &Prior, kind: RecordType) -> Draft {
    let mut draft = draft(world, kind, rollback_key(world, target, kind));
    draft.reason = Some("Rollback".into());
    draft.details.extend(BTreeMap::from([
        ("target".to_owned(), target.to_owned()),
        ("toTemplateDigest".to_owned(), prior.template_digest.clone()),
    ]));
    draft
}

/// The final account of a permit at rest (`decisions.md` 38). Nothing is undone or kept up by waiting for it, and
/// until it is written the facts remember the permit, so that no crash loses it.
pub(super) async fn closure(
    ctx: &Context,
    world: &World,
    decision: &Decision,
    spent: &Spent,
) -> Result<(), Error> {
    rollbacks_done(ctx, world).await?;
    append(ctx, final_account(world, decision, spent)).await
}

fn final_account(world: &World, decision: &Decision, spent: &Spent) -> Draft {
    let mut draft = draft(world, RecordType::Closure, closure_key(&world.request.uid));
    draft.to = Some(spent.phase);
    draft.decision = spent.outcome.map(|o| o.to_string());
    let status = &decision.status;
    if let Some(revocation) = &status.revocation {
        draft.reason = Some(revocation.reason.to_string());
        draft
            .personal
            .insert("because".into(), revocation.message.clone());
    }
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
    draft
}

/// The final account of a permit that was deleted before it came to rest, as its namespace went.
pub(super) async fn deleted(
    ctx: &Context,
    namespace: &str,
    uid: &str,
    armed: &Armed,
) -> Result<(), Error> {
    let subject = Subject {
        kind: "Permit".into(),
        ns: namespace.into(),
        name: armed.permit.clone(),
        uid: uid.into(),
        request_id: String::new(),
    };
    let mut draft = Draft::new(RecordType::Closure, operator(), subject, closure_key(uid));
    draft.permit_digest = Some(armed.digest.clone());
    draft.reason = Some("Deleted".into());
    append(ctx, draft).await
}

fn closure_key(uid: &str) -> String {
    format!("{uid}/closure")
}
