//! Decide: what becomes of a permit, given everything that is known about it now?
//!
//! Total, and the same answer for the same world. Walks the lifecycle table until nothing more is due, and says what
//! has to be done about it. Does not know how any of it is done.

mod live;
mod review;
mod soak;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::effect::{Announcement, Effect};
use super::lifecycle::{Event, next};
use super::quorum::{Tally, tally};
use super::standing::{Case, ended};
use super::template::Template;
use super::trace::{Rule, Trace, Verdict};
use super::world::World;
use super::{aftermath, announce, hold, report, revisit};
use crate::api::facts::Armed;
use crate::api::permit::PermitStatus;
use crate::api::vocabulary::{Decision as Said, Phase, RevocationReason};

/// How many transitions one decision may take; the longest legal chain is shorter.
const MOST_STEPS: usize = 8;

/// One step along the lifecycle, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The phase it left.
    pub from: Phase,
    /// What happened.
    pub event: Event,
    /// The phase it reached.
    pub to: Phase,
    /// One word from the stable list.
    pub reason: &'static str,
    /// A sentence.
    pub because: String,
}

/// What becomes of a permit.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Where it stands now.
    pub phase: Phase,
    /// The steps that led there, to be recorded before the status is written.
    pub transitions: Vec<Transition>,
    /// What has to be done before the status is written.
    pub before: Vec<Effect>,
    /// What status to write.
    pub status: PermitStatus,
    /// What has to be done once the status is written.
    pub after: Vec<Effect>,
    /// What to show.
    pub announcements: Vec<Announcement>,
    /// Which rule said what.
    pub trace: Trace,
    /// When to look again though nothing changes.
    pub revisit: Option<Duration>,
}

/// What happened next, if anything did.
pub(super) struct Happening {
    event: Event,
    reason: &'static str,
    because: String,
}

pub(super) fn happening(
    event: Event,
    reason: &'static str,
    because: impl Into<String>,
) -> Happening {
    Happening {
        event,
        reason,
        because: because.into(),
    }
}

/// What a decision works on while it walks.
pub(super) struct Walk<'a> {
    pub(super) world: &'a World,
    pub(super) template: Option<&'a Template>,
    pub(super) digest: String,
    pub(super) tally: Tally,
    pub(super) phase: Phase,
    pub(super) armed: Option<Armed>,
    pub(super) transitions: Vec<Transition>,
    pub(super) before: Vec<Effect>,
    pub(super) trace: Trace,
    /// Which approvals are missing that were there once.
    pub(super) lost: Option<String>,
    /// Why it waits, for the summary.
    pub(super) waiting: Option<(&'static str, String)>,
    /// When the freeze is over that it waits for.
    pub(super) frozen_until: Option<Timestamp>,
}

/// Decides about one permit.
pub fn decide(world: &World) -> Decision {
    let mut walk = Walk::new(world);
    // At rest the trace of the step that led there stays: it says why.
    while !walk.phase.is_terminal() && walk.transitions.len() < MOST_STEPS {
        walk.trace = Trace::default();
        walk.waiting = None;
        let Some(found) = walk.look() else { break };
        let Ok(to) = next(walk.phase, found.event) else {
            break;
        };
        let from = walk.phase;
        walk.transitions.push(Transition {
            from,
            event: found.event,
            to,
            reason: found.reason,
            because: found.because,
        });
        walk.phase = to;
    }
    walk.rearm();
    walk.forgive();
    let mut rest = aftermath::aftermath(&walk);
    walk.before.append(&mut rest.before);
    let status = report::status(&walk, &rest);
    let announcements = announce::announcements(&walk, &rest);
    let revisit = revisit::revisit(&walk, &rest);
    Decision {
        phase: walk.phase,
        announcements,
        status,
        revisit,
        before: walk.before,
        after: rest.effects,
        transitions: walk.transitions,
        trace: walk.trace,
    }
}

impl<'a> Walk<'a> {
    fn new(world: &'a World) -> Self {
        let template = world
            .revision
            .as_ref()
            .and_then(|r| r.template.as_ref().ok());
        let digest = world
            .revision
            .as_ref()
            .map(|r| world.request.digest(&r.digest))
            .unwrap_or_default();
        let counted = template
            .map(|t| {
                tally(
                    t,
                    &world.request.requester.username,
                    &digest,
                    &world.ballots,
                )
            })
            .unwrap_or_default();
        let mut walk = Self {
            world,
            template,
            digest,
            tally: counted,
            phase: Phase::Requested,
            armed: world.armed.clone(),
            transitions: Vec::new(),
            before: Vec::new(),
            trace: Trace::default(),
            lost: None,
            waiting: None,
            frozen_until: None,
        };
        walk.phase = walk.remembered();
        walk
    }

