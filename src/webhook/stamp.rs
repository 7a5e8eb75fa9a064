//! Stamp: writes into our own kinds who sent them, as the API server authenticated them (threat row 37).
//!
//! CREATE sets, UPDATE restores from the old object; what a writer puts there is replaced. Refuses a permit with mistakes
//! in form before its schema is asked; judges nothing else.

use serde_json::{Value, json};
use ulid::Ulid;

use super::review::{Answer, Request};
use crate::api::{GROUP, Permit};
use crate::domain::parse;

/// The refusal of a permit with mistakes, all of them at once: rules of the schema would tell theirs alone, and by an
/// answer on which `kubectl apply --force` deletes the object (`decisions.md` 10). What cannot be read at all is the
/// schema's to tell.
pub(super) fn malformed(request: &Request) -> Option<Answer> {
    let object = request.object.as_ref()?;
    let before = request.old_object.as_ref().and_then(|old| old.get("spec"));
    if request.resource.resource != "permits" || object.get("spec") == before {
        return None;
    }
    let permit: Permit = serde_json::from_value(object.clone()).ok()?;
    let errors = parse::mistakes(&permit.spec, &request.namespace);
    let told = || {
        let (count, all) = (errors.len(), parse::listed(&errors));
        Answer::deny(format!("InvalidPermit: {count} mistake(s):\n  {all}"))
    };
    (!errors.is_empty()).then(told)
}

/// Answers a review of a Permit or an Approval with the stamps it needs.
pub(super) fn stamp(request: &Request, fresh: Ulid) -> Answer {
    let resource = (
        request.resource.group.as_str(),
        request.resource.resource.as_str(),
    );
    let objects = (&request.object, &request.old_object);
    // Told by the operation: an update that comes without its old object must not make the sender its requester.
    let patch = match (resource, request.operation.as_str(), objects) {
        ((GROUP, "permits"), "CREATE", (Some(object), _)) => create_permit(request, object, fresh),
        ((GROUP, "permits"), "UPDATE", (Some(object), Some(old))) => {
            restore(object, old, &["requestedBy", "requestId"])
        }
        ((GROUP, "approvals"), "CREATE", (Some(object), _)) => create_approval(request, object),
        ((GROUP, "approvals"), "UPDATE", (Some(object), Some(old))) => {
            restore(object, old, &["submittedBy"])
        }
        _ => return Answer::deny("GateUnavailable: this is no write that is stamped"),
    };
    let mut answer = Answer::admit();
    if !patch.is_empty() {
        answer.patch = Some(Value::Array(patch));
    }
    answer
}

fn create_permit(request: &Request, object: &Value, fresh: Ulid) -> Vec<Value> {
    let mut patch = vec![add("/spec/requestedBy", &request.identity())];
    if object.pointer("/spec/requestId").is_none_or(Value::is_null) {
        patch.push(add("/spec/requestId", &fresh.to_string()));
    }
    patch
}

fn create_approval(request: &Request, object: &Value) -> Vec<Value> {
    let mut patch = vec![add("/spec/submittedBy", &request.identity())];
    if object.pointer("/spec/approver").is_none_or(Value::is_null) {
        patch.push(add(
            "/spec/approver",
            &json!({"username": request.user_info.username}),
        ));
    }
    patch
}

/// What was stamped at creation stays, whatever the update says or leaves out.
fn restore(object: &Value, old: &Value, fields: &[&str]) -> Vec<Value> {
    let at = |o: &Value, field: &str| o.pointer(&format!("/spec/{field}")).cloned();
    let one = |field: &&str| match (at(object, field), at(old, field)) {
        (now, Some(then)) if now.as_ref() != Some(&then) => {
            Some(add(&format!("/spec/{field}"), &then))
        }
        (Some(_), None) => Some(json!({"op": "remove", "path": format!("/spec/{field}")})),
        _ => None,
    };
    fields.iter().filter_map(one).collect()
}

fn add(path: &str, value: &impl serde::Serialize) -> Value {
    json!({"op": "add", "path": path, "value": value})
}
