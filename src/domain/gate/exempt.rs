//! Exemptions: exactly this user may write exactly this shape; never by group, never by label (threat rule 8).
//!
//! The operator's own rollback and pause are for objects that a permit has on record, and change one place of them,
//! metadata included. What controllers derive from a workload that was judged, what an autoscaler does within limits
//! that were, and what collectors delete is dropped by the API server already; here it is exempt for those who ask all
//! the same.

use serde_json::Value;

use super::GateWorld;
use crate::api::config::Exemption;
use crate::api::facts::Prior;
use crate::domain::canonical::template_digest;
use crate::domain::change::Change;
use crate::domain::kind::{self, Pods, controller};

const PAUSED: [&str; 2] = ["spec", "paused"];
/// The metadata that the API server itself moves with each write.
const MOVING: [&str; 3] = ["generation", "managedFields", "resourceVersion"];

/// Why the change is exempt, if it is. Nobody who is impersonated ever is: there is no credential then.
pub(super) fn exemption(world: &GateWorld) -> Option<&'static str> {
    if !world.has_credential {
        None
    } else if is_operator(world) {
        of_operator(world)
    } else if is_derived(world) {
        Some("its controller writes it")
    } else if is_autoscaling(world) {
        Some("the autoscaler moves within its limits")
    } else if is_collection(world) {
        Some("a collector deletes it")
    } else {
        None
    }
}

/// What the configuration exempts: exactly this user, this kind, and nothing but these operations.
pub(super) fn configured<'w>(world: &'w GateWorld, change: &Change) -> Option<&'w Exemption> {
    let owner = world
        .new
        .as_ref()
        .or(world.old.as_ref())
        .and_then(controlling_owner);
    let covers = |exemption: &&Exemption| {
        exemption.username == world.username
            && exemption.kind == world.kind.as_str()
            && (exemption.namespaces.is_empty() || exemption.namespaces.contains(&world.namespace))
            && exemption
                .owned_by
                .as_deref()
                .is_none_or(|kind| owner == Some(kind))
            && change
                .operations
                .iter()
                .all(|o| exemption.operations.contains(o))
    };
    let has_credential = world.has_credential && !change.is_empty();
    world
        .exemptions
        .iter()
        .filter(|_| has_credential)
        .find(covers)
}

/// What its own controller writes for an owner of its kind; of a ReplicaSet everything but another template.
fn is_derived(world: &GateWorld) -> bool {
    let (old, new) = (world.old.as_ref(), world.new.as_ref());
    let Some(form) = kind::form(world.kind.as_str()).filter(|_| !world.is_scale) else {
        return false;
    };
    let Some(owner) = new.or(old).and_then(controlling_owner) else {
        return false;
    };
    let writes = |(resource, kind, account): &(&str, &str, &str)| {
        *resource == form.resource && *kind == owner && controller(account) == world.username
    };
    let keeps_template = match (old, new) {
        (Some(old), Some(new)) => match form.word {
            "ControllerRevision" => true,
            "ReplicaSet" => template_digest(old) == template_digest(new),
            _ => false,
        },
        _ => true,
    };
    keeps_template && kind::DERIVED.iter().any(writes)
}

/// The kind of the owner that controls an object.
fn controlling_owner(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    owners.iter().find(controls)?.get("kind")?.as_str()
}

/// From one running state to another; its limits are gated themselves (threat row 58).
fn is_autoscaling(world: &GateWorld) -> bool {
    world.is_scale
        && world.username == controller("horizontal-pod-autoscaler")
        && world.replicas(world.old.as_ref()) > Some(0)
        && world.replicas(world.new.as_ref()) > Some(0)
}

fn is_collection(world: &GateWorld) -> bool {
    let collects = |account: &&str| controller(account) == world.username;
    world.new.is_none() && kind::COLLECTORS.iter().any(collects)
}

fn of_operator(world: &GateWorld) -> Option<&'static str> {
    if world.is_scale {
        return None;
    }
    let (old, new) = (world.old.as_ref()?, world.new.as_ref()?);
    let uid = old.pointer("/metadata/uid")?.as_str()?;
    let key = world.key();
    let armed = world.facts.as_ref()?.armed.values();
    let recorded = armed.filter_map(|a| a.targets.get(&key));
    let mut own = recorded.filter(|prior| prior.uid == uid).peekable();
    own.peek()?;
    if is_pause(old, new) {
        return Some("the operator pauses a rollout");
    }
    own.any(|prior| is_rollback(old, new, prior))
        .then_some("the operator restores the recorded template")
}

/// The operator by its exact name.
fn is_operator(world: &GateWorld) -> bool {
    !world.operator.is_empty() && world.username == world.operator
}

/// The recorded template of the same object, and nothing else (threat row 49).
fn is_rollback(old: &Value, new: &Value, prior: &Prior) -> bool {
    let Pods::Template(path) = kind::pods_of(kind::word_of(new)) else {
        return false;
    };
    template_digest(new).is_some_and(|d| d.as_str() == prior.template_digest)
        && without(old, path) == without(new, path)
}

fn is_pause(old: &Value, new: &Value) -> bool {
    new.pointer("/spec/paused") == Some(&Value::Bool(true))
        && without(old, &PAUSED) == without(new, &PAUSED)
}

/// The object without one member, its status, which is not written here, and what moves by itself.
fn without(object: &Value, path: &[&str]) -> Option<Value> {
    let mut object = object.clone();
    let (last, above) = path.split_last()?;
    let parent = above.iter().try_fold(&mut object, |v, key| v.get_mut(*key));
    parent?.as_object_mut()?.remove(*last);
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    for moving in MOVING {
        metadata.remove(moving);
    }
    Some(object)
}
