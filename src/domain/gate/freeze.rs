//! Freeze: may anything change here at this time, and under which permits?
//!
//! A freeze stops automatic changes too (`decisions.md` 13). Does not know calendars.

use super::{Candidate, Code, GateWorld, Judged};
use crate::domain::standing::stamp;
use crate::domain::stop::stop;
use crate::domain::template::Template;

/// Why nothing is let through, if nothing is.
pub(super) fn stops(world: &GateWorld) -> Option<Judged> {
    if !is_in_force(world) || world.candidates.iter().any(|c| lets(world, c)) {
        return None;
    }
    if let Some(why) = &world.unsound {
        let why = format!("the configuration cannot be used: {why}");
        return Some(Judged::deny(Code::GateUnavailable, why));
    }
    let freeze = world.frozen.first()?;
    let until = freeze
        .until
        .map_or_else(|| "a person lifts it".to_owned(), stamp);
    let why = format!("until {until}: freeze {} ({})", freeze.name, freeze.reason);
    Some(Judged::deny(Code::FreezeActive, why))
}

/// Whether a freeze is in force.
pub(super) fn is_in_force(world: &GateWorld) -> bool {
    !world.frozen.is_empty() || world.unsound.is_some()
}

/// Whether every freeze lets the permit's class through.
pub(super) fn lets(world: &GateWorld, candidate: &Candidate) -> bool {
    if !is_in_force(world) {
        return true;
    }
    let class = candidate.template.as_ref().map(Template::class);
    class.is_some_and(|class| stop(&world.frozen, world.unsound.as_ref(), class).is_none())
}
