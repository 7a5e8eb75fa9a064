//! Invariants: is a decision one that could ever be right?
//!
//! An independent checker, written from `domain.md` alone: it shares no judgement with `decide`, so that a mistake
//! there is not made here again. Says what is wrong; does not know what would have been right.

mod effects;
mod quorum;
mod report;
mod steps;

use std::fmt;

use super::decide::Decision;
use super::world::World;

/// What a decision does that none may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that is broken, as a claim.
    pub rule: &'static str,
    /// What breaks it.
    pub because: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.because)
    }
}

/// What breaks one rule, if anything does.
type Rule = fn(&World, &Decision) -> Option<String>;

/// Every rule, as a claim.
const RULES: [(&str, Rule); 19] = [
    ("terminal phases absorb", steps::absorbs),
    ("a decision starts where the permit stands", steps::starts),
    (
        "every step is in the table, after the one before",
        steps::legal,
    ),
    (
        "nothing is issued or started without its quorum",
        steps::quorate,
    ),
    (
        "nothing is issued or started without a record",
        steps::recorded,
    ),
    ("nothing is issued without a way back", steps::armed),
    ("nothing closes before its soak", steps::soaked),
    ("a finding of the guard rests on a check", steps::found),
    ("doubt revokes nothing", steps::certain),
    (
        "what acts after the status acts at rest only",
        effects::at_rest,
    ),
    (
        "only a revoked permit rolls back, and an object says so",
        effects::revoked,
    ),
    (
        "a rollback returns to what this very object was",
        effects::returns,
    ),
    ("a permit is settled as it ended, once", effects::settled),
    ("baselines are earned by validation alone", effects::earned),
    ("the status tells the phase that was decided", report::phase),
    ("an outcome fits its phase", report::outcome),
    (
        "every condition is told, of this generation",
        report::conditions,
    ),
    (
        "a condition gives a reason of the list and a sentence",
        report::reasons,
    ),
    ("what is not at its end is looked at again", report::pursued),
];

/// Every invariant that the decision breaks; none, if it could be right.
pub fn check(world: &World, decision: &Decision) -> Vec<Violation> {
    let broken = |(rule, broken): &(&'static str, Rule)| {
        broken(world, decision).map(|because| Violation { rule, because })
    };
    RULES.iter().filter_map(broken).collect()
}
