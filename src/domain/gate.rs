//! The gate: may this change to a workload be stored?
//!
//! One question, asked in one order (`decisions.md` 13); the first failure is the reason, every step is in the trace.
//! Recomputes a permit's authority from request, approvals and facts; a recorded status can only deny. Does not know
//! how the facts were read, nor who is told.

mod exempt;
mod message;
mod world;

pub use message::{DRY_RUN_ADMITS, DRY_RUN_DENIES, line};
pub use world::{Candidate, Code, GateDecision, GateWorld, Judged};

use super::canonical::spec_digest;
use super::change::Change;
use super::scope::covers;
use super::standing::{Case, Standing, stamp, standing};
use super::template::{PRODUCTION, Template, governs_operations, governs_place};
use super::trace::{Rule, Trace, Verdict};
use crate::api::facts::Prior;
use crate::api::vocabulary::{GateMode, Operation};

/// Judges one change.
pub fn gate(world: &GateWorld) -> GateDecision {
    let mut trace = Trace::default();
    let judged = judge(world, &mut trace);
    message::decision(world, judged, trace)
}

fn judge(world: &GateWorld, trace: &mut Trace) -> Judged {
    if world.mode == GateMode::Off {
        trace.push(Rule::Enrolment, Verdict::Skip, "the namespace is not gated");
        return Judged::admit("the namespace is not gated");
    }
    trace.push(
        Rule::Enrolment,
        Verdict::Pass,
        format!("{:?}, environment {}", world.mode, world.environment),
    );
    if let Some(why) = exempt::exemption(world) {
        trace.push(Rule::Exemption, Verdict::Pass, why);
        return Judged::admit(why);
    }
    trace.push(
        Rule::Exemption,
        Verdict::Skip,
        "none for this user and shape",
    );
    let change = Change::between(world.old.as_ref(), world.new.as_ref());
    if change.is_empty() {
        trace.push(Rule::Change, Verdict::Skip, "nothing that runs changes");
        return Judged::admit("nothing that runs changes");
    }
    let words: Vec<_> = change.operations.iter().map(ToString::to_string).collect();
    trace.push(Rule::Change, Verdict::Pass, words.join(", "));
    if is_baseline(world, &change) {
        trace.push(
            Rule::Baseline,
            Verdict::Pass,
            "the outcome is the recorded baseline",
        );
        return Judged::admit("the outcome is the recorded baseline");
    }
    trace.push(Rule::Baseline, Verdict::Skip, "differs");
    if let Some(template) = automatic(world, &change) {
        trace.push(
            Rule::Template,
            Verdict::Pass,
            format!("{template}: granted automatically"),
        );
        return Judged::admit("granted automatically by its template");
    }
    by_permit(world, &change, trace)
}

/// The outcome is what was permitted and validated before. Replicas are a matter of their own, and so is whatever
/// asks a controller to restore or collect.
fn is_baseline(world: &GateWorld, change: &Change) -> bool {
    let moves_only_spec = |o: &Operation| {
        !matches!(
            o,
            Operation::Scale | Operation::Rollback | Operation::Delete
        )
    };
    let Some(new) = world
        .new
        .as_ref()
        .filter(|_| !world.is_scale && change.operations.iter().all(moves_only_spec))
    else {
        return false;
    };
    let digest = spec_digest(new);
    let recorded = world
        .facts
        .as_ref()
        .and_then(|f| f.baselines.get(&world.key()));
    recorded.is_some_and(|b| digest.is_some_and(|d| d.as_str() == b.spec_digest))
}

/// The template that grants this without a person, if the one that governs does.
fn automatic<'a>(world: &'a GateWorld, change: &Change) -> Option<&'a str> {
    let to_zero = world.stops_everything() && world.environment == PRODUCTION;
    let governs = |t: &&Template| {
        governs_place(&t.applies_to, &world.namespace, &world.environment)
            && governs_operations(&t.applies_to, &change.operations)
    };
    // The highest level governs; of equals the first by name.
    let mut governing: Vec<_> = world.templates.iter().filter(governs).collect();
    governing.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.name.cmp(&b.name)));
    let first = governing.first()?;
    let raises = change
        .operations
        .iter()
        .any(|o| matches!(o, Operation::Delete | Operation::Rollback));
    // Scaling up from nothing starts whatever template lies there (threat row 1).
    let wakes_unknown = world.wakes() && !world.parent_is_baseline();
    (first.is_automatic() && !to_zero && !raises && !wakes_unknown).then_some(first.name.as_str())
}

