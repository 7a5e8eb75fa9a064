//! Standing: what authority does a permit have at this moment?
//!
//! The one judgement behind gate, controller and CLI. It recomputes from the request, its approvals and the facts;
//! of the recorded status it takes only what ends authority, never what gives it (threat rule 1).

use k8s_openapi::jiff::Timestamp;

use super::quorum::{Ballot, Tally, tally};
use super::request::{Request, is_service_account};
use super::template::{Level, PRODUCTION, Template, governs_place};
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

/// A permit can never be granted, and why: the condition's reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word from the stable list.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// Whether the request can be reviewed at all. Service accounts, wrong places and demands that are not built refuse it.
#[expect(
    clippy::too_many_lines,
    reason = "the refusals in their order, one after the other"
)]
pub fn admissible(case: &Case<'_>, trace: &mut Trace) -> Result<(), Refusal> {
    let (request, template) = (case.request, case.template);
    let refuse = |trace: &mut Trace, rule, reason, message: String| {
        trace.push(rule, Verdict::Fail, message.clone());
        Err(Refusal { reason, message })
    };
    if template.demands_signature {
        let message = format!(
            "template `{}` (level {}) demands signed approvals, which this version cannot verify; use a template up to level 2",
            template.name, template.level
        );
        return refuse(trace, Rule::Level, "SignatureUnsupported", message);
    }
    trace.push(
        Rule::Level,
        Verdict::Pass,
        format!("level {}", template.level),
    );
    if !governs_place(&template.applies_to, &request.namespace, case.environment) {
        let message = format!(
            "template `{}` does not govern namespace `{}` in environment `{}`",
            template.name, request.namespace, case.environment
        );
        return refuse(trace, Rule::Template, "TemplateNotApplicable", message);
    }
    trace.push(
        Rule::Template,
        Verdict::Pass,
        format!("{} at {}", template.name, short(&template.digest)),
    );
    if let Some(stated) = request
        .spec
        .environment
        .as_deref()
        .filter(|e| *e != case.environment)
    {
        let message = format!(
            "the permit says environment `{stated}`, the namespace is `{}`",
            case.environment
        );
        return refuse(trace, Rule::Environment, "EnvironmentMismatch", message);
    }
    trace.push(Rule::Environment, Verdict::Pass, case.environment);
    if is_service_account(&request.requester.username) && !template.is_automatic() {
        let message =
            "a service account delivered this permit and no person signed the request".to_owned();
        return refuse(trace, Rule::Requester, "RequesterUnproved", message);
    }
    trace.push(
        Rule::Requester,
        Verdict::Pass,
        request.requester.username.clone(),
    );
    if template.level == Level::Emergency && request.spec.incident.is_none() {
        return refuse(
            trace,
            Rule::Spec,
            "IncidentMissing",
            "an emergency names its incident: spec.incident is missing".into(),
        );
    }
    match case.may_use {
        Some(true) => trace.push(
            Rule::Use,
            Verdict::Pass,
            format!("{} may use it", request.requester.username),
        ),
        Some(false) => {
            let message = format!(
                "{} lacks the verb `use` on permittemplates/{}",
                request.requester.username, template.name
            );
            return refuse(trace, Rule::Use, "TemplateNotPermitted", message);
        }
        // Doubt is not a refusal for ever; the caller waits or denies.
        None => trace.push(
            Rule::Use,
            Verdict::Wait,
            "the right to use the template could not be asked",
        ),
    }
    Ok(())
}

/// What ends a permit's power, if anything does: an object that says so, or the facts.
pub fn ended(case: &Case<'_>, digest: &str) -> Option<(Phase, String)> {
    if let Some(spent) = case.spent {
        return Some((spent.phase, format!("it is spent: {}", spent.phase)));
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
}

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
    if case.now < window.opens {
        trace.push(
            Rule::Window,
            Verdict::Fail,
            format!("opens {}", stamp(window.opens)),
        );
        return Standing::NotYet(window);
    }
    if case.now >= window.closes {
        trace.push(
            Rule::Window,
            Verdict::Fail,
            format!("closed {}", stamp(window.closes)),
        );
        return Standing::Lapsed(window);
    }
    trace.push(
        Rule::Window,
        Verdict::Pass,
        format!("closes {}", stamp(window.closes)),
    );
    Standing::InForce(window)
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
