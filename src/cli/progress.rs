//! Where a permit stands on the way to what somebody waits for, as one line and as an exit code.
//!
//! Reads status and conditions, which are a report: nothing here decides about a permit.

use clap::ValueEnum;

use super::branches::one_line;
use super::exit::Exit;
use crate::api::condition::ConditionType;
use crate::api::vocabulary::{Outcome, Phase, RevocationReason};
use crate::api::{Permit, PermitStatus};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Goal {
    /// Approved, or over before that.
    Decided,
    /// The gate would admit the change now.
    Active,
    /// At rest: closed, or over otherwise; an undoing is complete.
    Finished,
}

/// How the wait for `goal` ends at this state of the permit; `None` while it goes on.
pub(super) fn reached(goal: Goal, permit: &Permit) -> Option<Exit> {
    if is_at_rest(permit) {
        let exit = ending(permit);
        return Some(if goal == Goal::Active && exit == Exit::Done {
            Exit::Ended
        } else {
            exit
        });
    }
    match goal {
        Goal::Decided if holds(permit, ConditionType::Decided) => Some(decided(permit)),
        Goal::Active if holds(permit, ConditionType::Active) => Some(Exit::Done),
        Goal::Decided | Goal::Active | Goal::Finished => None,
    }
}

/// Whether nothing will happen to the permit any more, the undoing of its change included.
pub(super) fn is_at_rest(permit: &Permit) -> bool {
    let Some(status) = &permit.status else {
        return false;
    };
    let undoing = status
        .revocation
        .as_ref()
        .is_some_and(|r| matches!(r.rollback.as_str(), "Pending" | "Accepted"));
    status.phase.is_some_and(Phase::is_terminal) && !undoing
}

/// One line for a person who follows: the phase and the most telling sentence.
pub(super) fn line(permit: &Permit) -> String {
    let Some(status) = &permit.status else {
        return "Requested   - not yet seen by the operator".to_owned();
    };
    let phase = status.phase.unwrap_or(Phase::Requested);
    let outcome = status
        .outcome
        .filter(|_| phase.is_terminal())
        .map(|o| format!("; {o}"))
        .unwrap_or_default();
    let message = if status.summary.message.is_empty() {
        "no message yet".to_owned()
    } else {
        one_line(&status.summary.message)
    };
    format!("{phase:<11} - {message}{outcome}")
}

/// Phase and most telling sentence, for the end of another line.
pub(super) fn sentence(status: &PermitStatus) -> String {
    let phase = status.phase.unwrap_or(Phase::Requested);
    let message = one_line(&status.summary.message);
    if message.is_empty() {
        phase.to_string()
    } else {
        format!("{phase}: {message}")
    }
}

/// Why a permit that is at rest did not succeed, for the last line.
pub(super) fn failure(name: &str, permit: &Permit) -> String {
    let status = permit.status.as_ref();
    let phase = status
        .and_then(|s| s.phase)
        .map_or_else(|| "not seen".to_owned(), |phase| phase.to_string());
    let reason = status
        .and_then(|s| s.revocation.as_ref())
        .map(|r| format!(" ({})", r.reason))
        .unwrap_or_default();
    format!("permit `{name}` did not succeed: {phase}{reason}")
}

/// A decision that is no ending: approved, or revoked while its undoing still runs.
fn decided(permit: &Permit) -> Exit {
    let phase = permit.status.as_ref().and_then(|status| status.phase);
    if phase.is_some_and(Phase::is_terminal) {
        ending(permit)
    } else {
        Exit::Done
    }
}

fn ending(permit: &Permit) -> Exit {
    let Some(status) = &permit.status else {
        return Exit::Error;
    };
    let breached = status
        .revocation
        .as_ref()
        .is_some_and(|revocation| is_breach(revocation.reason));
    match (status.phase, status.outcome) {
        (
            Some(Phase::Closed),
            Some(Outcome::Failed | Outcome::RolledBack | Outcome::RollbackFailed),
        ) => Exit::Ended,
        (Some(Phase::Closed), _) => Exit::Done,
        // A breach that was not undone is no 13: a script would take what still runs for gone.
        (Some(Phase::Revoked), Some(Outcome::RolledBack)) if breached => Exit::Breached,
        _ => Exit::Ended,
    }
}

const fn is_breach(reason: RevocationReason) -> bool {
    matches!(
        reason,
        RevocationReason::SafetyViolation | RevocationReason::PerformanceDegradation
    )
}

