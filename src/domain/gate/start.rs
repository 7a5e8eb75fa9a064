//! Start: does a change set running what lay still, and is it known what that is?
//!
//! Replicas that come up from none, the end of a pause and a lowered partition start whatever template lies there
//! (threat rows 1, 8 and 57).
//! Does not know who may start it.

use serde_json::Value;

use super::GateWorld;
use crate::api::facts::Prior;
use crate::api::permit::Target;
use crate::api::vocabulary::Operation;
use crate::domain::applied::comparable;
use crate::domain::canonical::spec_digest;
use crate::domain::change::Change;
use crate::domain::scope::covers;

/// Whether something that lay still would run.
pub(super) fn starts(world: &GateWorld, change: &Change) -> bool {
    world.wakes() || (!world.is_scale && change.operations.contains(&Operation::Resume))
}

/// What would run; a `scale` carries no template, its parent does.
fn started(world: &GateWorld) -> Option<&Value> {
    if world.is_scale {
        world.parent.as_ref()
    } else {
        world.new.as_ref()
    }
}

/// Whether what would run was validated before.
pub(super) fn is_baseline(world: &GateWorld) -> bool {
    let digest = started(world).and_then(spec_digest);
    digest.is_some_and(|digest| world.is_recorded_baseline(digest.as_str()))
}

/// Whether a permit covers all of what would run: it differs from the baseline by what is permitted, or everything in
/// it is named as if it were made anew.
pub(super) fn is_covered(world: &GateWorld, target: &Target, prior: &Prior) -> bool {
    let Some(started) = started(world).map(comparable) else {
        return false;
    };
    let before = Some(&prior.object).filter(|_| world.is_recorded_baseline(&prior.spec_digest));
    is_baseline(world)
        || before.is_some_and(|before| covers(target, Some(before), Some(&started)).is_ok())
        || covers(target, None, Some(&started)).is_ok()
}
