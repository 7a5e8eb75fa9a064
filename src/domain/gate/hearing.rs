//! A hearing: does this one permit cover the whole change, by this user, now?
//!
//! A chain of checks in their order; the first objection is the reason. Does not know other permits, nor what is
//! admitted without one.

use std::collections::BTreeSet;

use super::{Candidate, Code, GateWorld, Judged, governing, pinning, start};
use crate::api::facts::{Armed, Prior};
use crate::api::permit::Target;
use crate::api::vocabulary::{Method, Operation};
use crate::domain::applied::comparable;
use crate::domain::canonical::spec_digest;
use crate::domain::change::Change;
use crate::domain::scope::{covers, may_be_written};
use crate::domain::standing::{Case, Standing, Window, stamp, standing};
use crate::domain::template::Template;
use crate::domain::trace::{Rule, Trace, Verdict};

/// What is to be decided: the change, and the operations that somebody has to grant for it.
pub(super) type Matter<'a> = (&'a Change, &'a BTreeSet<Operation>);

/// What the checks look at.
#[derive(Clone, Copy)]
struct Hearing<'a> {
    world: &'a GateWorld,
    candidate: &'a Candidate,
    template: &'a Template,
    matter: Matter<'a>,
    armed: Option<&'a Armed>,
}

/// Why the permit does not admit the change.
struct Objection {
    code: Code,
    verdict: Verdict,
    /// What the trace says.
    noted: String,
    /// What the user is told.
    told: String,
}

/// One check: what it rests on, or why not.
type Check = for<'a> fn(&Hearing<'a>) -> Result<String, Objection>;

/// What is asked once the permit is in force, in this order (`gate.md`, steps 7 to 9).
const CHECKS: [(Rule, Check); 8] = [
    (Rule::Template, is_governed),
    (Rule::Subject, is_executor),
    (Rule::Scope, is_in_scope),
    (Rule::Images, is_pinned),
    (Rule::Prior, has_a_way_back),
    (Rule::Scope, starts_the_known),
    (Rule::Target, is_free),
    (Rule::Guard, is_not_held),
];

/// Judges the change by one permit.
pub(super) fn hear(
    world: &GateWorld,
    candidate: &Candidate,
    matter: Matter<'_>,
    trace: &mut Trace,
) -> Judged {
    let deny = |code, why: String| Judged {
        permit: Some(candidate.seen_name()),
        ..Judged::deny(code, why)
    };
    let Some(template) = &candidate.template else {
        let why = "its template revision is not on record";
        trace.push(Rule::Template, Verdict::Wait, why);
        let told = "its template is not on record yet";
        return deny(Code::PermitPending, told.into());
    };
    let armed = world.facts.as_ref();
    let armed = armed.and_then(|f| f.armed.get(&candidate.request.uid));
    let hearing = Hearing {
        world,
        candidate,
        template,
        matter,
        armed,
    };
    let window = match hearing.in_force(trace) {
        Ok(window) => window,
        Err((code, why)) => return deny(code, why),
    };
    for (rule, check) in CHECKS {
        match check(&hearing) {
            Ok(fact) => trace.push(rule, Verdict::Pass, fact),
            Err(objection) => {
                trace.push(rule, objection.verdict, objection.noted);
                return deny(objection.code, objection.told);
            }
        }
    }
    Judged {
        obligation: Some(format!(
            "may start until {}; the guard watches for {}s",
            stamp(window.closes),
            template.soak.as_secs()
        )),
        notes: pinning::warning(world, template).into_iter().collect(),
        permit_uid: Some(candidate.request.uid.clone()),
        permit: Some(candidate.seen_name()),
        ..Judged::admit("a permit covers it")
    }
}

impl<'a> Hearing<'a> {
    /// The permit's authority, recomputed.
    fn in_force(&self, trace: &mut Trace) -> Result<Window, (Code, String)> {
        let (world, candidate) = (self.world, self.candidate);
        let facts = world.facts.as_ref();
        let case = Case {
            now: world.now,
            request: &candidate.request,
            template: self.template,
            ballots: &candidate.ballots,
            environment: &world.environment,
            may_use: candidate.may_use,
            armed: self.armed,
            spent: facts.and_then(|f| f.spent.get(&candidate.request.uid)),
        };
        match standing(&case, candidate.recorded, trace) {
            Standing::InForce(window) => Ok(window),
            Standing::Pending(why) => Err((Code::PermitPending, why)),
            // Nobody can approve it any further: it is as good as rejected.
            Standing::Refused(refusal) => Err((Code::PermitRevoked, refusal.message)),
            Standing::NotYet(window) => Err((
                Code::PermitWindow,
                format!("its window opens {}", stamp(window.opens)),
            )),
            Standing::Lapsed(window) => Err((
                Code::PermitExpired,
                format!("its window closed {}", stamp(window.closes)),
            )),
            Standing::Ended(phase, why) => Err((Code::of_end(phase), why)),
        }
    }

    fn target(&self) -> Option<&'a Target> {
        target(self.world, self.candidate)
    }

    /// What somebody has to grant, as the permit calls it: a Job that it names as a migration is one.
    fn asked(&self) -> BTreeSet<Operation> {
        let mut asked = self.matter.1.clone();
        let is_migration = self.world.kind.as_str() == "Job"
            && self
                .target()
                .is_some_and(|t| t.operations.contains(&Operation::DatabaseMigration));
        if is_migration && asked.remove(&Operation::Create) {
            asked.insert(Operation::DatabaseMigration);
        }
        asked
    }

    fn prior(&self) -> Option<&'a Prior> {
        self.armed.and_then(|a| a.targets.get(&self.world.key()))
    }
}

