//! Conditions: the contract for programs that wait, filled completely at first sight and on every write.
//!
//! A pure projection of phase and outcome (`ux.md`, Conditions on Permit); a condition is never a state of its own.

use super::aftermath::Aftermath;
use super::decide::Walk;
use super::hold::held;
use super::report::message;
use crate::api::condition::{ConditionType as Type, ConditionValue};
use crate::api::vocabulary::{Outcome, Phase};

/// Every condition, as the walk ended.
pub(super) fn conditions(walk: &Walk<'_>, rest: &Aftermath) -> Vec<ConditionValue> {
    let reason = reason(walk);
    let told = message(walk, rest);
    let held = held(walk);
    let value = |type_, status, reason, message: &str| ConditionValue {
        type_,
        status,
        reason,
        message: message.to_owned(),
    };
    let mut all: Vec<_> = [
        (Type::Accepted, accepted(walk)),
        (Type::Approved, approved(walk)),
        (Type::Decided, decided(walk)),
        (Type::Active, Some(active(walk, held.is_some()))),
        (Type::Executed, executed(walk, rest)),
        (Type::Validated, validated(walk)),
        (
            Type::Finished,
            if walk.phase.is_terminal() && rest.outcome.is_some() {
                Some(true)
            } else {
                None
            },
        ),
        (Type::Succeeded, succeeded(walk, rest)),
    ]
    .into_iter()
    .map(|(type_, status)| value(type_, status, reason, &told))
    .collect();
    let why = held.as_deref().unwrap_or_default();
    all.push(value(
        Type::Held,
        Some(held.is_some()),
        if held.is_some() { "Held" } else { "NotHeld" },
        why,
    ));
    let outdated = walk.world.outdated;
    all.push(value(
        Type::TemplateOutdated,
        Some(outdated),
        if outdated {
            "TemplateChanged"
        } else {
            "TemplateCurrent"
        },
        if outdated {
            "the template has other content now; this permit keeps the revision it was made under"
        } else {
            ""
        },
    ));
    all
}

/// The reason of the last step, or of the wait.
fn reason(walk: &Walk<'_>) -> &'static str {
    match (&walk.waiting, walk.transitions.last()) {
        (Some((reason, _)), _) => reason,
        (None, Some(step)) => step.reason,
        (None, None) => walk.phase.as_str(),
    }
}

fn never_began(walk: &Walk<'_>) -> bool {
    walk.world.recorded.execution.is_none()
        && !walk.transitions.iter().any(|t| t.to == Phase::Executing)
}

fn accepted(walk: &Walk<'_>) -> Option<bool> {
    match walk.phase {
        Phase::Requested => None,
        Phase::Rejected => Some(walk.transitions.iter().any(|t| t.from != Phase::Requested)),
        _ => Some(true),
    }
}

fn approved(walk: &Walk<'_>) -> Option<bool> {
    match walk.phase {
        Phase::Requested | Phase::InReview | Phase::ChangesRequested => None,
        Phase::Approved | Phase::Issued | Phase::Executing | Phase::Validating | Phase::Closed => {
            Some(true)
        }
        Phase::Rejected => Some(false),
        Phase::Expired | Phase::Revoked | Phase::Cancelled => {
            Some(walk.armed.is_some() || walk.world.recorded.issued_time.is_some())
        }
    }
}

fn decided(walk: &Walk<'_>) -> Option<bool> {
    match walk.phase {
        Phase::Requested | Phase::InReview | Phase::ChangesRequested => None,
        _ => Some(true),
    }
}

fn active(walk: &Walk<'_>, held: bool) -> bool {
    let is_open = !matches!(walk.waiting, Some(("WindowNotOpen" | "WindowClosing", _)));
    matches!(walk.phase, Phase::Issued | Phase::Executing) && is_open && !held
}

fn executed(walk: &Walk<'_>, rest: &Aftermath) -> Option<bool> {
    match walk.phase {
        Phase::Validating | Phase::Closed => Some(true),
        Phase::Revoked if !never_began(walk) => rest.outcome.map(|o| {
            !matches!(
                o,
                Outcome::RolledBack | Outcome::RollbackFailed | Outcome::Failed
            )
        }),
        _ => None,
    }
}

fn validated(walk: &Walk<'_>) -> Option<bool> {
    match walk.phase {
        Phase::Closed => Some(true),
        Phase::Revoked if !never_began(walk) => Some(false),
        _ => None,
    }
}

fn succeeded(walk: &Walk<'_>, rest: &Aftermath) -> Option<bool> {
    match walk.phase {
        Phase::Closed => Some(true),
        _ if walk.phase.is_terminal() && rest.outcome.is_some() => Some(false),
        _ => None,
    }
}
