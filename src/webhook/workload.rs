//! The gate over workloads: gather, judge, answer.
//!
//! A denial may come from the caches. Before any admission that rests on a permit, permit, approvals and rights are
//! read live and everything is judged again. Decides nothing itself.

mod answer;
mod matter;

use std::cmp::Reverse;

use futures::future::try_join_all;
use rand::Rng as _;

use super::review::{Answer, Request};
use super::{Gate, live};
use crate::api::ENVIRONMENT_LABEL;
use crate::api::config::Exemption;
use crate::api::facts::Facts;
use crate::api::kind::WorkloadKind;
use crate::api::vocabulary::{GateMode, Phase};
use crate::cluster::caches::{Card, Known};
use crate::cluster::client::CallError;
use crate::domain::gate::{Candidate, Code, GateDecision, GateWorld, gate as judge};
use crate::domain::parse;
use crate::domain::standing::environment_of;
use crate::domain::template::governing;

/// Of the permits that have ended, this many of the newest are looked at: one of them may be why a change is refused.
const ENDED: usize = 16;

/// Of the permits that are not armed, this many are read live for the story of a refusal.
const CLOSEST: usize = 3;

pub(super) use matter::kind_of;

/// Judges one change to a workload.
pub(super) async fn review(
    gate: &Gate,
    request: &mut Request,
    (kind, is_enforced): (WorkloadKind, bool),
) -> Result<Answer, CallError> {
    let mut world = gather(gate, request, kind).await?;
    // The API server chose the path by the label as it is; the cache may not have seen it yet.
    if is_enforced {
        world.mode = GateMode::Enforce;
    }
    let mut decision = judge(&world);
    let guess = told(&decision).map(str::to_owned);
    let is_moot = decision.judged.admits && decision.judged.permit_uid.is_none();
    let mut may_see = None;
    if !is_moot && !world.candidates.is_empty() {
        let (fresh, sees) = futures::join!(
            live_judgement(gate, &mut world),
            may_see_permit(gate, request, guess.as_deref())
        );
        (decision, may_see) = (fresh?, sees);
    }
    let name = told(&decision).map(str::to_owned);
    if name != guess {
        may_see = may_see_permit(gate, request, name.as_deref()).await;
    }
    // Nothing of a permit is told to somebody who may not get it.
    if name.is_some() && may_see != Some(true) {
        for candidate in &mut world.candidates {
            candidate.may_see = false;
        }
        decision = judge(&world);
    } else if decision.judged.code == Code::TargetBusy {
        hide_busy(gate, request, &mut world).await;
        decision = judge(&world);
    }
    let said = (&decision, name.as_deref());
    Ok(answer::answer(gate, request, &world, said))
}

/// Which permit runs on the workload is told to whoever may get that one too.
async fn hide_busy(gate: &Gate, request: &Request, world: &mut GateWorld) {
    for candidate in &mut world.candidates {
        if let Some(busy) = &mut candidate.busy_with
            && may_see_permit(gate, request, Some(busy)).await != Some(true)
        {
            busy.clear();
        }
    }
}

/// The permit that a decision tells of.
fn told(decision: &GateDecision) -> Option<&str> {
    decision.judged.permit.as_deref().filter(|p| !p.is_empty())
}

async fn may_see_permit(gate: &Gate, request: &Request, name: Option<&str>) -> Option<bool> {
    let permit = (request.namespace.as_str(), name?);
    gate.access.may_get(&request.identity(), permit).await
}

/// Judges again on what is read and asked live: every permit that could cover the change, side by side; and if none
/// does, the one that is told of.
async fn live_judgement(gate: &Gate, world: &mut GateWorld) -> Result<GateDecision, CallError> {
    let facts = world.facts.clone().unwrap_or_default();
    // What is not armed admits nothing, whatever people have said; what has ended can only deny.
    let could = |c: &Candidate| facts.armed.contains_key(&c.request.uid);
    refresh(gate, world, could).await?;
    let mut read = Vec::new();
    loop {
        let decision = judge(world);
        let closest = told(&decision).filter(|_| !decision.judged.admits);
        let Some(closest) = closest.filter(|_| read.len() < CLOSEST) else {
            return Ok(decision);
        };
        if read.iter().any(|name| name == closest) {
            return Ok(decision);
        }
        let is_unread = |c: &Candidate| c.request.name == closest && !could(c);
        refresh(gate, world, is_unread).await?;
        read.push(closest.to_owned());
    }
}

fn has_ended(candidate: &Candidate) -> bool {
    candidate.recorded.is_some_and(Phase::is_terminal)
}

