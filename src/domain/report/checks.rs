//! The checks in status: a line for each check of each target of a running change, from its start on.
//!
//! Shows the last reading. Does not know when that is worth a write; `domain::news` does.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::whole;
use crate::api::permit::CheckStatus;
use crate::domain::decide::Walk;
use crate::domain::world::{CheckFact, Health};

/// Lines by target and check.
type Lines = BTreeMap<(String, String), CheckStatus>;

/// The lines to show; what was recorded stays where nothing newer is known.
pub(super) fn checks(walk: &Walk<'_>) -> Vec<CheckStatus> {
    let recorded = &walk.world.recorded.checks;
    let mut lines = not_asked(walk);
    for old in recorded {
        if let Some(line) = lines.get_mut(&(old.target.clone(), old.name.clone())) {
            line.clone_from(old);
        }
    }
    for check in &walk.world.checks {
        let key = (check.target.clone(), check.name.clone());
        lines.insert(key, line(walk, check));
    }
    if lines.is_empty() {
        return recorded.clone();
    }
    lines.into_values().collect()
}

/// Every check of a running change as it is before its first answer: nothing is known, and that is told at once.
fn not_asked(walk: &Walk<'_>) -> Lines {
    let template = walk.template.filter(|_| walk.phase.is_running());
    let checks = template.map_or(&[][..], |template| &template.checks);
    let line = |target: String, check: &crate::domain::check::GuardCheck| {
        let line = CheckStatus {
            name: check.name.clone(),
            target: target.clone(),
            verdict: format!("{:?}", Health::Unknown),
            reason: "not asked yet".into(),
            limit: check.rules.max.to_string(),
            ..CheckStatus::default()
        };
        ((target, check.name.clone()), line)
    };
    let of_target = |target: String| checks.iter().map(move |c| line(target.clone(), c));
    let targets = walk.world.targets.iter();
    targets.flat_map(|fact| of_target(fact.key())).collect()
}

fn line(walk: &Walk<'_>, check: &CheckFact) -> CheckStatus {
    let verdict = format!("{:?}", check.verdict);
    let recorded = &walk.world.recorded.checks;
    let before = recorded
        .iter()
        .find(|r| r.name == check.name && r.target == check.target && r.verdict == verdict);
    let since = before.and_then(|before| before.time.clone());
    CheckStatus {
        name: check.name.clone(),
        target: check.target.clone(),
        verdict,
        reason: check.because.clone(),
        value: check.value.clone(),
        limit: check.limit.clone(),
        time: since.or_else(|| Some(whole(&Time(walk.world.now)))),
    }
}
