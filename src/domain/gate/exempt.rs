//! Exemptions: exactly this user may write exactly this shape; never by group, never by label (threat rule 8).
//!
//! The operator's own rollback and pause are the only ones so far. Both are for objects that a permit has on record,
//! and change one place of them, metadata included.

use serde_json::Value;

use super::GateWorld;
use crate::api::facts::Prior;
use crate::domain::canonical::template_digest;

/// The metadata that the API server itself moves with each write.
const MOVING: [&str; 3] = ["generation", "managedFields", "resourceVersion"];

/// Why the change is exempt, if it is.
pub(super) fn exemption(world: &GateWorld) -> Option<&'static str> {
    if !is_operator(world) || world.is_scale {
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

/// The operator by its exact name and its own credential: an impersonated one has none (`decisions.md` 46).
fn is_operator(world: &GateWorld) -> bool {
    !world.operator.is_empty() && world.username == world.operator && world.has_credential
}

/// The recorded template of the same object, and nothing else (threat row 49).
fn is_rollback(old: &Value, new: &Value, prior: &Prior) -> bool {
    template_digest(new).is_some_and(|d| d.as_str() == prior.template_digest)
        && without(old, "template") == without(new, "template")
}

fn is_pause(old: &Value, new: &Value) -> bool {
    new.pointer("/spec/paused") == Some(&Value::Bool(true))
        && without(old, "paused") == without(new, "paused")
}

/// The object without one member of its spec, its status, which is not written here, and what moves by itself.
fn without(object: &Value, key: &str) -> Option<Value> {
    let mut object = object.clone();
    object.get_mut("spec")?.as_object_mut()?.remove(key);
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    for moving in MOVING {
        metadata.remove(moving);
    }
    Some(object)
}
