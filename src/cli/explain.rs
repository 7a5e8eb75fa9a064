//! `kubectl permit explain`: the last decision about a permit, rule by rule, and its conditions, as the operator wrote
//! them. Adds no explanation of its own.

use anyhow::Context as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde_json::json;

use super::branches::one_line;
use super::connect::Cluster;
use super::exit::Exit;
use super::look::{Look, Mark};
use super::output::{self, Format, permit_ref};
use crate::api::permit::TraceLine;
use crate::api::{Permit, PermitStatus};

/// Show the last decision about a permit
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the permit
    name: String,
    /// Output of trace and conditions
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Reads and prints.
pub(super) async fn run(args: &Args, cluster: &Cluster, look: Look) -> anyhow::Result<Exit> {
    let permit = cluster
        .permits()
        .get(&args.name)
        .await
        .context("read the permit")?;
    let status = permit.status.clone().unwrap_or_default();
    let value = json!({
        "name": permit.name_any(), "phase": status.phase, "outcome": status.outcome,
        "purpose": permit.spec.purpose, "ticket": permit.spec.ticket, "incident": permit.spec.incident,
        "message": status.summary.message, "trace": status.trace, "conditions": status.conditions,
    });
    output::show(
        args.output,
        &value,
        &permit_ref(&args.name),
        &render(&permit, look),
    )?;
    Ok(Exit::Done)
}

fn render(permit: &Permit, look: Look) -> String {
    let status = permit.status.clone().unwrap_or_default();
    let requester = permit
        .spec
        .requested_by
        .as_ref()
        .map_or_else(|| "-".to_owned(), |identity| one_line(&identity.username));
    let head = [
        (
            "Permit",
            format!(
                "{} in {}",
                permit.name_any(),
                permit.namespace().unwrap_or_default()
            ),
        ),
        ("Phase", phase(&status)),
        ("Who", requester),
        ("Template", permit.spec.template.clone()),
        ("Purpose", one_line(&permit.spec.purpose)),
        ("Ticket", reference(permit.spec.ticket.as_ref())),
        ("Incident", reference(permit.spec.incident.as_ref())),
        ("Message", one_line(&status.summary.message)),
    ];
    let mut lines: Vec<String> = head
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key:<10} {value}"))
        .collect();
    lines.push(String::new());
    if status.trace.is_empty() {
        let why = match status.phase {
            None => "no decision yet: the operator has not seen this permit",
            Some(_) => {
                "the operator recorded no rules for this phase; the message and the conditions say why"
            }
        };
        lines.push(why.to_owned());
    }
    lines.extend(trace(&status.trace, look));
    if !status.conditions.is_empty() {
        lines.extend([String::new(), "Conditions".to_owned()]);
        lines.extend(conditions(&status.conditions, look));
    }
    lines.join("\n")
}

fn reference(written: Option<&String>) -> String {
    written.map(|text| one_line(text)).unwrap_or_default()
}

fn phase(status: &PermitStatus) -> String {
    let phase = status
        .phase
        .map_or_else(|| "not yet seen".to_owned(), |phase| phase.to_string());
    match (status.outcome, &status.revocation) {
        (None, None) => phase,
        (Some(outcome), None) => format!("{phase} ({outcome})"),
        (outcome, Some(revocation)) => {
            let outcome = outcome
                .map(|outcome| format!("{outcome}; "))
                .unwrap_or_default();
            format!(
                "{phase} ({outcome}{}: {})",
                revocation.reason,
                one_line(&revocation.message)
            )
        }
    }
}

fn trace(trace: &[TraceLine], look: Look) -> impl Iterator<Item = String> {
    let width = trace
        .iter()
        .map(|line| line.rule.chars().count())
        .max()
        .unwrap_or(0);
    (1..).zip(trace).map(move |(number, line)| {
        let mark = match line.verdict.as_str() {
            "Pass" => Mark::Good,
            "Fail" => Mark::Bad,
            "Wait" => Mark::Waiting,
            "Skip" => Mark::Neutral,
            _ => Mark::Unknown,
        };
        let (mark, rule) = (look.mark(mark), &line.rule);
        format!(
            "{number:>2} {mark} {:<4}  {rule:<width$}  {}",
            line.verdict,
            one_line(&line.because)
        )
        .trim_end()
        .to_owned()
    })
}

fn conditions(conditions: &[Condition], look: Look) -> impl Iterator<Item = String> {
    let width = |of: fn(&Condition) -> &str| {
        conditions
            .iter()
            .map(|c| of(c).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (types, reasons) = (
        width(|condition| &condition.type_),
        width(|condition| &condition.reason),
    );
    conditions.iter().map(move |condition| {
        // Only the icon is neutral: whether True is good depends on the type, and the word says it.
        let mark = look.mark(if condition.status == "Unknown" {
            Mark::Unknown
        } else {
            Mark::Neutral
        });
        let Condition {
            type_,
            status,
            reason,
            message,
            ..
        } = condition;
        let message = one_line(message);
        format!(" {mark} {type_:<types$}  {status:<7}  {reason:<reasons$}  {message}")
            .trim_end()
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(status: &serde_json::Value) -> Permit {
        serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "checkout-7f3c9", "namespace": "shop"},
            "spec": {"template": "production-change", "purpose": "p", "targets": [], "requestedBy": {"username": "alice"}},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_decision_is_told_rule_by_rule() {
        let status = json!({
            "phase": "InReview", "summary": {"message": "needs 1 more approval"},
            "trace": [{"rule": "template", "verdict": "Pass", "because": "level 2"},
                {"rule": "approvals", "verdict": "Wait", "because": "1 of 2"},
                {"rule": "scope", "verdict": "Skip", "because": ""}],
            "conditions": [{"type": "Accepted", "status": "True", "reason": "Valid", "message": "m",
                "lastTransitionTime": "2026-11-21T21:00:00Z"}],
        });
        let expected = "\
Permit     checkout-7f3c9 in shop
Phase      InReview
Who        alice
Template   production-change
Purpose    p
Message    needs 1 more approval

 1 ✔ Pass  template   level 2
 2 ◷ Wait  approvals  1 of 2
 3 • Skip  scope

Conditions
 • Accepted  True     Valid  m";
        assert_eq!(
            render(
                &permit(&status),
                Look {
                    unicode: true,
                    colour: false
                }
            ),
            expected
        );
    }

    #[test]
    fn a_permit_without_a_decision_says_so() {
        let text = render(
            &permit(&json!(null)),
            Look {
                unicode: true,
                colour: false,
            },
        );
        assert!(
            text.ends_with("no decision yet: the operator has not seen this permit"),
            "{text}"
        );
    }

    #[test]
    fn a_revocation_tells_its_reason_and_outcome() {
        let status = json!({"phase": "Revoked", "outcome": "RolledBack", "revocation": {"reason": "SafetyViolation",
            "approval": "a", "message": "error rate 4%", "rollback": "Done"}});
        let text = render(
            &permit(&status),
            Look {
                unicode: true,
                colour: false,
            },
        );
        assert!(
            text.contains("Revoked (RolledBack; SafetyViolation: error rate 4%)"),
            "{text}"
        );
    }
}
