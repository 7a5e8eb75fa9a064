//! Announcements: which Events people see, at most one a transition and one when the undoing ends.
//!
//! Events die after about an hour; the record is the ledger.

use super::aftermath::{Aftermath, Undoing};
use super::decide::{Transition, Walk};
use super::effect::Announcement;
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
    all
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
