//! Freeze: may anything change here at this time, and under which permits?
//!
//! A freeze stops automatic changes too (`decisions.md` 13). What lies in a configuration that cannot be read may be
//! one: until it can, only emergencies are let through. Does not know calendars.

use super::{Candidate, Code, GateWorld, Judged};
use crate::api::vocabulary::TemplateClass;
use crate::domain::standing::stamp;

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
    let why = format!(
        "until {}: freeze {} ({})",
        stamp(freeze.until),
        freeze.name,
        freeze.reason
    );
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
    let Some(template) = &candidate.template else {
        return false;
    };
    let class = template.class();
    let is_unsound = world.unsound.is_some() && class != TemplateClass::Emergency;
    !is_unsound && world.frozen.iter().all(|f| f.lets.contains(&class))
}
