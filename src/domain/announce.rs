//! Announcements: which Events people see, at most one a transition and one when the undoing ends.
//!
//! Events die after about an hour; the record is the ledger.

use super::aftermath::{Aftermath, Undoing};
use super::decide::{Transition, Walk};
use super::effect::Announcement;
use super::hold::held;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::vocabulary::{EventReason as Word, Phase, RevocationReason};

/// The Events of one decision.
pub(super) fn announcements(walk: &Walk<'_>, rest: &Aftermath) -> Vec<Announcement> {
    let mut all: Vec<_> = walk.transitions.iter().map(of_transition).collect();
    let before = walk
        .world
        .recorded
        .revocation
        .as_ref()
        .map(|r| r.rollback.as_str());
    if let Some(undoing) = &rest.undoing
        && before != Some(undoing.as_str())
        && walk.world.spent.is_none()
    {
        all.extend(of_undoing(undoing));
    }
    all.extend(of_hold(walk));
    all.extend(of_waiting(walk));
    all
}

/// A hold that begins or ends while the change is live.
fn of_hold(walk: &Walk<'_>) -> Option<Announcement> {
    let was_held = says(walk, |c| c.type_ == "Held" && c.status == "True");
    let held = held(walk);
    let (reason, note) = match &held {
        Some(why) if !was_held => (Word::PermitHeld, why.clone()),
        None if was_held && walk.phase.is_running() => {
            (Word::PermitResumed, "the change goes on".to_owned())
        }
        _ => return None,
    };
    Some(Announcement {
        reason: reason.as_str(),
        note,
        warning: held.is_some(),
        on_targets: true,
    })
}

/// A wait that people cannot see by the phase: for the record, or for the end of a freeze.
fn of_waiting(walk: &Walk<'_>) -> Option<Announcement> {
    let (reason, why) = walk.waiting.as_ref()?;
    let waits = [Word::LedgerNotWritable, Word::FreezeActive];
    let word = waits.into_iter().find(|word| word.as_str() == *reason)?;
    let is_told = says(walk, |c| c.reason == word.as_str());
    (!is_told).then(|| Announcement {
        reason: word.as_str(),
        note: why.clone(),
        warning: true,
        on_targets: false,
    })
}

/// Whether a condition of the last status says so.
fn says(walk: &Walk<'_>, what: impl Fn(&Condition) -> bool) -> bool {
    walk.world.recorded.conditions.iter().any(what)
}

fn of_transition(step: &Transition) -> Announcement {
    let breach = [
        RevocationReason::SafetyViolation,
        RevocationReason::PerformanceDegradation,
    ];
    let reason = match step.to {
        Phase::Requested => Word::PermitRequested,
        Phase::InReview => Word::ReviewStarted,
        Phase::ChangesRequested => Word::ChangesRequested,
        Phase::Approved => Word::PermitApproved,
        Phase::Issued => Word::PermitIssued,
        Phase::Executing => Word::ExecutionStarted,
        Phase::Validating => Word::ValidationStarted,
        Phase::Closed => Word::PermitClosed,
        Phase::Rejected => Word::PermitRejected,
        Phase::Expired => Word::PermitExpired,
        Phase::Revoked if breach.iter().any(|r| r.as_str() == step.reason) => Word::GuardBreached,
        Phase::Revoked => Word::PermitRevoked,
        Phase::Cancelled => Word::PermitCancelled,
    };
    Announcement {
        reason: reason.as_str(),
        note: step.because.clone(),
        warning: matches!(step.to, Phase::Revoked | Phase::Rejected | Phase::Expired),
        on_targets: matches!(step.to, Phase::Executing | Phase::Closed | Phase::Revoked),
    }
}

fn of_undoing(undoing: &Undoing) -> Option<Announcement> {
    let (reason, note, warning) = match undoing {
        Undoing::Pending => (
            Word::RollbackStarted,
            "restoring the former pod template".to_owned(),
            true,
        ),
        Undoing::Done => (
            Word::RollbackCompleted,
            "the workload is stable on its former template".to_owned(),
            false,
        ),
        Undoing::Failed(why) => (Word::RollbackFailed, why.clone(), true),
        Undoing::Held(why) => (Word::PermitHeld, why.clone(), true),
        Undoing::NotNeeded | Undoing::Accepted | Undoing::Superseded => return None,
    };
    Some(Announcement {
        reason: reason.as_str(),
        note,
        warning,
        on_targets: true,
    })
}
