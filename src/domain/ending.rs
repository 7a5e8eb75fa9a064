//! Ending: why a permit is at rest, in one word and in a sentence, and how the facts remember it.
//!
//! Once it is settled the facts are believed, never the status. Does not know what has to be undone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::aftermath::Aftermath;
use super::canonical::digest_of;
use super::decide::Walk;
use super::report::{message, revocation_reason, trace, whole};
use super::trace::{Rule, Verdict};
use crate::api::facts::Spent;
use crate::api::permit::TraceLine;
use crate::api::vocabulary::{Outcome, Phase};

/// The most characters of the words that the facts keep.
const LONGEST_WORDS: usize = 200;
/// What ends words that were cut.
const CUT: char = '…';

/// What the facts keep of a permit that has come to rest.
pub(super) fn spent(walk: &Walk<'_>, outcome: Outcome, rest: &Aftermath) -> Spent {
    Spent {
        permit: walk.world.request.name.clone(),
        phase: walk.phase,
        outcome: Some(outcome),
        reason: reason(walk),
        message: cut(&message(walk, rest)),
        time: Some(whole(&Time(walk.world.now))),
        issued_time: issued(walk),
        trace: seal(&trace(walk)),
    }
}

fn issued(walk: &Walk<'_>) -> Option<Time> {
    let armed = walk.armed.as_ref()?;
    armed.issued_time.as_ref().map(whole)
}

/// Why it is at rest, in one word; the phase where nothing more is known.
pub(super) fn reason(walk: &Walk<'_>) -> String {
    let spent = walk.world.spent.as_ref().map(|s| s.reason.clone());
    let step = || walk.transitions.last().map(|t| t.reason.to_owned());
    let revoked = || (walk.phase == Phase::Revoked).then(|| revocation_reason(walk).to_string());
    let told = || {
        let mut conditions = walk.world.recorded.conditions.iter();
        let finished = conditions.find(|c| c.type_ == "Finished" && c.status == "True");
        finished.map(|c| c.reason.clone())
    };
    let known = spent
        .filter(|reason| !reason.is_empty())
        .or_else(step)
        .or_else(revoked)
        .or_else(told);
    known.unwrap_or_else(|| walk.phase.as_str().to_owned())
}

/// The sentence of a settled permit: the recorded one as far as the facts vouch for it, else theirs.
pub(super) fn words(spent: &Spent, recorded: &str) -> String {
    let vouched = match spent.message.strip_suffix(CUT) {
        Some(beginning) => recorded.starts_with(beginning),
        None => recorded == spent.message || spent.message.is_empty(),
    };
    match (vouched, recorded.is_empty()) {
        (true, false) => recorded.to_owned(),
        _ if spent.message.is_empty() => format!("it is {}", spent.phase),
        _ => spent.message.clone(),
    }
}

/// The trace of a settled permit: the recorded one if it is the one that was sealed, else what the facts know.
pub(super) fn sealed(spent: &Spent, recorded: &[TraceLine]) -> Vec<TraceLine> {
    if spent.trace.is_empty() || spent.trace == seal(recorded) {
        return recorded.to_vec();
    }
    vec![TraceLine {
        rule: Rule::Revocation.as_str().into(),
        verdict: format!("{:?}", Verdict::Fail),
        because: super::standing::told_end(spent),
    }]
}

/// A short digest of a trace: the facts have no room for the trace itself.
fn seal(lines: &[TraceLine]) -> String {
    let digest = digest_of("permit-trace.v1", &lines);
    let hex = digest.as_str().trim_start_matches("sha256:");
    hex.chars().take(32).collect()
}

fn cut(words: &str) -> String {
    if words.chars().count() <= LONGEST_WORDS {
        return words.to_owned();
    }
    words.chars().take(LONGEST_WORDS).chain([CUT]).collect()
}
