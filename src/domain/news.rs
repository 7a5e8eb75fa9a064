//! News: is a status worth a write at once?
//!
//! A poll is not: while a change runs, readings, counted seconds and the words around them move all the time. A phase,
//! a condition, an outcome, a rule's or a check's verdict is. Does not know how often what is no news is shown.

use crate::api::permit::PermitStatus;
use crate::api::vocabulary::Phase;

/// Whether `wanted` says more than other numbers in other words.
pub fn is_news(recorded: Option<&PermitStatus>, wanted: &PermitStatus) -> bool {
    recorded.is_none_or(|recorded| lasting(recorded) != lasting(wanted))
}

/// What does not move from poll to poll. Where nothing runs, nothing moves by itself.
fn lasting(status: &PermitStatus) -> PermitStatus {
    let mut status = status.clone();
    if !status.phase.is_some_and(Phase::is_running) {
        return status;
    }
    status.summary.message.clear();
    for line in &mut status.trace {
        line.because.clear();
    }
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    for check in &mut status.checks {
        check.reason.clear();
        (check.value, check.time) = (None, None);
    }
    if let Some(execution) = &mut status.execution {
        execution.healthy_seconds = 0;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::permit::{CheckStatus, TraceLine};

    fn soaking() -> PermitStatus {
        let line = TraceLine {
            rule: "guard".into(),
            verdict: "Wait".into(),
            because: "healthy for 1s of 5s".into(),
        };
        let check = CheckStatus {
            name: "errors".into(),
            verdict: "Healthy".into(),
            value: Some("0.01".into()),
            ..CheckStatus::default()
        };
        PermitStatus {
            phase: Some(Phase::Validating),
            trace: vec![line],
            checks: vec![check],
            ..PermitStatus::default()
        }
    }

    fn changed(status: &PermitStatus, change: fn(&mut PermitStatus)) -> PermitStatus {
        let mut status = status.clone();
        change(&mut status);
        status
    }

    #[test]
    fn another_number_of_a_running_change_is_no_news() {
        let later = changed(&soaking(), |s| {
            s.trace[0].because = "healthy for 2s of 5s".into();
            s.checks[0].value = Some("0.02".into());
            s.summary.message = "healthy for 2s of 5s".into();
        });
        assert!(!is_news(Some(&soaking()), &later));
    }

    #[test]
    fn a_verdict_a_phase_and_the_first_sight_are_news() {
        let breached = changed(&soaking(), |s| s.checks[0].verdict = "Breached".into());
        let closed = changed(&soaking(), |s| s.phase = Some(Phase::Closed));
        let failed = changed(&soaking(), |s| s.trace[0].verdict = "Fail".into());
        for status in [breached, closed, failed] {
            assert!(is_news(Some(&soaking()), &status));
        }
        assert!(is_news(None, &soaking()));
    }

    #[test]
    fn where_nothing_runs_every_word_is_news() {
        let waiting = changed(&soaking(), |s| s.phase = Some(Phase::InReview));
        let missing = changed(&waiting, |s| s.summary.message = "needs 1 of b".into());
        assert!(is_news(Some(&waiting), &missing));
        assert!(!is_news(Some(&waiting), &waiting));
    }
}
