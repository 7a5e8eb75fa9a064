//! Audited: what the API server itself wrote down must tell the same story, in the same order.
//!
//! Decides which requests had to be seen, by whom, about what and with which answer; a narrated script could not
//! pass. Does not know the story's words.

use anyhow::{Result, ensure};
use permit_harness::{eventually, stage};
use serde_json::Value;

use crate::shown::{Shown, say};

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const OPERATOR: &str = "system:serviceaccount:permit-system:permit-operator";
/// How the operator's program calls itself, under whatever identity.
const AGENT: &str = "permit-operator/";

/// The requests that changed something or were refused, in their order: user, verb, resource, name, answer.
const TOLD: &[(&str, &str, &str, &str, i64)] = &[
    (ALICE, "patch", "deployments", "checkout", 403),
    (ALICE, "create", "permits", "checkout-1", 201),
    (ALICE, "create", "approvals", "checkout-1.alice", 403),
    (BOB, "create", "approvals", "checkout-1.bob", 201),
    (ALICE, "patch", "deployments", "checkout", 200),
    (ALICE, "create", "permits", "checkout-2", 201),
    (ALICE, "create", "approvals", "checkout-2.alice", 403),
    (BOB, "create", "approvals", "checkout-2.bob", 201),
    (ALICE, "patch", "deployments", "checkout", 200),
    (
        OPERATOR,
        "create",
        "approvals",
        "checkout-2.operator-revoke",
        201,
    ),
    (OPERATOR, "patch", "deployments", "checkout", 200),
    (ALICE, "patch", "deployments", "checkout", 403),
];

/// Compares the log with the story.
pub(crate) async fn check(shown: &Shown<'_>) -> Result<()> {
    // The log is written behind the answers.
    let look = || async {
        let events = shown.plane().audit_events()?;
        in_order(&events)?;
        Ok(events)
    };
    let events = eventually(stage::PATIENCE, "the audit log tells the story", look).await?;
    for (user, verb, resource, name, code) in TOLD {
        say(&format!("  {code}  {user} {verb} {resource}/{name}"));
    }
    let own = only_as_itself(&events)?;
    say(&format!(
        "  {own} requests of the operator, all as {OPERATOR}, none refused"
    ));
    Ok(())
}

fn in_order(events: &[Value]) -> Result<()> {
    let mut rest = events.iter();
    for told in TOLD {
        let (user, verb, resource, name, code) = *told;
        let fits = |e: &Value| {
            text(e, "/user/username") == user
                && text(e, "/verb") == verb
                && text(e, "/objectRef/resource") == resource
                && e.pointer("/objectRef/subresource").is_none()
                && text(e, "/objectRef/name") == name
                && answer(e) == Some(code)
        };
        ensure!(
            rest.any(fits),
            "the audit log lacks, in its place: {user} {verb} {resource}/{name} answered {code}"
        );
    }
    Ok(())
}

/// The operator's requests came from its account alone, and none was refused; returns how many there were.
fn only_as_itself(events: &[Value]) -> Result<usize> {
    let own: Vec<_> = events
        .iter()
        .filter(|e| {
            text(e, "/userAgent").starts_with(AGENT) || text(e, "/user/username") == OPERATOR
        })
        .collect();
    ensure!(!own.is_empty(), "no request of the operator was seen");
    for event in &own {
        ensure!(
            text(event, "/user/username") == OPERATOR,
            "the operator acted under another identity: {event}"
        );
        ensure!(
            !matches!(answer(event), Some(401 | 403 | 422)),
            "a request of the operator was refused: {event}"
        );
    }
    Ok(own.len())
}

fn answer(event: &Value) -> Option<i64> {
    event
        .pointer("/responseStatus/code")
        .and_then(Value::as_i64)
}

fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    event
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
