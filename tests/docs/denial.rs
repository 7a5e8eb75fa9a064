//! Denial: the one that README shows first is what the gate really says about that change.
//!
//! Does not know how kubectl wraps it; the demo shows that.

use std::fs;
use std::path::Path;

use permit_operator::api::kind::WorkloadKind;
use permit_operator::api::template::PermitTemplateSpec;
use permit_operator::api::vocabulary::GateMode;
use permit_operator::domain::gate::{GateWorld, gate};
use permit_operator::domain::parse;
use permit_operator::domain::template::Template;
use serde_json::{Value, json};

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "checkout"}}, "template": {
            "metadata": {"labels": {"app": "checkout"}},
            "spec": {"containers": [{"name": "checkout", "image": image}]}}},
    })
}

/// README's own template.
fn standard() -> Template {
    let spec = json!({"level": 2, "approval": {"rules": [{"roles": ["tech-lead"], "count": 1}]}});
    let spec: PermitTemplateSpec = serde_json::from_value(spec).unwrap();
    parse::template("standard", "", &spec).unwrap()
}

#[test]
fn the_denial_in_the_readme_is_what_the_gate_says() {
    let world = GateWorld {
        now: "2026-11-21T21:00:00Z".parse().unwrap(),
        decision_id: "d-7f3c9a12".into(),
        mode: GateMode::Enforce,
        environment: "production".into(),
        username: "alice@example.com".into(),
        has_credential: true,
        operator: "system:serviceaccount:permit-system:permit-operator".into(),
        namespace: "shop".into(),
        kind: WorkloadKind::default(),
        name: "checkout".into(),
        is_scale: false,
        old: Some(deployment("shop/checkout:1.4.2")),
        new: Some(deployment("shop/checkout:1.5.0")),
        parent: None,
        frozen: Vec::new(),
        unsound: None,
        exemptions: Vec::new(),
        facts: None,
        templates: vec![standard()],
        unreadable: Vec::new(),
        candidates: Vec::new(),
    };
    let message = gate(&world).message;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(file).unwrap();
    let said = format!("denied the request: {message}\n```");
    assert!(
        readme.contains(&said),
        "README.md does not show:\n{message}"
    );
}
