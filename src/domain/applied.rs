//! Applied: does a target still stand as it stood before, carry the permitted change, or something else?
//!
//! Compares the live workload with the prior state that was put on record at issuance. Replicas are left out unless
//! the target is about them: an autoscaler may move them at any time.

use serde_json::Value;

use super::canonical::{spec_digest, template_digest};
use super::scope::covers;
use super::world::TargetFact;
use crate::api::facts::Prior;
use crate::api::vocabulary::Operation;

/// How a target stands against its prior state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// As it stood before.
    Unchanged,
    /// It carries a change that the permit covers.
    Covered,
    /// It carries another change. Says which.
    Foreign(String),
}

/// How a target stands against `prior`.
pub fn applied(fact: &TargetFact, prior: &Prior) -> Applied {
    let old = Some(&prior.object).filter(|o| !o.is_null());
    let Some(live) = &fact.live else {
        return match old {
            None => Applied::Unchanged,
            Some(old) => verdict(covers(&fact.target, Some(old), None)),
        };
    };
    if let Some(old) = old
        && prior.uid == live.uid
    {
        let scales = fact.target.operations.contains(&Operation::Scale)
            && replicas(old) != replicas(&live.object);
        if spec_digest(old) == spec_digest(&live.object) && !scales {
            return Applied::Unchanged;
        }
        let aligned = if fact.target.operations.contains(&Operation::Scale) {
            live.object.clone()
        } else {
            with_replicas_of(old, &live.object)
        };
        return verdict(covers(
            &fact.target,
            Some(&comparable(old)),
            Some(&comparable(&aligned)),
        ));
    }
    // Made anew under the same name: judged as a Create, whatever stood there before.
    verdict(covers(&fact.target, None, Some(&comparable(&live.object))))
}

/// Whether the pod template is back to what it was, in the same object.
pub fn is_restored(fact: &TargetFact, prior: &Prior) -> bool {
    fact.live.as_ref().is_some_and(|live| {
        live.uid == prior.uid
            && template_digest(&live.object).is_some_and(|d| d.as_str() == prior.template_digest)
    })
}

fn verdict(result: Result<(), super::scope::OutOfScope>) -> Applied {
    match result {
        Ok(()) => Applied::Covered,
        Err(outside) => Applied::Foreign(outside.to_string()),
    }
}

fn replicas(object: &Value) -> Option<&Value> {
    object.pointer("/spec/replicas")
}

/// What a comparison may see: identity and spec. Metadata was judged at admission and moves on its own.
pub fn comparable(object: &Value) -> Value {
    let meta = |key: &str| {
        object
            .pointer(&format!("/metadata/{key}"))
            .cloned()
            .unwrap_or_default()
    };
    serde_json::json!({
        "apiVersion": object.get("apiVersion").cloned().unwrap_or_default(),
        "kind": object.get("kind").cloned().unwrap_or_default(),
        "metadata": {"name": meta("name"), "namespace": meta("namespace")},
        "spec": object.get("spec").cloned().unwrap_or_default(),
    })
}

fn with_replicas_of(old: &Value, new: &Value) -> Value {
    let mut aligned = new.clone();
    if let Some(spec) = aligned.get_mut("spec").and_then(Value::as_object_mut) {
        match replicas(old) {
            Some(n) => spec.insert("replicas".into(), n.clone()),
            None => spec.remove("replicas"),
        };
    }
    aligned
}
