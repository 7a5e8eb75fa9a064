//! Hold: does the guard keep a live change where it is, and has a person ended that?
//!
//! A hold is a condition, never a phase. Does not know why a check asks for one.

use super::decide::Walk;
use super::quorum::Ballot;
use super::world::Due;
use crate::api::vocabulary::Decision;

/// A hold that the guard asks for.
pub(super) struct Hold {
    why: String,
    /// A person has ended it.
    pub(super) is_ended: bool,
}

/// The hold that the guard asks for while a change is live.
pub(super) fn hold(walk: &Walk<'_>) -> Option<Hold> {
    let checks = walk.world.checks.iter().filter(|_| walk.phase.is_running());
    let check = checks.into_iter().find(|c| c.due == Due::Hold)?;
    let recorded = &walk.world.recorded.conditions;
    let since = recorded
        .iter()
        .find(|c| c.type_ == "Held" && c.status == "True")
        .map(|c| c.last_transition_time.0);
    let ends = |b: &Ballot| {
        b.decision == Decision::Resume
            && b.rights.role == Some(true)
            && since.is_some_and(|since| b.cast >= since)
    };
    Some(Hold {
        why: format!("{}: {}", check.name, check.because),
        is_ended: walk.world.ballots.iter().any(ends),
    })
}

/// Why the guard holds the change, if no person has ended that.
pub(super) fn held(walk: &Walk<'_>) -> Option<String> {
    hold(walk)
        .filter(|hold| !hold.is_ended)
        .map(|hold| hold.why)
}
