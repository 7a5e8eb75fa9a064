//! What a decision can still change, and what came of it.
//!
//! Reads the permit's status, which is a report: a revocation is never held back by it.

use std::ops::ControlFlow;
use std::time::Duration;

use super::ballot::Ballot;
use super::connect::Cluster;
use super::decision::{Before, held_since, is_by};
use super::exit::{Exit, Refusal};
use super::follow::Following;
use super::progress;
use crate::api::vocabulary::{Decision, Phase};
use crate::api::{Permit, PermitStatus};

/// How long somebody who has decided waits to be told what came of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the decision could change anything; what was decided before is known only to those who may list approvals.
pub(super) fn possible(
    permit: &Permit,
    ballot: &Ballot,
    before: Option<&Before<'_>>,
) -> Result<(), Refusal> {
    let name = &ballot.name;
    let phase = permit.status.as_ref().and_then(|status| status.phase);
    // A forged end must not keep anybody from ending it in truth.
    if let Some(phase) = phase.filter(|phase| phase.is_terminal())
        && ballot.decision != Decision::Revoke
    {
        return Err(Refusal::ended(
            Exit::Ended,
            format!("permit `{name}` is {phase}: no decision about it changes anything any more"),
            format!("kubectl permit explain {name}; a new change needs a new permit"),
        ));
    }
    let has_approved = |before: &Before<'_>| {
        let own = |approval: &&crate::api::Approval| is_by(approval, before.username);
        let mut own = before.approvals.iter().filter(own);
        own.any(|approval| approval.spec.decision == Decision::Approve)
    };
    if ballot.decision == Decision::Withdraw && before.is_some_and(|before| !has_approved(before)) {
        return Err(Refusal::error(
            format!("you have not approved permit `{name}`: there is nothing to withdraw"),
            format!("kubectl permit get {name} shows who has"),
        ));
    }
    if ballot.decision == Decision::Resume && held_since(permit).is_none() {
        return Err(Refusal::error(
            format!("permit `{name}` is not held: there is nothing to resume"),
            format!("kubectl permit get {name} shows where it stands"),
        ));
    }
    Ok(())
}

/// What came of the decision, as the operator reports it; none where it has not been seen in time.
pub(super) async fn effect(permit: &Permit, ballot: &Ballot, cluster: &Cluster) -> Option<String> {
    let following = Following {
        cluster,
        name: &ballot.name,
        limit: Some(PATIENCE),
    };
    let before = permit.status.clone().unwrap_or_default();
    let see = async |permit: Permit| {
        let now = permit.status.unwrap_or_default();
        Ok(if shows(ballot.decision, &before, &now) {
            ControlFlow::Break(told(ballot.decision, &now))
        } else {
            ControlFlow::Continue(())
        })
    };
    // The decision is stored either way; who may not watch permits looks later.
    following.until(see).await.ok().flatten()
}

/// Whether the status shows that the operator has taken the decision in.
fn shows(decision: Decision, before: &PermitStatus, now: &PermitStatus) -> bool {
    let moved = now.phase != before.phase;
    match decision {
        Decision::Approve | Decision::Withdraw | Decision::Resume => {
            moved || now.summary != before.summary
        }
        Decision::RequestChanges => moved,
        Decision::Reject | Decision::Cancel | Decision::Revoke => {
            now.phase.is_some_and(Phase::is_terminal)
        }
    }
}

fn told(decision: Decision, now: &PermitStatus) -> String {
    let line = progress::sentence(now);
    match decision {
        Decision::Approve | Decision::Withdraw if !now.phase.is_some_and(Phase::is_terminal) => {
            format!(
                "{} approvals; {line}",
                now.summary.approvals.replace('/', " of ")
            )
        }
        Decision::Approve
        | Decision::Withdraw
        | Decision::Reject
        | Decision::RequestChanges
        | Decision::Cancel
        | Decision::Revoke
        | Decision::Resume => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::request::DryRun;
    use serde_json::{Value, json};

    fn permit(status: &Value) -> Permit {
        let permit = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "x"},
            "spec": {"template": "t", "purpose": "p", "targets": []}, "status": status});
        serde_json::from_value(permit).unwrap()
    }

    fn ballot(decision: Decision) -> Ballot {
        Ballot {
            name: "x".into(),
            decision,
            role: None,
            cause: None,
            reason: "why".into(),
            dry_run: DryRun::None,
            output: None,
        }
    }

    #[test]
    fn what_is_over_is_not_decided_about_but_can_always_be_revoked() {
        for phase in ["Closed", "Revoked", "Rejected", "Expired", "Cancelled"] {
            let over = permit(&json!({"phase": phase}));
            let refused = possible(&over, &ballot(Decision::Approve), None).unwrap_err();
            assert_eq!(refused.exit, Exit::Ended, "{phase}");
            assert_eq!(
                possible(&over, &ballot(Decision::Revoke), None),
                Ok(()),
                "{phase}"
            );
        }
        assert_eq!(
            possible(
                &permit(&json!({"phase": "InReview"})),
                &ballot(Decision::Approve),
                None
            ),
            Ok(())
        );
    }

    #[test]
    fn what_was_not_given_cannot_be_taken_back() {
        let open = permit(&json!({"phase": "InReview"}));
        let before = Before {
            username: "bob",
            approvals: &[],
            taken: 0,
        };
        assert!(possible(&open, &ballot(Decision::Withdraw), Some(&before)).is_err());
        // Who may not list approvals is asked for nothing that cannot be known.
        assert_eq!(possible(&open, &ballot(Decision::Withdraw), None), Ok(()));
    }

    #[test]
    fn only_a_hold_is_resumed() {
        let running = permit(&json!({"phase": "Validating"}));
        assert!(possible(&running, &ballot(Decision::Resume), None).is_err());
        let held = permit(
            &json!({"phase": "Validating", "conditions": [{"type": "Held", "status": "True",
            "reason": "Held", "message": "m", "lastTransitionTime": "2026-11-21T21:00:00Z"}]}),
        );
        assert_eq!(possible(&held, &ballot(Decision::Resume), None), Ok(()));
    }

    #[test]
    fn the_count_of_approvals_is_told_once_it_has_moved() {
        let status = |approvals: &str, phase: Phase, message: &str| {
            let mut status = PermitStatus {
                phase: Some(phase),
                ..PermitStatus::default()
            };
            status.summary.approvals = approvals.into();
            status.summary.message = message.into();
            status
        };
        let before = status("0/2", Phase::InReview, "needs 2 of sre");
        let after = status("1/2", Phase::InReview, "needs 1 of sre");
        assert!(!shows(Decision::Approve, &before, &before));
        assert!(shows(Decision::Approve, &before, &after));
        assert!(!shows(Decision::Revoke, &before, &after));
        assert_eq!(
            told(Decision::Approve, &after),
            "1 of 2 approvals; InReview: needs 1 of sre"
        );
        assert_eq!(
            told(
                Decision::Revoke,
                &status("1/1", Phase::Revoked, "Incident by bob: why")
            ),
            "Revoked: Incident by bob: why"
        );
    }
}
