//! How a decision about a workload goes on the wire: by the namespace's mode, to logs, figures and the audit log.

use std::collections::BTreeMap;

use tracing::info;

use crate::api::vocabulary::GateMode;
use crate::domain::gate::{DRY_RUN_ADMITS, DRY_RUN_DENIES, GateDecision, GateWorld, Judged};
use crate::webhook::Gate;
use crate::webhook::handover::Handover;
use crate::webhook::review::{Answer, Request};

/// Puts a decision on the wire. `permit` is its name for the audit log, which the one who changes does not read.
pub(super) fn answer(
    gate: &Gate,
    request: &Request,
    world: &GateWorld,
    (decision, permit): (&GateDecision, Option<&str>),
) -> Answer {
    let (judged, mode) = (&decision.judged, world.mode);
    let code = judged.code.as_str();
    let verdict = if judged.admits { "admit" } else { "deny" };
    gate.metrics
        .gate_decisions
        .with_label_values(&[verdict, code, mode.as_str()])
        .inc();
    info!(
        decision_id = %world.decision_id, verdict, code, namespace = %world.namespace, kind = %world.kind, name = %world.name,
        dry_run = request.is_dry_run(), why = %judged.why, "gate decided"
    );
    let mut answer = by_mode(request, mode, decision);
    answer.annotations = BTreeMap::from([
        ("decision".to_owned(), verdict.to_owned()),
        ("reason".to_owned(), code.to_owned()),
        ("decision-id".to_owned(), world.decision_id.clone()),
    ]);
    if let Some(permit) = permit {
        answer = answer.annotate("permit", permit);
    }
    if answer.is_allowed()
        && !request.is_dry_run()
        && let Some(permit_uid) = &judged.permit_uid
    {
        hand_over(gate, permit_uid, world);
    }
    answer
}

fn by_mode(request: &Request, mode: GateMode, decision: &GateDecision) -> Answer {
    let judged = &decision.judged;
    let first = decision.message.lines().next().unwrap_or_default();
    match (judged.admits, request.is_dry_run(), mode) {
        (true, true, _) => Answer::admit().warn(&format!("{DRY_RUN_ADMITS}: {}", judged.why)),
        (false, true, GateMode::Enforce) => {
            Answer::admit().warn(&format!("{DRY_RUN_DENIES}: {first}"))
        }
        // What a dry run foretells is what the change then meets: here it is reported only.
        (false, true, GateMode::Warn | GateMode::Audit | GateMode::Off) => {
            let told = format!(
                "{DRY_RUN_ADMITS}: mode {} reports only; enforce says {first}",
                mode.as_str()
            );
            Answer::admit().warn(&told)
        }
        (true, false, _) => admitted(judged),
        (false, false, GateMode::Warn) => Answer::admit().warn(first),
        (false, false, GateMode::Audit | GateMode::Off) => Answer::admit(),
        (false, false, GateMode::Enforce) => Answer::deny(decision.message.clone()),
    }
}

/// An admission with what whoever made the change should know.
fn admitted(judged: &Judged) -> Answer {
    let answer = match (judged.permit.as_deref(), &judged.obligation) {
        (Some(""), Some(obligation)) => Answer::admit().warn(obligation),
        (Some(permit), Some(obligation)) => {
            Answer::admit().warn(&format!("permit {permit}: {obligation}"))
        }
        _ => Answer::admit(),
    };
    let notes = judged.notes.iter();
    notes.fold(answer, |answer, note| answer.warn(note))
}

/// Never waited for: a full channel is a loss that is counted.
fn hand_over(gate: &Gate, permit_uid: &str, world: &GateWorld) {
    let handover = Handover {
        permit_uid: permit_uid.to_owned(),
        username: world.username.clone(),
        decision_id: world.decision_id.clone(),
    };
    if gate.handover.try_send(handover).is_err() {
        gate.metrics.handover_lost.inc();
    }
}
