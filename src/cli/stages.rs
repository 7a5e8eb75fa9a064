//! The seven stages of a permit's life, as a line: Request, Review, Approval, Issuance, Execution, Validation, Closure.
//!
//! Pure: from status to marks. A report for people; nothing is concluded from it.

use super::look::{Look, Mark};
use crate::api::Permit;
use crate::api::vocabulary::Phase;

const STAGES: [&str; 7] = [
    "Request",
    "Review",
    "Approval",
    "Issuance",
    "Execution",
    "Validation",
    "Closure",
];

/// The line of stages: done ones are good, the one it stands at has its own mark, the rest is to come.
pub(super) fn render(permit: &Permit, look: Look) -> String {
    let (at, mark) = standing(permit);
    let marks = (0..).map(|stage| match stage {
        stage if stage < at => Mark::Good,
        stage if stage == at => mark,
        _ => Mark::Neutral,
    });
    let stages = STAGES
        .iter()
        .zip(marks)
        .map(|(name, mark)| format!("{} {name}", look.mark(mark)));
    stages
        .collect::<Vec<_>>()
        .join(&format!(" {} ", look.dash()))
}

/// The stage that a permit stands at, counted from 0, and how it stands there.
fn standing(permit: &Permit) -> (usize, Mark) {
    let phase = permit
        .status
        .as_ref()
        .and_then(|status| status.phase)
        .unwrap_or(Phase::Requested);
    match phase {
        Phase::Requested => (0, Mark::Waiting),
        Phase::InReview => (2, Mark::Waiting),
        Phase::ChangesRequested => (1, Mark::Warning),
        Phase::Approved => (3, Mark::Waiting),
        Phase::Issued => (4, Mark::Waiting),
        Phase::Executing => (4, Mark::Running),
        Phase::Validating => (5, Mark::Running),
        Phase::Closed => (6, Mark::Good),
        Phase::Rejected => (if is_accepted(permit) { 2 } else { 1 }, Mark::Bad),
        Phase::Expired | Phase::Revoked | Phase::Cancelled => (furthest(permit), Mark::Bad),
    }
}

fn is_accepted(permit: &Permit) -> bool {
    let conditions = permit.status.iter().flat_map(|status| &status.conditions);
    !conditions
        .into_iter()
        .any(|condition| condition.type_ == "Accepted" && condition.status == "False")
}

/// Where a permit stood when it ended, by the times that it has.
fn furthest(permit: &Permit) -> usize {
    let Some(status) = &permit.status else {
        return 0;
    };
    let rolled_out = status
        .execution
        .as_ref()
        .is_some_and(|execution| execution.rolled_out_time.is_some());
    match (rolled_out, &status.issued_time, &status.digest) {
        (true, _, _) => 5,
        (false, Some(_), _) => 4,
        (false, None, Some(_)) => 2,
        (false, None, None) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn line(status: &Value) -> String {
        let permit = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "x"},
            "spec": {"template": "t", "purpose": "p", "targets": []}, "status": status});
        render(
            &serde_json::from_value(permit).unwrap(),
            Look {
                unicode: true,
                colour: false,
            },
        )
    }

    #[test]
    fn a_permit_in_review_waits_for_approval() {
        let expected = "✔ Request ── ✔ Review ── ◷ Approval ── • Issuance ── • Execution ── • Validation ── • Closure";
        assert_eq!(line(&json!({"phase": "InReview"})), expected);
    }

    #[test]
    fn a_closed_permit_has_passed_every_stage() {
        let line = line(&json!({"phase": "Closed"}));
        assert_eq!(line.matches('✔').count(), 7);
    }

    #[test]
    fn a_revoked_permit_stands_where_its_power_ended() {
        let time = "2026-11-21T21:00:00Z";
        let during =
            json!({"phase": "Revoked", "issuedTime": time, "execution": {"rolledOutTime": time}});
        assert!(line(&during).contains("✖ Validation"));
        assert!(line(&json!({"phase": "Revoked", "issuedTime": time})).contains("✖ Execution"));
        assert!(line(&json!({"phase": "Revoked", "digest": "d"})).contains("✖ Approval"));
    }

    #[test]
    fn a_permit_that_could_never_proceed_failed_in_review() {
        let condition = json!([{"type": "Accepted", "status": "False", "reason": "R", "message": "m",
            "lastTransitionTime": "2026-11-21T21:00:00Z"}]);
        assert!(line(&json!({"phase": "Rejected", "conditions": condition})).contains("✖ Review"));
        assert!(line(&json!({"phase": "Rejected"})).contains("✖ Approval"));
    }
}
