//! The rows below one permit: its approvals, workloads and checks.
//!
//! Pure: from objects to cells. Concludes nothing from what it shows.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::age::age;
use super::look::{Look, Mark, phase_mark};
use super::table;
use super::tree::View;
use crate::api::permit::{CheckStatus, Summary};
use crate::api::vocabulary::{Decision, Phase};
use crate::api::{Approval, Permit};

/// One row below the permit.
struct Row {
    mark: Mark,
    name: String,
    kind: &'static str,
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
        .map(|(name, found)| of_workload(name, found.as_ref(), now));
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
            row.kind.to_owned(),
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
        kind: "Permit",
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
        kind: "Approval",
        state: spec.decision.to_string(),
        age: age(approval.metadata.creation_timestamp.as_ref(), now),
        info: format!("{role}\"{}\"", one_line(&spec.reasoning)),
    }
}

fn of_workload(name: &str, found: Option<&Deployment>, now: Timestamp) -> Row {
    let bare = |state: &str| Row {
        mark: Mark::Unknown,
        name: name.to_owned(),
        kind: "Deployment",
        state: state.to_owned(),
        age: String::new(),
        info: String::new(),
    };
    let Some(found) = found else {
        return bare("not seen");
    };
    let status = found.status.clone().unwrap_or_default();
    let wanted = found
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let (ready, updated) = (
        status.ready_replicas.unwrap_or(0),
        status.updated_replicas.unwrap_or(0),
    );
    let is_complete =
        updated == wanted && ready == wanted && status.replicas.unwrap_or(0) == wanted;
    let revision = found
        .annotations()
        .get("deployment.kubernetes.io/revision")
        .map_or("-", String::as_str);
    let pod = found
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let images = containers
        .iter()
        .filter_map(|container| container.image.clone())
        .collect::<Vec<_>>()
        .join(", ");
    Row {
        mark: if is_complete {
            Mark::Good
        } else {
            Mark::Running
        },
        age: age(found.metadata.creation_timestamp.as_ref(), now),
        info: format!("{images}; {updated} updated, {ready} of {wanted} ready"),
        ..bare(&format!("revision {revision}"))
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
        kind: "Check",
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
