//! Revisit: when to look at a permit again though nothing changes.
//!
//! Names the next moment at which time alone decides something. Does not know who wakes it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::aftermath::{Aftermath, Undoing};
use super::calendar::Opening;
use super::decide::Walk;
use super::report::window;
use super::standing::reopens;
use crate::api::vocabulary::Phase;

/// How often a live change is looked at while its checks are asked.
const LIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the approvals of an issued permit are looked at again: changes of RBAC are seen, those of another
/// authorizer are not.
const RIGHTS_INTERVAL: Duration = Duration::from_mins(16);
/// How often it is looked whether a freeze was lifted.
const FREEZE_INTERVAL: Duration = Duration::from_secs(15);
/// How soon something that could not be asked is asked again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// When to look again though nothing changes.
pub(super) fn revisit(walk: &Walk<'_>, rest: &Aftermath) -> Option<Duration> {
    let until = |at: Timestamp| {
        let left = Duration::try_from(at.duration_since(walk.world.now)).unwrap_or_default();
        // A timer that fires early would find nothing due.
        left + Duration::from_millis(50)
    };
    if matches!(rest.undoing, Some(Undoing::Pending | Undoing::Accepted)) && rest.outcome.is_none()
    {
        return Some(LIVE_INTERVAL);
    }
    let waits_for_machine = matches!(
        walk.waiting,
        Some(("LedgerNotWritable" | "AccessUnknown", _))
    );
    match walk.phase {
        _ if walk.phase.is_terminal() => None,
        _ if waits_for_machine => Some(RETRY_INTERVAL),
        // The freeze may be lifted before its time.
        _ if matches!(walk.waiting, Some(("FreezeActive", _))) => Some(
            walk.frozen_until
                .map_or(FREEZE_INTERVAL, |end| until(end).min(FREEZE_INTERVAL)),
        ),
        Phase::Executing | Phase::Validating => Some(LIVE_INTERVAL),
        Phase::Issued => {
            let window = window(walk)?;
            let reopens = match reopens(&walk.world.request, walk.template?, walk.world.now) {
                Opening::From(Some(next)) | Opening::Until(next) => next,
                Opening::From(None) | Opening::Always => window.closes,
            };
            let turns = [reopens, window.opens, window.closes, window.settled()];
            let next = turns.into_iter().filter(|at| walk.world.now < *at).min();
            let next = next.map(until);
            next.map(|turn| turn.min(RIGHTS_INTERVAL))
        }
        _ => {
            let template = walk.template?;
            let closes = walk
                .world
                .request
                .created
                .checked_add(template.approval_window)
                .unwrap_or(Timestamp::MAX);
            Some(until(
                walk.world
                    .request
                    .latest_start
                    .map_or(closes, |l| l.min(closes)),
            ))
        }
    }
}
