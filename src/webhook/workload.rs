//! The gate over workloads: gather, judge, answer.
//!
//! A denial may come from the caches. Before any admission that rests on a permit, permit, approvals and rights are
//! read live and everything is judged again. Decides nothing itself.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use rand::Rng as _;
use tracing::info;

use super::review::{Answer, Request};
use super::{Gate, handover::Handover, live};
use crate::api::permit::Permit;
use crate::api::vocabulary::GateMode;
use crate::api::{ENVIRONMENT_LABEL, GATE_LABEL};
use crate::cluster::client::CallError;
use crate::domain::gate::{
    Candidate, DRY_RUN_ADMITS, DRY_RUN_DENIES, GateDecision, GateWorld, gate as judge,
};
use crate::domain::parse;
use crate::domain::request::target_key;
use crate::domain::standing::environment_of;
use crate::domain::template::{Template, governing};

/// Judges one change to a workload.
pub(super) async fn review(
    gate: &Gate,
    request: &Request,
    is_enforced: bool,
) -> Result<Answer, CallError> {
    let mut world = gather(gate, request).await?;
    // The API server chose the path by the label as it is; the cache may not have seen it yet.
    if is_enforced {
        world.mode = GateMode::Enforce;
    }
    let mut decision = judge(&world);
    if decision.judged.permit_uid.is_some()
        || (!decision.judged.admits && !world.candidates.is_empty())
    {
        // The caches carry no rights: what could be covered is read and asked live, then judged again.
        let mut fresh = Vec::new();
        for candidate in &world.candidates {
            // What has ended can only deny, and a denial may come from the caches.
            if candidate
                .recorded
                .is_some_and(super::super::api::vocabulary::Phase::is_terminal)
            {
                fresh.push(candidate.clone());
            } else {
                fresh.extend(live::candidate(gate, candidate).await?);
            }
        }
        world.candidates = fresh;
        decision = judge(&world);
    }
    Ok(answer(gate, request, &world, &decision))
}

async fn gather(gate: &Gate, request: &Request) -> Result<GateWorld, CallError> {
    let (namespace, name) = (request.namespace.clone(), request.object_name());
    let labels = gate.caches.namespace_labels(&namespace).unwrap_or_default();
    let facts = gate.caches.facts(&namespace);
    let is_scale = request.sub_resource == "scale";
    let environment = environment_of(labels.get(ENVIRONMENT_LABEL).map(String::as_str)).to_owned();
    let key = format!("Deployment/{name}");
    let named = gate.caches.permits_naming(&namespace, &key);
    let mut candidates = Vec::new();
    for permit in &named {
        let mut found = candidate(gate, permit, &named, facts.as_ref());
        found.may_see = gate
            .access
            .may_get(&request.identity(), (&namespace, &found.request.name))
            .await
            == Some(true);
        candidates.push(found);
    }
    Ok(GateWorld {
        now: gate.clock.now(),
        decision_id: decision_id(),
        mode: GateMode::of_label(
            labels.get(GATE_LABEL).map(String::as_str),
            gate.default_mode,
        ),
        username: request.user_info.username.clone(),
        operator: gate.operator.clone(),
        is_scale,
        old: request.old_object.clone(),
        new: request.object.clone(),
        parent: if is_scale {
            live::parent(gate, &namespace, &name).await?
        } else {
            None
        },
        templates: templates(gate),
        environment,
        facts,
        candidates,
        namespace,
        name,
    })
}

fn candidate(
    gate: &Gate,
    permit: &Permit,
    others: &[std::sync::Arc<Permit>],
    facts: Option<&crate::api::facts::Facts>,
) -> Candidate {
    let (parsed, _) = parse::request(permit);
    let revisions = gate.caches.revisions(&parsed.spec.template);
    let template = governing(&revisions, parsed.created).and_then(|r| r.template.clone().ok());
    let targets: Vec<_> = parsed.spec.targets.iter().map(target_key).collect();
    let runs_here = |p: &&std::sync::Arc<Permit>| {
        let running = p
            .status
            .as_ref()
            .and_then(|s| s.phase)
            .is_some_and(super::super::api::vocabulary::Phase::is_running);
        let shares = p
            .spec
            .targets
            .iter()
            .any(|t| targets.contains(&target_key(t)));
        let armed = p
            .uid()
            .is_some_and(|uid| facts.is_some_and(|f| f.armed.contains_key(&uid)));
        p.uid() != permit.uid() && running && shares && armed
    };
    Candidate {
        template,
        ballots: Vec::new(),
        may_use: None,
        recorded: permit.status.as_ref().and_then(|s| s.phase),
        held: false,
        busy_with: others.iter().find(runs_here).map(|p| p.name_any()),
        may_see: false,
        request: parsed,
    }
}

fn templates(gate: &Gate) -> Vec<Template> {
    gate.caches.sound_templates()
}

/// An identity for one decision; random, so that two gates never share one.
fn decision_id() -> String {
    format!("d-{:08x}", rand::rng().random::<u32>())
}

/// Puts a decision on the wire, by the namespace's mode.
fn answer(gate: &Gate, request: &Request, world: &GateWorld, decision: &GateDecision) -> Answer {
    let (judged, mode) = (&decision.judged, world.mode);
    let code = judged.code.as_str();
    let verdict = if judged.admits { "admit" } else { "deny" };
    gate.metrics
        .gate_decisions
        .with_label_values(&[verdict, code, mode.as_str()])
        .inc();
    info!(
        decision_id = %world.decision_id, verdict, code, namespace = %world.namespace, deployment = %world.name,
        dry_run = request.is_dry_run(), why = %judged.why, "gate decided"
    );
    let annotations = BTreeMap::from([
        ("decision".to_owned(), verdict.to_owned()),
        ("reason".to_owned(), code.to_owned()),
        ("decision-id".to_owned(), world.decision_id.clone()),
    ]);
    let mut answer = by_mode(request, mode, decision);
    answer.annotations = annotations;
    if let Some(permit) = judged.permit.as_deref().filter(|p| !p.is_empty()) {
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
        (true, false, _) => match (&judged.permit, &judged.obligation) {
            (Some(permit), Some(obligation)) => {
                Answer::admit().warn(&format!("permit {permit}: {obligation}"))
            }
            _ => Answer::admit(),
        },
        (false, false, GateMode::Warn) => Answer::admit().warn(first),
        (false, false, GateMode::Audit | GateMode::Off) => Answer::admit(),
        (false, false, GateMode::Enforce) => Answer::deny(decision.message.clone()),
    }
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
