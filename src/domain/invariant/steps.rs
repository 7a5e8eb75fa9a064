//! Rules about the steps of a decision: where they start, in what order they come, and what each needs.

use super::quorum;
use crate::api::vocabulary::{Decision as Said, Phase, RevocationReason};
use crate::domain::decide::{Decision, Transition};
use crate::domain::effect::Effect;
use crate::domain::lifecycle::{Event, next};
use crate::domain::world::{Due, World};

fn step_to(decision: &Decision, phases: &[Phase]) -> Option<String> {
    let step = decision.transitions.iter().find(|t| phases.contains(&t.to));
    step.map(|t| format!("{} -> {}", t.from, t.to))
}

fn recorded_phase(world: &World) -> Phase {
    let spent = world.spent.as_ref().map(|s| s.phase);
    spent.or(world.recorded.phase).unwrap_or(Phase::Requested)
}

/// The digest of the request under the revision that governs.
fn digest(world: &World) -> Option<String> {
    let revision = world.revision.as_ref()?;
    Some(world.request.digest(&revision.digest))
}

pub(super) fn absorbs(world: &World, decision: &Decision) -> Option<String> {
    let at = recorded_phase(world);
    let moved = !decision.transitions.is_empty() || decision.phase != at;
    (at.is_terminal() && moved).then(|| format!("{at} became {}", decision.phase))
}

pub(super) fn starts(world: &World, decision: &Decision) -> Option<String> {
    let from = decision
        .transitions
        .first()
        .map_or(decision.phase, |t| t.from);
    let at = recorded_phase(world);
    let claims = matches!(at, Phase::Issued | Phase::Executing | Phase::Validating);
    let armed_now = world.armed.as_ref().map(|a| a.digest.clone());
    let is_right = match from {
        _ if from == at => !claims || armed_now.is_some(),
        // A status that claims an issuance of which nothing is on record.
        Phase::Requested => claims && armed_now.is_none(),
        // An issuance on record that the status does not tell.
        Phase::Approved => !claims && !at.is_terminal() && armed_now == digest(world),
        _ => false,
    };
    (!is_right).then(|| format!("recorded {at}, started from {from}"))
}

pub(super) fn legal(_: &World, decision: &Decision) -> Option<String> {
    let mut at: Option<Phase> = None;
    for Transition {
        from, event, to, ..
    } in &decision.transitions
    {
        if at.is_some_and(|at| at != *from) {
            return Some(format!("{from} does not follow"));
        }
        if next(*from, *event) != Ok(*to) {
            return Some(format!("{from} -> {to} on {event:?}"));
        }
        at = Some(*to);
    }
    at.filter(|at| *at != decision.phase)
        .map(|at| format!("the steps end at {at}, the phase is {}", decision.phase))
}

pub(super) fn quorate(world: &World, decision: &Decision) -> Option<String> {
    let step = step_to(
        decision,
        &[Phase::Approved, Phase::Issued, Phase::Executing],
    )?;
    (!quorum::is_met(world)).then_some(step)
}

pub(super) fn recorded(world: &World, decision: &Decision) -> Option<String> {
    let step = step_to(decision, &[Phase::Issued, Phase::Executing, Phase::Closed])?;
    (!world.ledger_writable).then_some(step)
}

pub(super) fn armed(world: &World, decision: &Decision) -> Option<String> {
    let step = step_to(decision, &[Phase::Issued])?;
    let own = decision.before.iter().filter_map(|e| match e {
        Effect::Arm(armed) => Some(armed),
        _ => None,
    });
    let mut records = own.chain(&world.armed);
    let is_way_back = |targets: usize| targets == world.request.spec.targets.len();
    let found =
        records.any(|a| Some(&a.digest) == digest(world).as_ref() && is_way_back(a.targets.len()));
    (!found).then_some(step)
}

pub(super) fn soaked(world: &World, decision: &Decision) -> Option<String> {
    decision
        .transitions
        .iter()
        .find(|t| t.event == Event::SoakPassed)?;
    let Some(Ok(template)) = world.revision.as_ref().map(|r| &r.template) else {
        return Some("no template says how long".into());
    };
    if !template.checks.is_empty() && world.healthy_for < template.soak {
        return Some(format!("healthy for {:?} only", world.healthy_for));
    }
    let urgent = world.checks.iter().find(|c| c.due == Due::RollBack)?;
    Some(format!("{} asks to roll back", urgent.name))
}

pub(super) fn found(world: &World, decision: &Decision) -> Option<String> {
    let of_guard = [
        RevocationReason::SafetyViolation,
        RevocationReason::PerformanceDegradation,
    ];
    let said = |reason: &RevocationReason| {
        let mut ballots = world.ballots.iter().filter(|b| b.decision == Said::Revoke);
        ballots.any(|b| b.reason == Some(*reason))
    };
    let asked = |reason: &RevocationReason| {
        let mut checks = world.checks.iter();
        checks.any(|c| c.due == Due::RollBack && c.reason == *reason)
    };
    let steps = decision
        .transitions
        .iter()
        .filter(|t| t.to == Phase::Revoked);
    let reasons = steps.filter_map(|t| of_guard.iter().find(|r| r.as_str() == t.reason));
    let mut unfounded = reasons.filter(|r| !said(r) && !asked(r));
    unfounded.next().map(ToString::to_string)
}

/// Rights that could not be asked, and checks that could not be judged, are no reason to end anything.
pub(super) fn certain(world: &World, decision: &Decision) -> Option<String> {
    let step = step_to(decision, &[Phase::Revoked])?;
    let mut trusting = world.clone();
    for ballot in &mut trusting.ballots {
        let rights = &mut ballot.rights;
        rights.role = rights.role.or(Some(true));
        rights.wildcard = rights.wildcard.or(Some(false));
        rights.break_glass = rights.break_glass.or(Some(true));
    }
    let by_people = |r: &RevocationReason| *r == RevocationReason::ApproverRequest;
    let is_loss = decision.before.iter().any(|e| match e {
        Effect::Revoke { reason, message } => by_people(reason) && message.contains("approval"),
        _ => false,
    });
    (is_loss && quorum::is_met(&trusting)).then_some(step)
}