/// Reads some of the candidates anew; what is there no more is no candidate.
async fn refresh(
    gate: &Gate,
    world: &mut GateWorld,
    picks: impl Fn(&Candidate) -> bool,
) -> Result<(), CallError> {
    let reads = world.candidates.iter().map(|candidate| {
        let is_picked = picks(candidate) && !has_ended(candidate);
        async move {
            if is_picked {
                live::candidate(gate, candidate).await
            } else {
                Ok(Some(candidate.clone()))
            }
        }
    });
    let fresh = try_join_all(reads).await?;
    world.candidates = fresh.into_iter().flatten().collect();
    // A window may have closed meanwhile.
    world.now = gate.clock.now();
    Ok(())
}

async fn gather(
    gate: &Gate,
    request: &mut Request,
    kind: WorkloadKind,
) -> Result<GateWorld, CallError> {
    let (namespace, name) = (request.namespace.clone(), request.object_name());
    let (old, new) = request.take_objects();
    let labels = gate.caches.namespace_labels(&namespace).unwrap_or_default();
    let is_scale = request.sub_resource == "scale";
    let environment = environment_of(labels.get(ENVIRONMENT_LABEL).map(String::as_str)).to_owned();
    let key = format!("{kind}/{name}");
    let now = gate.clock.now();
    let (templates, unreadable) = gate.caches.templates();
    let in_force = gate.caches.in_force(now, (&namespace, &environment));
    let of_user = |e: &&Exemption| e.username == request.user_info.username;
    let exemptions = in_force.config.exemptions.iter();
    let exemptions = exemptions.filter(of_user).cloned().collect();
    let facts = gate.caches.shared_facts(&namespace);
    let candidates = candidates(
        gate,
        &gate.caches.permits_naming(&namespace, &key),
        facts.as_deref(),
    );
    Ok(GateWorld {
        now,
        decision_id: decision_id(),
        mode: gate.mode(&namespace),
        username: request.user_info.username.clone(),
        has_credential: request.user_info.has_credential(),
        operator: gate.operator.clone(),
        is_scale,
        old,
        new,
        parent: if is_scale {
            live::parent(gate, &kind, (&namespace, &name)).await?
        } else {
            None
        },
        templates,
        unreadable,
        frozen: in_force.frozen,
        unsound: in_force.unsound,
        exemptions,
        environment,
        facts: facts.map(|f| facts_about(&f, &key, &candidates)),
        candidates,
        namespace,
        kind,
        name,
    })
}

/// The permits that name the workload, as the caches know them.
fn candidates(gate: &Gate, named: &[Known], facts: Option<&Facts>) -> Vec<Candidate> {
    let ended = |p: &&Known| p.card.phase().is_some_and(Phase::is_terminal);
    let armed = |card: &Card| facts.is_some_and(|f| f.armed.contains_key(&**card.uid()));
    let running: Vec<_> = named
        .iter()
        .filter(|p| p.card.phase().is_some_and(Phase::is_running) && armed(&p.card))
        .collect();
    let (mut at_end, open): (Vec<_>, Vec<_>) = named.iter().partition(ended);
    at_end.sort_by_key(|p| Reverse(p.card.created()));
    at_end.truncate(ENDED);
    let one = |known: &Known| {
        // What cannot be read is as if it were absent: it permits nothing.
        let (request, _) = parse::request(&known.asking()?);
        let revisions = gate.caches.revisions(&request.spec.template);
        Some(Candidate {
            template: governing(&revisions, request.created).and_then(|r| r.template.clone().ok()),
            ballots: Vec::new(),
            may_use: None,
            recorded: known.card.phase(),
            held: false,
            busy_with: running
                .iter()
                .find(|p| p.card.uid() != known.card.uid())
                .map(|p| p.name.to_string()),
            // Asked only of the one that is told of, before anything is said.
            may_see: true,
            request,
        })
    };
    open.into_iter().chain(at_end).filter_map(one).collect()
}

/// The part of a namespace's facts that one decision can rest on.
fn facts_about(facts: &Facts, key: &str, candidates: &[Candidate]) -> Facts {
    let is_candidate = |uid: &str| candidates.iter().any(|c| c.request.uid == uid);
    let baselines = facts.baselines.get(key).cloned();
    let armed = facts
        .armed
        .iter()
        .filter(|(uid, armed)| armed.targets.contains_key(key) || is_candidate(uid));
    let spent = candidates.iter().filter_map(|c| {
        let spent = facts.spent.get(&c.request.uid)?;
        Some((c.request.uid.clone(), spent.clone()))
    });
    Facts {
        baselines: baselines.into_iter().map(|b| (key.to_owned(), b)).collect(),
        armed: armed.map(|(uid, a)| (uid.clone(), a.clone())).collect(),
        spent: spent.collect(),
        ..Facts::default()
    }
}

/// An identity for one decision; random, so that two gates never share one.
fn decision_id() -> String {
    format!("d-{:08x}", rand::rng().random::<u32>())
}