/// Whether a condition is True for the spec as it is now; one that speaks of an older spec says nothing.
fn holds(permit: &Permit, wanted: ConditionType) -> bool {
    let conditions = permit.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == wanted.as_str() && condition.status == "True")
        .any(|condition| condition.observed_generation >= permit.metadata.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::permit::RevocationStatus;
    use serde_json::json;

    fn permit(phase: Option<Phase>) -> Permit {
        let mut permit: Permit = serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "checkout-7f3c9", "generation": 2},
            "spec": {"template": "t", "purpose": "p", "targets": [{"name": "checkout", "operations": ["Scale"]}]},
        }))
        .unwrap();
        permit.status = Some(PermitStatus {
            phase,
            ..PermitStatus::default()
        });
        permit
    }

    fn revoked(reason: RevocationReason, rollback: &str) -> Permit {
        let mut permit = permit(Some(Phase::Revoked));
        let (approval, message) = (
            "checkout-7f3c9.guard".to_owned(),
            "over the limit".to_owned(),
        );
        let revocation = RevocationStatus {
            reason,
            approval,
            message,
            rollback: rollback.into(),
        };
        permit.status.as_mut().unwrap().revocation = Some(revocation);
        permit
    }

    fn with_condition(mut permit: Permit, type_: &str, generation: i64) -> Permit {
        let condition = json!([{"type": type_, "status": "True", "reason": "R", "message": "m",
            "lastTransitionTime": "2026-11-21T21:00:00Z", "observedGeneration": generation}]);
        permit.status.as_mut().unwrap().conditions = serde_json::from_value(condition).unwrap();
        permit
    }

    #[test]
    fn a_closed_permit_is_success() {
        assert_eq!(
            reached(Goal::Finished, &permit(Some(Phase::Closed))),
            Some(Exit::Done)
        );
    }

    #[test]
    fn a_permit_that_is_over_ends_every_wait_with_12() {
        for phase in [Phase::Rejected, Phase::Expired, Phase::Cancelled] {
            for goal in [Goal::Decided, Goal::Active, Goal::Finished] {
                assert_eq!(
                    reached(goal, &permit(Some(phase))),
                    Some(Exit::Ended),
                    "{phase} {goal:?}"
                );
            }
        }
    }

    #[test]
    fn a_breach_is_13_once_it_is_undone_and_a_persons_revocation_12() {
        let ended = |reason, outcome| {
            let mut permit = revoked(reason, "Done");
            permit.status.as_mut().unwrap().outcome = Some(outcome);
            reached(Goal::Finished, &permit)
        };
        let exit = |reason| ended(reason, Outcome::RolledBack);
        assert_eq!(
            exit(RevocationReason::SafetyViolation),
            Some(Exit::Breached)
        );
        assert_eq!(
            exit(RevocationReason::PerformanceDegradation),
            Some(Exit::Breached)
        );
        assert_eq!(exit(RevocationReason::Incident), Some(Exit::Ended));
        for outcome in [Outcome::RollbackFailed, Outcome::Failed, Outcome::Unused] {
            let exit = ended(RevocationReason::SafetyViolation, outcome);
            assert_eq!(exit, Some(Exit::Ended), "{outcome}");
        }
    }

    #[test]
    fn a_revoked_permit_is_followed_until_it_is_undone() {
        for rollback in ["Pending", "Accepted"] {
            let permit = revoked(RevocationReason::SafetyViolation, rollback);
            assert_eq!(reached(Goal::Finished, &permit), None, "{rollback}");
        }
    }

    #[test]
    fn an_open_permit_is_waited_for() {
        for phase in Phase::ALL.iter().filter(|phase| !phase.is_terminal()) {
            assert_eq!(
                reached(Goal::Finished, &permit(Some(*phase))),
                None,
                "{phase}"
            );
        }
        assert_eq!(reached(Goal::Decided, &permit(None)), None);
    }

    #[test]
    fn a_condition_counts_only_for_the_spec_as_it_is() {
        let decided =
            |generation| with_condition(permit(Some(Phase::Approved)), "Decided", generation);
        assert_eq!(reached(Goal::Decided, &decided(2)), Some(Exit::Done));
        assert_eq!(reached(Goal::Decided, &decided(1)), None);
    }

    #[test]
    fn a_permit_is_active_by_its_condition_never_by_its_phase() {
        assert_eq!(reached(Goal::Active, &permit(Some(Phase::Issued))), None);
        assert_eq!(
            reached(
                Goal::Active,
                &with_condition(permit(Some(Phase::Issued)), "Active", 2)
            ),
            Some(Exit::Done)
        );
        assert_eq!(
            reached(Goal::Active, &permit(Some(Phase::Closed))),
            Some(Exit::Ended)
        );
    }

    #[test]
    fn a_line_says_phase_message_and_outcome() {
        let mut ended = revoked(RevocationReason::SafetyViolation, "Done");
        let status = ended.status.as_mut().unwrap();
        status.outcome = Some(Outcome::RolledBack);
        status.summary.message = "error rate 4% over limit 1%".into();
        assert_eq!(
            line(&ended),
            "Revoked     - error rate 4% over limit 1%; RolledBack"
        );
        assert_eq!(
            failure("x", &ended),
            "permit `x` did not succeed: Revoked (SafetyViolation)"
        );
    }
}
