//! The rows below one permit: its approvals, workloads and checks.
//!
//! Pure: from objects to cells. Concludes nothing from what it shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::Value;

use super::age::age;
use super::look::{Look, Mark, phase_mark};
use super::stand::{Standing, standing};
use super::table;
use super::tree::View;
use crate::api::permit::{CheckStatus, Summary, Target};
use crate::api::vocabulary::{Decision, Phase};
use crate::api::{Approval, Permit};

/// One row below the permit.
struct Row {
    mark: Mark,
    name: String,
    kind: String,
    state: String,
    age: String,
    info: String,
}

/// The table of rows, the permit's own first.
pub(super) fn render(view: &View<'_>, look: Look, now: Timestamp) -> String {
    let approvals = view
        .approvals
        .iter()
        .map(|approval| of_approval(approval, now));
    let workloads = view
        .workloads
        .iter()
        .map(|(target, found)| of_workload(target, found.as_ref(), now));
    let checks = view
        .permit
        .status
        .iter()
        .flat_map(|status| &status.checks)
        .map(|check| of_check(check, now));
    let children: Vec<Row> = approvals.chain(workloads).chain(checks).collect();
    let cells = |row: &Row, before: &str| {
        let name = format!(
            "{before}{} {}",
            Look {
                colour: false,
                ..look
            }
            .mark(row.mark),
            row.name
        );
        vec![
            name,
            row.kind.clone(),
            row.state.clone(),
            row.age.clone(),
            row.info.clone(),
        ]
    };
    let last = children.len().saturating_sub(1);
    let branches = children
        .iter()
        .enumerate()
        .map(|(at, row)| cells(row, look.branch(at == last)));
    let all: Vec<Vec<String>> = std::iter::once(cells(&of_permit(view.permit, now), ""))
        .chain(branches)
        .collect();
    table::render(&["NAME", "KIND", "STATE", "AGE", "INFO"], &all)
}

fn of_permit(permit: &Permit, now: Timestamp) -> Row {
    let status = permit.status.as_ref();
    let phase = status.and_then(|status| status.phase);
    let Summary {
        approvals, change, ..
    } = status
        .map(|status| status.summary.clone())
        .unwrap_or_default();
    let approvals = if approvals.is_empty() {
        approvals
    } else {
        format!("{approvals} approvals")
    };
    let info: Vec<String> = [approvals, change]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    Row {
        mark: phase_mark(phase),
        name: permit.name_any(),
        kind: "Permit".to_owned(),
        state: phase.unwrap_or(Phase::Requested).to_string(),
        age: age(permit.metadata.creation_timestamp.as_ref(), now),
        info: info.join(", "),
    }
}

fn of_approval(approval: &Approval, now: Timestamp) -> Row {
    let spec = &approval.spec;
    let mark = match spec.decision {
        Decision::Approve | Decision::Resume => Mark::Good,
        Decision::Reject | Decision::Revoke | Decision::Cancel => Mark::Bad,
        Decision::RequestChanges => Mark::Warning,
        Decision::Withdraw => Mark::Neutral,
    };
    let approver = spec
        .approver
        .as_ref()
        .map(|approver| approver.username.clone());
    let sender = spec
        .submitted_by
        .as_ref()
        .map(|identity| identity.username.clone());
    let role = spec
        .role
        .as_ref()
        .map(|role| format!("{role}: "))
        .unwrap_or_default();
    Row {
        mark,
        name: approver.or(sender).unwrap_or_else(|| approval.name_any()),
        kind: "Approval".to_owned(),
        state: spec.decision.to_string(),
        age: age(approval.metadata.creation_timestamp.as_ref(), now),
        info: format!("{role}\"{}\"", one_line(&spec.reasoning)),
    }
}

fn of_workload(target: &Target, found: Option<&Value>, now: Timestamp) -> Row {
    let standing = found.map_or_else(Standing::unseen, |found| standing(&target.kind, found));
    let created = found
        .and_then(|found| found.pointer("/metadata/creationTimestamp"))
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .map(Time);
    Row {
        mark: standing.mark,
        name: target.name.clone(),
        kind: target.kind.to_string(),
        state: one_line(&standing.state),
        age: created.map_or_else(String::new, |time| age(Some(&time), now)),
        info: one_line(&standing.info),
    }
}

fn of_check(check: &CheckStatus, now: Timestamp) -> Row {
    let mark = match check.verdict.as_str() {
        "Healthy" => Mark::Good,
        "Breached" => Mark::Bad,
        _ => Mark::Unknown,
    };
    let value = check
        .value
        .as_ref()
        .map(|value| format!(", {value}"))
        .unwrap_or_default();
    Row {
        mark,
        name: check.name.clone(),
        kind: "Check".to_owned(),
        state: check.verdict.clone(),
        age: check
            .time
            .as_ref()
            .map(|time| age(Some(time), now))
            .unwrap_or_default(),
        info: format!(
            "{}{value} (limit {}): {}",
            check.target,
            check.limit,
            one_line(&check.reason)
        ),
    }
}

/// What people wrote, on one line and without characters that a terminal would obey.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
