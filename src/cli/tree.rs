//! One permit as a picture: head, stages, and a tree of approvals, workloads and checks.
//!
//! Pure: everything shown comes in as values, the time too. Concludes nothing from what it shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::Value;

use super::age::distance;
use super::branches::one_line;
use super::look::{Look, phase_mark};
use super::{branches, stages};
use crate::api::permit::Target;
use crate::api::vocabulary::Phase;
use crate::api::{Approval, Permit, PermitStatus};

/// What the picture is of.
pub(super) struct View<'a> {
    /// The permit.
    pub(super) permit: &'a Permit,
    /// The decisions about it.
    pub(super) approvals: &'a [Approval],
    /// Its targets, each as it is now as far as it is there and may be read.
    pub(super) workloads: &'a [(&'a Target, Option<Value>)],
}

/// Draws the picture.
pub(super) fn render(view: &View<'_>, look: Look, now: Timestamp) -> String {
    let permit = view.permit;
    let (head, stages) = (head(permit, look, now), stages::render(permit, look));
    format!(
        "{head}\n\n  {stages}\n\n{}",
        branches::render(view, look, now)
    )
}

fn head(permit: &Permit, look: Look, now: Timestamp) -> String {
    let status = permit.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(Phase::Requested);
    let outcome = status
        .outcome
        .map(|outcome| format!(", {outcome}"))
        .unwrap_or_default();
    let level = format!(
        "{} ({})",
        or_dash(&status.summary.level),
        permit.spec.template
    );
    let requester = permit
        .spec
        .requested_by
        .as_ref()
        .map_or("-", |identity| &identity.username);
    let pairs = [
        ("Name", permit.name_any(), "Level", level),
        (
            "Phase",
            format!("{phase}{outcome}"),
            "Window",
            window(permit, &status, now),
        ),
        (
            "Requester",
            one_line(requester),
            "Purpose",
            one_line(&permit.spec.purpose),
        ),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (left, value, right, other) in pairs.into_iter().chain(references(permit)) {
        let shown = if left == "Phase" {
            format!("{} {value}", look.mark(phase_mark(Some(phase))))
        } else {
            value.clone()
        };
        // The mark may carry colour codes, so the width is that of the bare text.
        let width = value.chars().count() + if left == "Phase" { 2 } else { 0 };
        let gap = " ".repeat(34_usize.saturating_sub(width).max(1));
        lines.push(format!(
            "{:<13}{shown}{gap}{:<8} {other}",
            format!("{left}:"),
            format!("{right}:")
        ));
    }
    lines.push(format!(
        "{:<13}{}",
        "Message:",
        or_dash(&one_line(&status.summary.message))
    ));
    lines.join("\n")
}

/// What the change belongs to, where it says so.
fn references(permit: &Permit) -> Option<(&'static str, String, &'static str, String)> {
    let (ticket, incident) = (&permit.spec.ticket, &permit.spec.incident);
    let told = |reference: &Option<String>| {
        let reference = one_line(reference.as_deref().unwrap_or_default());
        or_dash(&reference).to_owned()
    };
    let is_there = ticket.is_some() || incident.is_some();
    is_there.then(|| ("Ticket", told(ticket), "Incident", told(incident)))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// When the change may start, as far as it is known.
fn window(permit: &Permit, status: &PermitStatus, now: Timestamp) -> String {
    let said = |time: &Time| format!("{} ({})", time.0, distance(time, now));
    let schedule = permit.spec.schedule.clone().unwrap_or_default();
    let opens = schedule
        .earliest_start
        .filter(|time| time.0 > now)
        .map(|time| format!("opens {}", said(&time)));
    let closes = status.expires_time.clone().or(schedule.latest_start);
    let closes = closes.map(|time| {
        format!(
            "{} {}",
            if time.0 > now { "closes" } else { "closed" },
            said(&time)
        )
    });
    let parts: Vec<String> = opens.into_iter().chain(closes).collect();
    if parts.is_empty() {
        "counts from issuance".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-21T21:15:00Z";

    fn permit(status: &Value) -> Permit {
        serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "checkout-7f3c9", "creationTimestamp": "2026-11-21T21:01:00Z"},
            "spec": {"template": "production-change", "purpose": "CVE fix", "targets": [],
                "requestedBy": {"username": "alice@example.com"}},
            "status": status,
        }))
        .unwrap()
    }

    fn approval() -> Approval {
        serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Approval",
            "metadata": {"name": "checkout-7f3c9.0a1b2c3d4e", "creationTimestamp": "2026-11-21T21:12:00Z"},
            "spec": {"permitRef": {"name": "checkout-7f3c9"}, "decision": "Approve", "role": "director",
                "reasoning": "looks\u{1b}[2J good", "approver": {"username": "bob@example.com"}},
        }))
        .unwrap()
    }

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "checkout", "creationTimestamp": "2026-10-12T21:15:00Z",
                "annotations": {"deployment.kubernetes.io/revision": "13"}},
            "spec": {"replicas": 4, "selector": {}, "template": {"spec": {"containers": [
                {"name": "app", "image": "checkout:1.4.2"}]}}},
            "status": {"replicas": 4, "readyReplicas": 4, "updatedReplicas": 4},
        })
    }

    fn target(kind: &str, name: &str) -> Target {
        serde_json::from_value(json!({"kind": kind, "name": name})).unwrap()
    }

    fn drawn(look: Look) -> String {
        let summary = json!({"level": "3", "message": "needs 1 more approval: security-lead", "approvals": "1/2",
            "change": "app=checkout:1.5.0"});
        let check = json!({"name": "error-rate", "target": "Deployment/checkout", "verdict": "Unknown",
            "reason": "not started", "limit": "0.01"});
        let permit = permit(
            &json!({"phase": "InReview", "expiresTime": "2026-11-21T22:30:00Z", "summary": summary,
            "checks": [check]}),
        );
        let (checkout, cart) = (target("Deployment", "checkout"), target("CronJob", "cart"));
        let workloads = [(&checkout, Some(deployment())), (&cart, None)];
        let view = View {
            permit: &permit,
            approvals: &[approval()],
            workloads: &workloads,
        };
        render(&view, look, NOW.parse().unwrap())
    }

    #[test]
    fn a_permit_in_review_is_drawn_so() {
        let expected = "\
Name:        checkout-7f3c9                    Level:   3 (production-change)
Phase:       ◷ InReview                        Window:  closes 2026-11-21T22:30:00Z (in 1h15m)
Requester:   alice@example.com                 Purpose: CVE fix
Message:     needs 1 more approval: security-lead

  ✔ Request ── ✔ Review ── ◷ Approval ── • Issuance ── • Execution ── • Validation ── • Closure

NAME                   KIND         STATE         AGE   INFO
◷ checkout-7f3c9       Permit       InReview      14m   1/2 approvals, app=checkout:1.5.0
├──✔ bob@example.com   Approval     Approve       3m    director: \"looks [2J good\"
├──✔ checkout          Deployment   revision 13   40d   checkout:1.4.2; 4 updated, 4 of 4 ready
├──? cart              CronJob      not seen
└──? error-rate        Check        Unknown             Deployment/checkout (limit 0.01): not started";
        assert_eq!(
            drawn(Look {
                unicode: true,
                colour: false
            }),
            expected
        );
    }

    #[test]
    fn without_unicode_the_picture_is_ascii() {
        assert!(
            drawn(Look {
                unicode: false,
                colour: false
            })
            .is_ascii()
        );
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let coloured = drawn(Look {
            unicode: true,
            colour: true,
        });
        assert_eq!(
            anstream::adapter::strip_str(&coloured).to_string(),
            drawn(Look {
                unicode: true,
                colour: false
            })
        );
    }

    /// A permit alone, without colours.
    fn alone(permit: &Permit) -> String {
        let view = View {
            permit,
            approvals: &[],
            workloads: &[],
        };
        let look = Look {
            unicode: true,
            colour: false,
        };
        render(&view, look, NOW.parse().unwrap())
    }

    #[test]
    fn nothing_that_people_wrote_reaches_the_terminal_as_a_command() {
        let mut permit = permit(
            &json!({"phase": "InReview", "summary": {"message": "a\u{1b}[2Jb", "change": "x\u{1b}]0;y"}}),
        );
        permit.spec.purpose = "first\nsecond\u{1b}[1A".into();
        let drawn = alone(&permit);
        assert!(!drawn.contains('\u{1b}'), "{drawn:?}");
        assert!(drawn.contains("first second"), "{drawn}");
    }

    #[test]
    fn ticket_and_incident_are_shown_where_there_are_any() {
        let mut permit = permit(&json!({"phase": "InReview"}));
        assert!(!alone(&permit).contains("Incident"));
        permit.spec.incident = Some("INC-77".into());
        let line = format!("{:<13}{:<34}{}", "Ticket:", "-", "Incident: INC-77");
        assert!(alone(&permit).contains(&line), "{}", alone(&permit));
    }

    #[test]
    fn a_permit_that_nobody_has_seen_is_drawn_as_requested() {
        let permit = permit(&json!(null));
        let drawn = alone(&permit);
        assert!(
            drawn.contains("◷ Requested") && drawn.contains("counts from issuance"),
            "{drawn}"
        );
    }
}
