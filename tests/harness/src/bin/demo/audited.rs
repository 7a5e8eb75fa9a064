//! Audited: what the API server itself wrote down must tell the same story, in the same order.
//!
//! Decides which requests had to be seen, by whom, about what and with which answer; a narrated script could not
//! pass. Does not know the story's words.

use std::collections::BTreeSet;

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
        only_once(&events)?;
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

/// Each request of the story is there, complete, after the one before it by place and by the API server's clock.
fn in_order(events: &[Value]) -> Result<()> {
    let mut rest = events.iter();
    let mut before = "";
    for told in TOLD {
        let (user, verb, resource, name, code) = *told;
        let fits = |e: &Value| {
            text(e, "/user/username") == user
                && text(e, "/verb") == verb
                && text(e, "/objectRef/resource") == resource
                && e.pointer("/objectRef/subresource").is_none()
                && text(e, "/objectRef/name") == name
                && answer(e) == Some(code)
                && text(e, "/stage") == "ResponseComplete"
                && text(e, "/requestReceivedTimestamp") > before
        };
        let found = rest.find(|e| fits(e));
        ensure!(
            found.is_some(),
            "the audit log lacks, in its place: {user} {verb} {resource}/{name} answered {code}"
        );
        before = found.map_or("", |e| text(e, "/requestReceivedTimestamp"));
    }
    Ok(())
}

/// The API server gives each request an identity of its own; lines that were copied would share theirs.
fn only_once(events: &[Value]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for event in events {
        let (id, stage) = (text(event, "/auditID"), text(event, "/stage"));
        ensure!(
            !id.is_empty() && seen.insert((id, stage)),
            "the audit log holds a request twice: {event}"
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A request as the API server writes it down, the `n`th of the log.
    fn event(n: usize, (user, verb, resource, name, code): (&str, &str, &str, &str, i64)) -> Value {
        json!({
            "auditID": format!("id-{n}"), "stage": "ResponseComplete", "verb": verb,
            "user": {"username": user}, "userAgent": "kubectl/v1.36",
            "objectRef": {"resource": resource, "name": name},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": format!("2026-11-21T21:{:02}:{:02}.000000Z", n / 60, n % 60),
        })
    }

    /// The log of a story that was really played, with requests that are not told between them.
    fn played() -> Vec<Value> {
        let other = (ALICE, "get", "permits", "checkout-1", 200);
        let told = TOLD.iter().flat_map(|told| [other, *told]);
        told.enumerate().map(|(n, e)| event(n, e)).collect()
    }

    fn passes(log: &[Value]) -> bool {
        in_order(log).and_then(|()| only_once(log)).is_ok()
    }

    /// Where the requests that are told stand in the log.
    fn places() -> impl Iterator<Item = usize> {
        (0..TOLD.len()).map(|told| 2 * told + 1)
    }

    #[test]
    fn a_story_that_was_played_passes() {
        assert!(passes(&played()));
    }

    #[test]
    fn a_narrated_story_leaves_no_log_and_fails() {
        assert!(!passes(&[]));
        let read_only: Vec<_> = played().into_iter().step_by(2).collect();
        assert!(!passes(&read_only));
    }

    #[test]
    fn a_story_that_lacks_any_step_fails() {
        for place in places() {
            let mut log = played();
            log.remove(place);
            assert!(!passes(&log), "without {}", played()[place]);
        }
    }

    #[test]
    fn a_story_in_another_order_fails() {
        for (first, second) in places().zip(places().skip(1)) {
            let mut log = played();
            log.swap(first, second);
            assert!(!passes(&log), "{first} after {second}");
            // Lines that were moved and keep their places' times fail as well.
            let time = "requestReceivedTimestamp";
            let (a, b) = (log[first][time].clone(), log[second][time].clone());
            (log[first][time], log[second][time]) = (b, a);
            assert!(!passes(&log), "{first} after {second}, times forged");
        }
    }

    #[test]
    fn a_step_by_somebody_else_or_with_another_answer_fails() {
        for (path, forged) in [
            ("/user/username", json!("admin")),
            ("/verb", json!("get")),
            ("/objectRef/name", json!("other")),
            ("/objectRef/resource", json!("pods")),
            ("/objectRef/subresource", json!("status")),
            ("/responseStatus/code", json!(500)),
            ("/stage", json!("Panic")),
            ("/requestReceivedTimestamp", json!("")),
        ] {
            for place in places() {
                let mut log = played();
                let (parent, key) = path.rsplit_once('/').unwrap();
                log[place].pointer_mut(parent).unwrap()[key] = forged.clone();
                assert!(!passes(&log), "{path} of {}", played()[place]);
            }
        }
    }

    #[test]
    fn a_log_with_a_copied_line_fails() {
        for place in places() {
            let mut log = played();
            log.push(log[place].clone());
            assert!(!passes(&log));
        }
    }

    #[test]
    fn the_operator_under_another_identity_or_refused_fails() {
        let own = |user: &str, code: i64| {
            let mut own = event(1, (user, "patch", "permits", "checkout-1", code));
            own["userAgent"] = json!("permit-operator/0.1.0");
            own
        };
        assert_eq!(only_as_itself(&[own(OPERATOR, 200)]).ok(), Some(1));
        assert!(only_as_itself(&played().split_off(TOLD.len() * 2)).is_err());
        assert!(only_as_itself(&[own(OPERATOR, 200), own("admin", 200)]).is_err());
        for refused in [401, 403, 422] {
            assert!(only_as_itself(&[own(OPERATOR, refused)]).is_err());
        }
    }
}
