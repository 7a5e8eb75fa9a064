//! Exemptions: exactly this user may write exactly this shape; never by group, never by label (threat rule 8).
//!
//! The operator's own rollback and pause are the only ones so far.

use serde_json::Value;

use super::GateWorld;
use crate::api::facts::Prior;
use crate::domain::canonical::template_digest;

/// Why the change is exempt, if it is.
pub(super) fn exemption(world: &GateWorld) -> Option<&'static str> {
    if world.username != world.operator || world.is_scale {
        return None;
    }
    let (old, new) = (world.old.as_ref()?, world.new.as_ref()?);
    if is_pause(old, new) {
        return Some("the operator pauses a rollout");
    }
    let armed = &world.facts.as_ref()?.armed;
    let key = world.key();
    let recorded = armed.values().filter_map(|a| a.targets.get(&key));
    recorded
        .into_iter()
        .any(|prior| is_rollback(old, new, prior))
        .then_some("the operator restores the recorded template")
}

/// The recorded template of the same object, and nothing else (threat row 49).
fn is_rollback(old: &Value, new: &Value, prior: &Prior) -> bool {
    let uid = old.pointer("/metadata/uid").and_then(Value::as_str);
    uid == Some(prior.uid.as_str())
        && template_digest(new).is_some_and(|d| d.as_str() == prior.template_digest)
        && without(old, "template") == without(new, "template")
}

fn is_pause(old: &Value, new: &Value) -> bool {
    new.pointer("/spec/paused") == Some(&Value::Bool(true))
        && without(old, "paused") == without(new, "paused")
}

fn without(object: &Value, key: &str) -> Option<Value> {
    let mut spec = object.get("spec")?.clone();
    spec.as_object_mut()?.remove(key);
    Some(spec)
}
