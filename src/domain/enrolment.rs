//! Enrolment: what follows where a namespace does not stand as it was remembered?
//!
//! A namespace with the same UID was relabelled by who may; one with another was made anew and starts where the former
//! one ended. Knows no policy, and not who did it.

use crate::api::facts::Enrolment;
use crate::api::vocabulary::GateMode;
use crate::domain::template::PRODUCTION;

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is as remembered.
    Nothing,
    /// It stands differently from now on.
    Remember,
    /// It was made anew and is less guarded: these labels come back. Left out: the environment stays as it is.
    Restore {
        /// The label of the gate.
        gate: String,
        /// The label of the environment.
        environment: Option<String>,
    },
}

/// Compares what is seen with what is remembered; `default` is the mode of namespaces without a label.
pub fn step(before: &Enrolment, seen: &Enrolment, default: GateMode) -> Step {
    if before == seen {
        return Step::Nothing;
    }
    let is_lower = rank(&seen.gate, default) < rank(&before.gate, default);
    if before.uid == seen.uid || !is_lower {
        return Step::Remember;
    }
    // Only upwards: whatever is not said to be something else is production.
    let is_production = before.environment == PRODUCTION && seen.environment.is_empty();
    Step::Restore {
        gate: before.gate.clone(),
        environment: is_production.then(|| PRODUCTION.to_owned()),
    }
}

/// How much a label guards, as the policy ranks it: a word that is none counts as no label.
fn rank(label: &str, default: GateMode) -> u8 {
    let mode = match label {
        "enforce" | "warn" | "audit" | "off" => GateMode::of_label(Some(label), default),
        _ => default,
    };
    match mode {
        GateMode::Off => 0,
        GateMode::Audit => 1,
        GateMode::Warn => 2,
        GateMode::Enforce => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolment(uid: &str, gate: &str, environment: &str) -> Enrolment {
        Enrolment {
            uid: uid.into(),
            gate: gate.into(),
            environment: environment.into(),
        }
    }

    #[track_caller]
    fn follows(before: (&str, &str), seen: (&str, &str, &str), wanted: &Step) {
        let before = enrolment("1", before.0, before.1);
        let seen = enrolment(seen.0, seen.1, seen.2);
        assert_eq!(step(&before, &seen, GateMode::Audit), *wanted);
    }

    fn restored(environment: Option<&str>) -> Step {
        Step::Restore {
            gate: "enforce".into(),
            environment: environment.map(str::to_owned),
        }
    }

    #[test]
    fn t18_a_namespace_made_anew_is_labelled_as_the_former_one_was() {
        let before = ("enforce", "production");
        for lower in ["", "off", "audit", "warn", "enfroce"] {
            follows(before, ("2", lower, ""), &restored(Some("production")));
            follows(before, ("2", lower, "staging"), &restored(None));
        }
        follows(("enforce", "staging"), ("2", "", ""), &restored(None));
    }

    #[test]
    fn a_namespace_that_was_relabelled_by_who_may_is_remembered_so() {
        for seen in ["", "off", "audit"] {
            follows(
                ("enforce", "production"),
                ("1", seen, "production"),
                &Step::Remember,
            );
        }
        follows(("off", ""), ("2", "", ""), &Step::Remember);
    }

    #[test]
    fn as_much_or_more_is_remembered_and_the_same_is_nothing() {
        follows(("audit", ""), ("2", "enforce", ""), &Step::Remember);
        follows(("audit", ""), ("2", "", ""), &Step::Remember);
        follows(("enforce", ""), ("1", "enforce", ""), &Step::Nothing);
    }

    #[test]
    fn where_everything_is_enforced_no_label_is_no_loss() {
        let (before, seen) = (enrolment("1", "audit", ""), enrolment("2", "", ""));
        assert_eq!(step(&before, &seen, GateMode::Enforce), Step::Remember);
    }
}
