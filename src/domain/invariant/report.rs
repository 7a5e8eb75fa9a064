//! Rules about what is told: status, outcome, conditions, and whether the permit is looked at again.

use crate::api::reason::Reason;
use crate::api::vocabulary::{Outcome, Phase, RevocationReason};
use crate::domain::decide::Decision;
use crate::domain::world::World;

/// What programs wait for (`ux.md`, Conditions on Permit).
const TYPES: [&str; 11] = [
    "Accepted",
    "Approved",
    "Decided",
    "Active",
    "Executed",
    "Validated",
    "Finished",
    "Succeeded",
    "Held",
    "TemplateOutdated",
    "UnpermittedChange",
];

pub(super) fn phase(_: &World, decision: &Decision) -> Option<String> {
    let told = decision.status.phase;
    (told != Some(decision.phase)).then(|| format!("{told:?} for {}", decision.phase))
}

pub(super) fn outcome(_: &World, decision: &Decision) -> Option<String> {
    let outcome = decision.status.outcome?;
    let fits = match decision.phase {
        Phase::Closed => outcome == Outcome::Succeeded,
        Phase::Revoked => outcome != Outcome::Succeeded,
        Phase::Rejected | Phase::Expired | Phase::Cancelled => outcome == Outcome::Unused,
        _ => false,
    };
    (!fits).then(|| format!("{outcome} for {}", decision.phase))
}

pub(super) fn conditions(world: &World, decision: &Decision) -> Option<String> {
    let told = &decision.status.conditions;
    let missing = TYPES.iter().find(|type_| {
        let mut of_type = told.iter().filter(|c| c.type_ == **type_);
        let first = of_type.next();
        first.is_none_or(|c| c.observed_generation != world.generation) || of_type.next().is_some()
    });
    if let Some(type_) = missing {
        return Some((*type_).to_owned());
    }
    let is_true = |type_: &str| told.iter().any(|c| c.type_ == type_ && c.status == "True");
    let ended = decision.phase.is_terminal() && decision.status.outcome.is_some();
    let claims = [
        ("Finished", ended),
        ("Succeeded", decision.phase == Phase::Closed),
    ];
    let wrong = claims
        .iter()
        .find(|(type_, truth)| is_true(type_) != *truth);
    wrong.map(|(type_, _)| format!("{type_} while {}", decision.phase))
}

/// Whether a word may stand as a condition's reason.
fn is_listed(word: &str) -> bool {
    Reason::ALL.iter().any(|r| r.as_str() == word)
        || RevocationReason::ALL.iter().any(|r| r.as_str() == word)
        || Outcome::ALL.iter().any(|o| o.as_str() == word)
        || Phase::ALL.iter().any(|p| p.as_str() == word)
}

pub(super) fn reasons(_: &World, decision: &Decision) -> Option<String> {
    let told = &decision.status.conditions;
    let odd = told
        .iter()
        .find(|c| !is_listed(&c.reason) || c.message.is_empty());
    odd.map(|c| format!("{} gives {} and `{}`", c.type_, c.reason, c.message))
}

pub(super) fn pursued(world: &World, decision: &Decision) -> Option<String> {
    let template = world.revision.as_ref().map(|r| r.template.is_ok());
    let waits_for_people = template != Some(true);
    let is_over = decision.phase.is_terminal() && decision.status.outcome.is_some();
    (!is_over && !waits_for_people && decision.revisit.is_none())
        .then(|| format!("{} is left alone", decision.phase))
}
