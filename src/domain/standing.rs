//! Standing: what authority does a permit have at this moment?
//!
//! The one judgement behind gate, controller and CLI. It recomputes from the request, its approvals and the facts;
//! of the recorded status it takes only what ends authority, never what gives it (threat rule 1).

mod admissible;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub use self::admissible::{Refusal, admissible};
use super::calendar::{Opening, opening};
use super::quorum::{Ballot, Tally, tally};
use super::request::{Request, is_service_account};
use super::template::{PRODUCTION, Template};
use super::trace::{Rule, Trace, Verdict};
use crate::api::facts::{Armed, Spent};
use crate::api::vocabulary::{Decision, Phase, RevocationReason};

/// What a judgement about a permit's authority may see.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The time of the judgement.
    pub now: Timestamp,
    /// What is asked.
    pub request: &'a Request,
    /// The revision that governs.
    pub template: &'a Template,
    /// What people said.
    pub ballots: &'a [Ballot],
    /// The namespace's environment.
    pub environment: &'a str,
    /// The requester may use the template. `None`: could not be asked.
    pub may_use: Option<bool>,
    /// What was put on record at issuance.
    pub armed: Option<&'a Armed>,
    /// How it ended.
    pub spent: Option<&'a Spent>,
}

/// What ends a permit's power, if anything does: an object that says so, or the facts.
pub fn ended(case: &Case<'_>, digest: &str) -> Option<(Phase, String)> {
    if let Some(spent) = case.spent {
        return Some((spent.phase, format!("it is spent: {}", told_end(spent))));
    }
    let find = |decision| case.ballots.iter().find(move |b| b.decision == decision);
    if let Some(b) = find(Decision::Revoke) {
        return Some((Phase::Revoked, told_revocation(b)));
    }
    if let Some(b) = case
        .ballots
        .iter()
        .find(|b| b.decision == Decision::Reject && b.digest.as_deref().is_none_or(|d| d == digest))
    {
        return Some((
            Phase::Rejected,
            format!("rejected by {}: {}", b.person, b.reasoning),
        ));
    }
    case.ballots
        .iter()
        .find(|b| b.decision == Decision::Cancel && b.person == case.request.requester.username)
        .map(|b| {
            (
                Phase::Cancelled,
                format!("cancelled by {}: {}", b.person, b.reasoning),
            )
        })
}

/// How a settled permit ended: phase, reason, time, and the words as long as they are kept.
pub fn told_end(spent: &Spent) -> String {
    let mut told = spent.phase.to_string();
    if !spent.reason.is_empty() && !spent.message.starts_with(&spent.reason) {
        told = format!("{told} ({})", spent.reason);
    }
    if let Some(time) = &spent.time {
        told = format!("{told} at {}", stamp(time.0));
    }
    if !spent.message.is_empty() {
        told = format!("{told}: {}", spent.message);
    }
    told
}

/// Why and by whom a permit is revoked, in one sentence.
pub fn told_revocation(ballot: &Ballot) -> String {
    let reason = ballot.reason.unwrap_or(RevocationReason::ApproverRequest);
    format!("{reason} by {}: {}", speaker(ballot), ballot.reasoning)
}

/// Who speaks in a ballot: a person, or the operator that found something.
fn speaker(ballot: &Ballot) -> &str {
    if ballot.person.is_empty() || is_service_account(&ballot.person) {
        "the guard"
    } else {
        &ballot.person
    }
}

/// When an issued permit's changes may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub opens: Timestamp,
    /// Not after.
    pub closes: Timestamp,
}

impl Window {
    /// The window of a permit issued at `issued`: the template's, narrowed by the schedule, never widened.
    pub fn of(request: &Request, template: &Template, issued: Timestamp) -> Self {
        let opens = request.earliest_start.map_or(issued, |t| t.max(issued));
        // A later start moves the window, its length stays.
        let end = opens.checked_add(template.window).unwrap_or(Timestamp::MAX);
        Self {
            opens,
            closes: request.latest_start.map_or(end, |t| t.min(end)),
        }
    }

    /// From when on no change can appear that was admitted inside the window.
    pub fn settled(&self) -> Timestamp {
        self.closes
            .checked_add(LAST_MOMENT)
            .unwrap_or(Timestamp::MAX)
    }
}

/// How long a change that was admitted in the last moment may need until it is seen: the API server's own limit for
/// a webhook's answer, and as much again.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// The authority that a permit has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A covered change may start.
    InForce(Window),
    /// People or the operator still have something to do. Says what.
    Pending(String),
    /// Its window opens later.
    NotYet(Window),
    /// Its window has closed.
    Lapsed(Window),
    /// Its power has been ended.
    Ended(Phase, String),
    /// It can never be granted.
    Refused(Refusal),
}

