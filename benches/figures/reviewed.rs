//! Reviewed: a permit in review as the API server shows it, with all that the operator writes into its status.
//!
//! Decides what of it is its own and what it has in common with others. Does not know who reads it.

use permit_operator::domain::canonical::digest_of;
use serde_json::{Value, json};

const CREATED: &str = "2026-11-21T20:00:00Z";
const WAITS: &str = "needs 1 of tech-lead; review closes 2026-11-22T20:00:00Z";
/// Over how many namespaces the permits are spread.
const NAMESPACES: usize = 50;

/// One permit for a workload of its own, as JSON.
pub(crate) fn reviewed(number: usize) -> String {
    let name = format!("service-{number}");
    let target =
        json!({"images": {"app": "shop/checkout:1.5.0"}, "kind": "Deployment", "name": name});
    let metadata = json!({"creationTimestamp": CREATED, "generation": 1, "managedFields": managed(),
        "name": format!("{name}-1"), "namespace": format!("team-{}", number % NAMESPACES),
        "resourceVersion": (number + 1_000).to_string(), "uid": format!("6f1c2f0e-9d0b-4c57-a9c1-{number:012}")});
    let spec = json!({"purpose": "roll out the next version", "requestId": format!("01JD8T6V0W6Z3YB1X2{number:08}"),
        "requestedBy": {"groups": ["dev", "system:authenticated"], "username": "alice@example.com"},
        "targets": [target], "template": "unwatched"});
    let summary = json!({"approvals": "0/1", "change": "app=shop/checkout:1.5.0", "expires": "-", "level": "2",
        "message": WAITS, "target": format!("deploy/{name}")});
    let status = json!({"conditions": conditions(), "digest": digest_of("permit", &number).to_string(),
        "observedGeneration": 1, "phase": "InReview", "summary": summary,
        "templateDigest": digest_of("template", &"unwatched").to_string(), "trace": trace()});
    json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": metadata, "spec": spec, "status": status})
        .to_string()
}

fn managed() -> Value {
    let target = json!({".": {}, "f:images": {}, "f:kind": {}, "f:name": {}});
    let spec = json!({".": {}, "f:purpose": {}, "f:template": {},
        "f:targets": {".": {}, r#"k:{"kind":"Deployment","name":"service"}"#: target}});
    let by = |manager: &str, operation: &str| {
        json!({"apiVersion": "permits.dev/v1alpha1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": spec},
            "manager": manager, "operation": operation, "time": CREATED})
    };
    json!([
        by("kubectl-create", "Update"),
        by("permit-operator", "Apply")
    ])
}

fn conditions() -> Vec<Value> {
    let one = |(kind, status, reason, message): (&str, &str, &str, &str)| {
        json!({"lastTransitionTime": CREATED, "message": message, "observedGeneration": 1, "reason": reason,
            "status": status, "type": kind})
    };
    let unknown = [
        "Approved",
        "Decided",
        "Executed",
        "Validated",
        "Finished",
        "Succeeded",
    ];
    let unknown = unknown.map(|kind| (kind, "Unknown", "WaitingForApproval", WAITS));
    let known = [
        ("Accepted", "True", "WaitingForApproval", WAITS),
        ("Active", "False", "WaitingForApproval", WAITS),
        ("Held", "False", "NotHeld", ""),
        ("TemplateOutdated", "False", "TemplateCurrent", ""),
    ];
    unknown.into_iter().chain(known).map(one).collect()
}

fn trace() -> Vec<Value> {
    let steps = [
        ("template", "Pass", "unwatched at 41d0c3a2b1f0"),
        ("use", "Pass", "alice@example.com may use it"),
        ("spec", "Pass", "1 target"),
        ("environment", "Pass", "production"),
        ("requester", "Pass", "alice@example.com"),
        ("level", "Pass", "level 2"),
        ("revocation", "Pass", "nobody has said no"),
        ("approvals", "Wait", "needs 1 of tech-lead"),
        ("window", "Wait", "review closes 2026-11-22T20:00:00Z"),
    ];
    let one = |(rule, verdict, because): (&str, &str, &str)| json!({"because": because, "rule": rule, "verdict": verdict});
    steps.map(one).to_vec()
}