/// Each candidate is judged whole; permits never combine (threat row 44). The one that came furthest gives the reason.
fn by_permit(world: &GateWorld, change: &Change, trace: &mut Trace) -> Judged {
    let mut closest: Option<((bool, usize), Judged, Trace)> = None;
    for candidate in &world.candidates {
        let mut own = Trace::default();
        let judged = one(world, candidate, change, &mut own);
        if judged.admits {
            trace.0.extend(own.0);
            return judged;
        }
        // A permit for exactly this outcome tells more than one that got further with another.
        let far = (in_scope(world, candidate, change).is_ok(), own.0.len());
        if closest.as_ref().is_none_or(|(best, ..)| far > *best) {
            closest = Some((far, judged, own));
        }
    }
    // Nobody is helped by the story of a permit that has ended and was for something else.
    let telling = closest.filter(|((in_scope, _), judged, _)| *in_scope || !judged.code.is_end());
    if let Some((_, judged, own)) = telling {
        trace.0.extend(own.0);
        judged
    } else {
        trace.push(
            Rule::Approvals,
            Verdict::Fail,
            "no open permit names this workload",
        );
        Judged::deny(Code::PermitRequired, "no permit covers it")
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "the rules about one permit in their order"
)]
fn one(world: &GateWorld, candidate: &Candidate, change: &Change, trace: &mut Trace) -> Judged {
    let deny = |code, why: String| Judged {
        permit: Some(candidate.seen_name()),
        ..Judged::deny(code, why)
    };
    let Some(template) = &candidate.template else {
        trace.push(
            Rule::Template,
            Verdict::Wait,
            "its template revision is not on record",
        );
        return deny(
            Code::PermitPending,
            "its template is not on record yet".into(),
        );
    };
    let case = Case {
        now: world.now,
        request: &candidate.request,
        template,
        ballots: &candidate.ballots,
        environment: &world.environment,
        may_use: candidate.may_use,
        armed: world
            .facts
            .as_ref()
            .and_then(|f| f.armed.get(&candidate.request.uid)),
        spent: world
            .facts
            .as_ref()
            .and_then(|f| f.spent.get(&candidate.request.uid)),
    };
    let window = match standing(&case, candidate.recorded, trace) {
        Standing::InForce(window) => window,
        Standing::Pending(why) => return deny(Code::PermitPending, why),
        Standing::Refused(refusal) => return deny(Code::PermitPending, refusal.message),
        Standing::NotYet(window) => {
            return deny(
                Code::PermitWindow,
                format!("its window opens {}", stamp(window.opens)),
            );
        }
        Standing::Lapsed(window) => {
            return deny(
                Code::PermitExpired,
                format!("its window closed {}", stamp(window.closes)),
            );
        }
        Standing::Ended(phase, why) => return deny(Code::of_end(phase), why),
    };
    if !candidate.request.may_execute(&world.username) {
        trace.push(
            Rule::Subject,
            Verdict::Fail,
            "this user is no executor of the permit",
        );
        return deny(
            Code::PermitSubject,
            "you are not one of its executors".into(),
        );
    }
    trace.push(Rule::Subject, Verdict::Pass, world.username.clone());
    if let Err(why) = in_scope(world, candidate, change) {
        trace.push(Rule::Scope, Verdict::Fail, why.clone());
        return deny(Code::PermitScope, why);
    }
    trace.push(
        Rule::Scope,
        Verdict::Pass,
        "the change is what was permitted",
    );
    let prior = case.armed.and_then(|a| a.targets.get(&world.key()));
    if !starts_from(world, candidate, prior) {
        let why = "the state to return to is being recorded; try again in a moment";
        trace.push(Rule::Prior, Verdict::Wait, why);
        return deny(Code::PermitPending, why.into());
    }
    trace.push(
        Rule::Prior,
        Verdict::Pass,
        "the state to return to is on record",
    );
    if let Some(other) = &candidate.busy_with {
        trace.push(
            Rule::Target,
            Verdict::Fail,
            format!("permit {other} runs on it"),
        );
        return deny(
            Code::TargetBusy,
            "another permitted change is running on it".into(),
        );
    }
    if candidate.held {
        trace.push(Rule::Guard, Verdict::Fail, "held by the guard");
        return deny(
            Code::TargetBusy,
            "the guard holds it; a person resumes or revokes".into(),
        );
    }
    trace.push(Rule::Target, Verdict::Pass, "no other permit runs on it");
    Judged {
        obligation: Some(format!(
            "may start until {}; the guard watches for {}s",
            stamp(window.closes),
            template.soak.as_secs()
        )),
        permit_uid: Some(candidate.request.uid.clone()),
        permit: Some(candidate.seen_name()),
        ..Judged::admit("a permit covers it")
    }
}

fn in_scope(world: &GateWorld, candidate: &Candidate, change: &Change) -> Result<(), String> {
    let target = candidate
        .request
        .spec
        .targets
        .iter()
        .find(|t| t.name == world.name);
    let target = target.ok_or("the permit does not name this workload")?;
    if world.is_scale {
        let scales_only = change.operations.iter().all(|o| *o == Operation::Scale);
        let may = scales_only && target.operations.contains(&Operation::Scale);
        return if may {
            Ok(())
        } else {
            Err("outside the permitted operations: Scale".into())
        };
    }
    covers(target, world.old.as_ref(), world.new.as_ref()).map_err(|outside| outside.to_string())
}

/// The change starts from exactly the state on record, or from the permitted outcome itself: the same outcome again
/// is harmless (threat rule 2).
fn starts_from(world: &GateWorld, candidate: &Candidate, prior: Option<&Prior>) -> bool {
    let Some(prior) = prior else { return false };
    if world.is_scale {
        return true;
    }
    let Some(old) = &world.old else {
        return prior.uid.is_empty();
    };
    let uid = old
        .pointer("/metadata/uid")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let same = spec_digest(old).is_some_and(|d| d.as_str() == prior.spec_digest);
    if prior.uid == uid && same {
        return true;
    }
    let before = Some(&prior.object).filter(|o| !o.is_null());
    let target = candidate
        .request
        .spec
        .targets
        .iter()
        .find(|t| t.name == world.name);
    let reached = super::applied::comparable(old);
    (prior.uid == uid || prior.uid.is_empty())
        && target.is_some_and(|t| covers(t, before, Some(&reached)).is_ok())
}
