//! Applied: does a target still stand as it stood before, carry the permitted change, or something else?
//!
//! Compares the live workload with the prior state that was put on record at issuance. Replicas are left out unless
//! the target is about them: an autoscaler may move them at any time.

use serde_json::{Map, Value, json};

use super::canonical::{spec_digest, template_digest};
use super::scope::covers;
use super::world::TargetFact;
use crate::api::facts::{Baseline, Prior};
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

/// The identity of what stands there, if it has one, to become a baseline under a permit or at enrolment.
pub fn baseline(object: &Value, permit_uid: &str) -> Option<Baseline> {
    let template = template_digest(object);
    Some(Baseline {
        spec_digest: spec_digest(object)?.to_string(),
        template_digest: template.map(|d| d.to_string()).unwrap_or_default(),
        permit_uid: permit_uid.to_owned(),
    })
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

/// What a comparison may see: identity and content. Metadata was judged at admission and moves on its own.
pub fn comparable(object: &Value) -> Value {
    let meta = |key: &str| {
        object
            .pointer(&format!("/metadata/{key}"))
            .cloned()
            .unwrap_or_default()
    };
    let members = object.as_object().into_iter().flatten();
    let told = |key: &str| !["metadata", "status"].contains(&key);
    let mut seen: Map<String, Value> = members
        .filter(|(key, _)| told(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    seen.insert(
        "metadata".into(),
        json!({"name": meta("name"), "namespace": meta("namespace")}),
    );
    Value::Object(seen)
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
