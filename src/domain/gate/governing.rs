//! Governing: which template says what authority an operation needs?
//!
//! Of all templates that apply to place and operation the one of the highest level governs, of equals the first by
//! name (`gate.md`, step 7). Asked for each operation by itself: a change must not get below a template by doing one
//! thing more. Emergency is a class of its own and takes no part. One that cannot be read still governs by its level:
//! nothing below it is enough. Does not know permits.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{GateWorld, pinning, start};
use crate::api::template::AppliesTo;
use crate::api::vocabulary::Operation;
use crate::domain::change::Change;
use crate::domain::template::{
    Level, PRODUCTION, Template, Unreadable, governs_operations, governs_place,
};

/// The operations that somebody has to grant. Whoever starts a spec that was never validated deploys it.
pub(super) fn asked(world: &GateWorld, change: &Change) -> BTreeSet<Operation> {
    let mut asked = change.operations.clone();
    if start::starts(world, change) && !start::is_baseline(world) {
        asked.insert(Operation::Deploy);
    }
    asked
}

/// A template that cannot be read and governs an operation that would be granted without a person but for it.
pub(super) fn blocking<'w>(
    world: &'w GateWorld,
    asked: &BTreeSet<Operation>,
) -> Option<&'w Unreadable> {
    let would_be_granted = asked.iter().all(|o| would_grant(world, *o).is_some());
    let of_each = asked.iter().filter_map(|o| unreadable(world, *o));
    of_each.filter(|_| would_be_granted).max_by(|a, b| {
        let by_level = a.level.cmp(&b.level);
        by_level.then(b.name.cmp(&a.name))
    })
}

/// The highest of those that apply and cannot be read.
fn unreadable(world: &GateWorld, operation: Operation) -> Option<&Unreadable> {
    let all = world.unreadable.iter();
    let applying = all.filter(|t| applies(world, (t.level, &t.applies_to), operation));
    applying.max_by_key(|t| t.level)
}

/// The templates that grant every operation without a person, if there are such.
pub(super) fn automatic(world: &GateWorld, asked: &BTreeSet<Operation>) -> Option<String> {
    let granting: Option<BTreeSet<_>> = asked.iter().map(|o| granting(world, *o)).collect();
    let names: Vec<_> = granting?.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The template that grants the operation without a person. Nothing is lost without one: neither the workload, nor
/// its last replica in production (`decisions.md` 14), nor what runs, to an older template.
fn granting(world: &GateWorld, operation: Operation) -> Option<&str> {
    would_grant(world, operation).filter(|_| unreadable(world, operation).is_none())
}

fn would_grant(world: &GateWorld, operation: Operation) -> Option<&str> {
    let is_grave = match operation {
        Operation::Delete | Operation::Rollback => true,
        // New pods pull what the tag names by then.
        Operation::Restart => !pinning::is_whole(world),
        Operation::Scale => world.stops_everything() && world.environment == PRODUCTION,
        _ => false,
    };
    let governing = governing(world, operation).filter(|t| t.is_automatic() && !is_grave)?;
    Some(governing.name.as_str())
}

fn governing(world: &GateWorld, operation: Operation) -> Option<&Template> {
    let all = world.templates.iter();
    let applying = all.filter(|t| applies(world, (t.level, &t.applies_to), operation));
    applying.max_by(|a, b| order(a, b))
}

/// Whether a template of this level and reach has a say in an operation here.
fn applies(
    world: &GateWorld,
    (level, applies_to): (Level, &AppliesTo),
    operation: Operation,
) -> bool {
    level != Level::Emergency
        && governs_place(applies_to, &world.namespace, &world.environment)
        && governs_operations(applies_to, [&operation])
}

fn order(a: &Template, b: &Template) -> Ordering {
    a.level.cmp(&b.level).then(b.name.cmp(&a.name))
}

/// The template that a permit for the change would be under: the highest of those that govern its operations.
pub(super) fn demanded<'a>(world: &'a GateWorld, change: &Change) -> Option<&'a Template> {
    let asked = asked(world, change);
    let by_hand = asked.iter().filter(|o| granting(world, **o).is_none());
    by_hand
        .filter_map(|o| governing(world, *o))
        .max_by(|a, b| order(a, b))
}

/// Whether a permit under `own` may make the change. Says which template governs, where it may not.
pub(super) fn governs(
    world: &GateWorld,
    own: &Template,
    asked: &BTreeSet<Operation>,
) -> Result<(), String> {
    let by_hand = asked.iter().filter(|o| granting(world, **o).is_none());
    for operation in by_hand {
        let above = unreadable(world, *operation).filter(|u| u.level > own.level);
        if let Some(above) = above {
            return Err(format!(
                "template `{}` (level {}) governs {operation} here and cannot be read, the permit is under `{}` (level {})",
                above.name, above.level, own.name, own.level
            ));
        }
        let governing = governing(world, *operation).filter(|g| g.level > own.level);
        if let Some(governing) = governing {
            return Err(format!(
                "template `{}` (level {}) governs {operation} here, the permit is under `{}` (level {})",
                governing.name, governing.level, own.name, own.level
            ));
        }
        if !governs_operations(&own.applies_to, [operation]) {
            return Err(format!(
                "its template `{}` does not apply to {operation}",
                own.name
            ));
        }
    }
    Ok(())
}