    /// The phase to go on from: the recorded one, unless the facts say that it cannot be true (threat row 30).
    fn remembered(&self) -> Phase {
        if let Some(spent) = &self.world.spent {
            return spent.phase;
        }
        let recorded = self.world.recorded.phase.unwrap_or(Phase::Requested);
        let claims_issuance = matches!(
            recorded,
            Phase::Issued | Phase::Executing | Phase::Validating
        );
        match &self.armed {
            None if claims_issuance => Phase::Requested,
            // Issued as it is, and interrupted or written back: what is live says whether it runs.
            Some(armed)
                if armed.digest == self.digest
                    && self.tally.met
                    && !claims_issuance
                    && !recorded.is_terminal() =>
            {
                Phase::Approved
            }
            _ => recorded,
        }
    }

    pub(super) fn case(&self, template: &'a Template) -> Case<'_> {
        Case {
            now: self.world.now,
            request: &self.world.request,
            template,
            ballots: &self.world.ballots,
            environment: &self.world.environment,
            may_use: self.world.may_use,
            armed: self.armed.as_ref(),
            spent: self.world.spent.as_ref(),
        }
    }

    pub(super) fn wait(
        &mut self,
        rule: Rule,
        reason: &'static str,
        because: impl Into<String>,
    ) -> Option<Happening> {
        let because = because.into();
        self.trace.push(rule, Verdict::Wait, because.clone());
        self.waiting = Some((reason, because));
        None
    }

    /// A hold that a person has ended: what the checks saw is forgotten, or they would ask for it again.
    fn forgive(&mut self) {
        if hold::hold(self).is_some_and(|hold| hold.is_ended) {
            self.before.push(Effect::Forgive);
        }
    }

    /// What has happened since the phase was entered.
    fn look(&mut self) -> Option<Happening> {
        let Some(template) = self.template else {
            return self.without_template();
        };
        if let Some(end) = self.ending(template) {
            return Some(end);
        }
        match self.phase {
            Phase::Requested => self.requested(template),
            Phase::InReview => self.in_review(template),
            Phase::ChangesRequested => self.changes_requested(template),
            Phase::Approved => self.approved(template),
            Phase::Issued => self.issued(template),
            Phase::Executing => self.executing(template),
            Phase::Validating => self.validating(template),
            Phase::Closed
            | Phase::Rejected
            | Phase::Expired
            | Phase::Revoked
            | Phase::Cancelled => None,
        }
    }

    fn without_template(&mut self) -> Option<Happening> {
        let name = self.world.request.spec.template.clone();
        match self
            .world
            .revision
            .as_ref()
            .and_then(|r| r.template.as_ref().err())
            .cloned()
        {
            Some(why) => self.wait(
                Rule::Template,
                "TemplateInvalid",
                format!("template `{name}` cannot be used: {why}"),
            ),
            None => self.wait(
                Rule::Template,
                "TemplateNotFound",
                format!("template `{name}` does not exist; see kubectl get permittemplates"),
            ),
        }
    }

    /// Objects that end a permit, as far as the phase lets them.
    fn ending(&mut self, template: &'a Template) -> Option<Happening> {
        let (to, why) = ended(&self.case(template), &self.digest)?;
        self.trace
            .push(Rule::Revocation, Verdict::Fail, why.clone());
        let running = self.phase.is_running();
        match to {
            // A change that is stored already is executing, whatever the status says; only a Revoke ends that.
            Phase::Cancelled
                if !running && (self.phase != Phase::Issued || self.any_covered().is_none()) =>
            {
                Some(happening(Event::Cancelled, "CancelledByRequester", why))
            }
            Phase::Revoked if running || matches!(self.phase, Phase::Approved | Phase::Issued) => {
                Some(happening(
                    Event::Revoked,
                    self.revocation_reason().as_str(),
                    why,
                ))
            }
            Phase::Revoked | Phase::Rejected
                if matches!(self.phase, Phase::Requested | Phase::InReview) =>
            {
                Some(happening(Event::Refused, "RejectedByApprover", why))
            }
            Phase::Rejected if matches!(self.phase, Phase::Approved | Phase::Issued) || running => {
                Some(happening(
                    Event::Revoked,
                    RevocationReason::ApproverRequest.as_str(),
                    why,
                ))
            }
            _ => None,
        }
    }

    fn revocation_reason(&self) -> RevocationReason {
        let revoke = self
            .world
            .ballots
            .iter()
            .find(|b| b.decision == Said::Revoke);
        revoke
            .and_then(|b| b.reason)
            .unwrap_or(RevocationReason::ApproverRequest)
    }
}
