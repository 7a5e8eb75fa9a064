//! The gate: may this change to a workload be stored?
//!
//! One question, asked in one order (`decisions.md` 13); the first failure is the reason, every step is in the trace.
//! Recomputes a permit's authority from request, approvals and facts; a recorded status can only deny. Does not know
//! how the facts were read, nor who is told.

mod exempt;
mod freeze;
mod governing;
mod hearing;
mod message;
mod pinning;
mod start;
mod world;

pub use message::{DRY_RUN_ADMITS, DRY_RUN_DENIES, line};
pub use world::{Candidate, Code, GateDecision, GateWorld, Judged};

use super::canonical::spec_digest;
use super::change::Change;
use super::trace::{Rule, Trace, Verdict};
use crate::api::vocabulary::{GateMode, Operation};

/// Judges one change.
pub fn gate(world: &GateWorld) -> GateDecision {
    let mut trace = Trace::default();
    let judged = judge(world, &mut trace);
    message::decision(world, judged, trace)
}

fn judge(world: &GateWorld, trace: &mut Trace) -> Judged {
    if let Some(why) = unasked(world, trace) {
        return Judged::admit(why);
    }
    let change = Change::between(world.old.as_ref(), world.new.as_ref());
    if change.is_empty() {
        trace.push(Rule::Change, Verdict::Skip, "nothing that runs changes");
        return Judged::admit("nothing that runs changes");
    }
    let words: Vec<_> = change.operations.iter().map(ToString::to_string).collect();
    trace.push(Rule::Change, Verdict::Pass, words.join(", "));
    if let Some(exemption) = exempt::configured(world, &change) {
        trace.push(Rule::Exemption, Verdict::Pass, exemption.reason.clone());
        return Judged::admit(format!("exempt: {}", exemption.reason));
    }
    if is_baseline(world, &change) {
        let why = "the outcome is the recorded baseline";
        trace.push(Rule::Baseline, Verdict::Pass, why);
        return Judged::admit(why);
    }
    trace.push(Rule::Baseline, Verdict::Skip, "differs");
    if let Some(stopped) = freeze::stops(world) {
        trace.push(Rule::Freeze, Verdict::Fail, stopped.why.clone());
        return stopped;
    }
    let is_frozen = freeze::is_in_force(world);
    let fact = if is_frozen {
        "lets emergencies through"
    } else {
        "none in force"
    };
    trace.push(Rule::Freeze, Verdict::Pass, fact);
    let asked = governing::asked(world, &change);
    let automatic = governing::automatic(world, &asked).filter(|_| !is_frozen);
    if let Some(templates) = automatic {
        trace.push(
            Rule::Template,
            Verdict::Pass,
            format!("{templates}: granted automatically"),
        );
        return Judged::admit("granted automatically by its template");
    }
    let judged = by_permit(world, (&change, &asked), trace);
    match governing::blocking(world, &asked).filter(|_| !is_frozen) {
        Some(template) if judged.code == Code::PermitRequired => {
            let why = format!(
                "template {} cannot be read: {}",
                template.name,
                template.why()
            );
            trace.push(Rule::Template, Verdict::Fail, why.clone());
            Judged::deny(Code::GateUnavailable, why)
        }
        _ => judged,
    }
}

/// Why the change is not asked about at all: nobody gates the namespace, or exactly this write is exempt.
fn unasked(world: &GateWorld, trace: &mut Trace) -> Option<&'static str> {
    if world.mode == GateMode::Off {
        let why = "the namespace is not gated";
        trace.push(Rule::Enrolment, Verdict::Skip, why);
        return Some(why);
    }
    trace.push(
        Rule::Enrolment,
        Verdict::Pass,
        format!("{:?}, environment {}", world.mode, world.environment),
    );
    let exempt = exempt::exemption(world);
    let (verdict, why) = exempt.map_or((Verdict::Skip, "none for this user and shape"), |why| {
        (Verdict::Pass, why)
    });
    trace.push(Rule::Exemption, verdict, why);
    exempt
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
    !world.is_scale
        && change.operations.iter().all(moves_only_spec)
        && world.has_recorded_baseline()
        && world.new.as_ref().is_some_and(|new| {
            spec_digest(new).is_some_and(|digest| world.is_recorded_baseline(digest.as_str()))
        })
}

/// Each candidate is judged whole; permits never combine (threat row 44). The one that came furthest gives the reason.
fn by_permit(world: &GateWorld, change: hearing::Matter<'_>, trace: &mut Trace) -> Judged {
    let mut closest: Option<((bool, usize), Judged, Trace)> = None;
    for candidate in world.candidates.iter().filter(|c| freeze::lets(world, c)) {
        let mut own = Trace::default();
        let judged = hearing::hear(world, candidate, change, &mut own);
        if judged.admits {
            trace.0.extend(own.0);
            return judged;
        }
        // A permit for exactly this outcome tells more than one that got further with another.
        let for_this = hearing::in_scope(world, candidate, change.0).is_ok();
        let far = (for_this, own.0.len());
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