fn target<'a>(world: &GateWorld, candidate: &'a Candidate) -> Option<&'a Target> {
    let targets = &candidate.request.spec.targets;
    targets
        .iter()
        .find(|t| t.name == world.name && t.kind == world.kind)
}

fn objection(code: Code, why: impl Into<String>) -> Objection {
    let told = why.into();
    Objection {
        code,
        verdict: Verdict::Fail,
        noted: told.clone(),
        told,
    }
}

fn is_governed(hearing: &Hearing<'_>) -> Result<String, Objection> {
    let own = hearing.template;
    governing::governs(hearing.world, own, &hearing.asked())
        .map(|()| format!("no template above {} governs this", own.name))
        .map_err(|why| objection(Code::PermitScope, why))
}

fn is_executor(hearing: &Hearing<'_>) -> Result<String, Objection> {
    let username = &hearing.world.username;
    if hearing.candidate.request.may_execute(username) {
        return Ok(username.clone());
    }
    Err(Objection {
        noted: "this user is no executor of the permit".into(),
        ..objection(Code::PermitSubject, "you are not one of its executors")
    })
}

fn is_in_scope(hearing: &Hearing<'_>) -> Result<String, Objection> {
    in_scope(hearing.world, hearing.candidate, hearing.matter.0)
        .map(|()| "the change is what was permitted".into())
        .map_err(|why| objection(Code::PermitScope, why))
}

fn is_pinned(hearing: &Hearing<'_>) -> Result<String, Objection> {
    pinning::demanded(hearing.world, hearing.template)
        .map(|()| "as the level demands".into())
        .map_err(|why| objection(Code::PermitScope, why))
}

/// Whether the permit is for this very change.
pub(super) fn in_scope(
    world: &GateWorld,
    candidate: &Candidate,
    change: &Change,
) -> Result<(), String> {
    let target = target(world, candidate).ok_or("the permit does not name this workload")?;
    if !world.is_scale {
        let covered = covers(target, world.old.as_ref(), world.new.as_ref());
        return covered.map_err(|outside| outside.to_string());
    }
    may_be_written(target, Method::Update).map_err(|outside| outside.to_string())?;
    let scales_only = change.operations.iter().all(|o| *o == Operation::Scale);
    if scales_only && target.operations.contains(&Operation::Scale) {
        Ok(())
    } else {
        Err("outside the permitted operations: Scale".into())
    }
}

fn has_a_way_back(hearing: &Hearing<'_>) -> Result<String, Objection> {
    let starts = hearing.prior().zip(hearing.target());
    if starts.is_some_and(|(prior, target)| starts_from(hearing.world, target, prior)) {
        return Ok("the state to return to is on record".into());
    }
    let why = "the state to return to is being recorded; try again in a moment";
    Err(Objection {
        verdict: Verdict::Wait,
        ..objection(Code::PermitPending, why)
    })
}

/// The change starts from exactly the state on record, or from the permitted outcome itself: the same outcome again
/// is harmless (threat rule 2).
fn starts_from(world: &GateWorld, target: &Target, prior: &Prior) -> bool {
    if world.is_scale {
        return true;
    }
    let Some(old) = &world.old else {
        return prior.uid.is_empty();
    };
    let uid = old.pointer("/metadata/uid").and_then(|uid| uid.as_str());
    let uid = uid.unwrap_or_default();
    let same = spec_digest(old).is_some_and(|d| d.as_str() == prior.spec_digest);
    if prior.uid == uid && same {
        return true;
    }
    let before = Some(&prior.object).filter(|o| !o.is_null());
    (prior.uid == uid || prior.uid.is_empty())
        && covers(target, before, Some(&comparable(old))).is_ok()
}

fn starts_the_known(hearing: &Hearing<'_>) -> Result<String, Objection> {
    if !start::starts(hearing.world, hearing.matter.0) {
        return Ok("nothing that lay still is started".into());
    }
    let covered = hearing.target().zip(hearing.prior());
    if covered.is_some_and(|(target, prior)| start::is_covered(hearing.world, target, prior)) {
        return Ok("what is started is known".into());
    }
    let why = "it would start a pod template that nobody validated; name it by podTemplateDigest";
    Err(objection(Code::PermitScope, why))
}

fn is_free(hearing: &Hearing<'_>) -> Result<String, Objection> {
    match &hearing.candidate.busy_with {
        None => Ok("no other permit runs on it".into()),
        Some(other) if other.is_empty() => Err(objection(
            Code::TargetBusy,
            "another permitted change is running on it",
        )),
        Some(other) => Err(objection(
            Code::TargetBusy,
            format!("permit {other} runs on it"),
        )),
    }
}

fn is_not_held(hearing: &Hearing<'_>) -> Result<String, Objection> {
    if !hearing.candidate.held {
        return Ok("not held".into());
    }
    Err(Objection {
        noted: "held by the guard".into(),
        ..objection(
            Code::TargetBusy,
            "the guard holds it; a person resumes or revokes",
        )
    })
}