/// Judges a permit's authority from scratch.
pub fn standing(case: &Case<'_>, recorded: Option<Phase>, trace: &mut Trace) -> Standing {
    let digest = case.request.digest(&case.template.digest);
    if let Some((phase, why)) = ended(case, &digest) {
        trace.push(Rule::Revocation, Verdict::Fail, why.clone());
        return Standing::Ended(phase, why);
    }
    if let Some(phase) = recorded.filter(|p| p.is_terminal()) {
        let why = format!("its status says {phase}");
        trace.push(Rule::Revocation, Verdict::Fail, why.clone());
        return Standing::Ended(phase, why);
    }
    trace.push(Rule::Revocation, Verdict::Pass, "nobody has ended it");
    if let Err(refusal) = admissible(case, trace) {
        return Standing::Refused(refusal);
    }
    if case.may_use != Some(true) {
        return Standing::Pending("the right to use the template could not be asked".into());
    }
    let tally = tally(
        case.template,
        &case.request.requester.username,
        &digest,
        case.ballots,
    );
    if !tally.met {
        let why = format!("needs {}", tally.outstanding.join("; and "));
        trace.push(Rule::Approvals, Verdict::Wait, why.clone());
        return Standing::Pending(why);
    }
    trace.push(Rule::Approvals, Verdict::Pass, told(&tally, case.template));
    issued(case, &digest, recorded, trace)
}

/// The half that concerns issuance: what the leader put on record, and the window that follows from it.
fn issued(case: &Case<'_>, digest: &str, recorded: Option<Phase>, trace: &mut Trace) -> Standing {
    let pending = |trace: &mut Trace, rule, why: &str| {
        trace.push(rule, Verdict::Wait, why);
        Standing::Pending(why.into())
    };
    let Some((armed, issued)) = case
        .armed
        .and_then(|a| a.issued_time.as_ref().map(|t| (a, t.0)))
    else {
        return pending(trace, Rule::Prior, "it is approved and waits for issuance");
    };
    if armed.digest != digest {
        return pending(
            trace,
            Rule::Digest,
            "the request is not the one that was issued",
        );
    }
    trace.push(Rule::Digest, Verdict::Pass, short(digest));
    if !recorded.is_some_and(|p| matches!(p, Phase::Issued | Phase::Executing | Phase::Validating))
    {
        return pending(trace, Rule::Digest, "its issuance is not yet reported");
    }
    let window = Window::of(case.request, case.template, issued);
    match within(window, case.now, trace) {
        Standing::InForce(window) => open(case, window, trace),
        other => other,
    }
}

/// The windows that open again and again, of the template and of the request: one of each has to be open.
fn open(case: &Case<'_>, window: Window, trace: &mut Trace) -> Standing {
    match reopens(case.request, case.template, case.now) {
        Opening::Always => Standing::InForce(window),
        Opening::Until(end) => Standing::InForce(Window {
            closes: window.closes.min(end),
            ..window
        }),
        Opening::From(next) => {
            let opens = next.filter(|next| *next < window.closes);
            let told = opens.map_or("does not open again".into(), |t| {
                format!("opens {}", stamp(t))
            });
            trace.push(Rule::Window, Verdict::Fail, told);
            opens.map_or(Standing::Lapsed(window), |opens| {
                Standing::NotYet(Window { opens, ..window })
            })
        }
    }
}

/// What the windows that open again and again say: until when both are open, or when the closed one opens next.
pub fn reopens(request: &Request, template: &Template, now: Timestamp) -> Opening {
    let both = [&template.openings, &request.openings].map(|windows| opening(windows, now));
    match both {
        [Opening::From(one), Opening::From(other)] => Opening::From(one.max(other)),
        [closed @ Opening::From(_), _] | [_, closed @ Opening::From(_)] => closed,
        [Opening::Until(one), Opening::Until(other)] => Opening::Until(one.min(other)),
        [open @ Opening::Until(_), Opening::Always] | [Opening::Always, open] => open,
    }
}

fn within(window: Window, now: Timestamp, trace: &mut Trace) -> Standing {
    let (verdict, fact, standing) = if now < window.opens {
        let fact = format!("opens {}", stamp(window.opens));
        (Verdict::Fail, fact, Standing::NotYet(window))
    } else if now >= window.closes {
        let fact = format!("closed {}", stamp(window.closes));
        (Verdict::Fail, fact, Standing::Lapsed(window))
    } else {
        let fact = format!("closes {}", stamp(window.closes));
        (Verdict::Pass, fact, Standing::InForce(window))
    };
    trace.push(Rule::Window, verdict, fact);
    standing
}

/// Who counts, in one line.
pub fn told(tally: &Tally, template: &Template) -> String {
    if template.is_automatic() {
        return "automatic: no approval is needed".into();
    }
    let who: Vec<_> = tally
        .counted
        .iter()
        .map(|(person, role)| format!("{person} as {role}"))
        .collect();
    who.join(", ")
}

/// A time as people read it: RFC 3339, whole seconds.
pub fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// A digest, short enough for a line.
pub fn short(digest: &str) -> String {
    digest.get(..19).unwrap_or(digest).to_owned()
}

/// The environment that a namespace's label names; unknown is production.
pub fn environment_of(label: Option<&str>) -> &str {
    label.filter(|l| !l.is_empty()).unwrap_or(PRODUCTION)
}
