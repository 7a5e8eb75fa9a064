//! Decide: what becomes of a permit, given everything that is known about it now?
//!
//! Total, and the same answer for the same world. Walks the lifecycle table until nothing more is due, and says what
//! has to be done about it. Does not know how any of it is done.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::applied::{Applied, applied};
use super::effect::{Announcement, Effect};
use super::lifecycle::{Event, next};
use super::quorum::{Tally, tally};
use super::standing::{Case, Window, admissible, ended, short, stamp, told};
use super::template::Template;
use super::trace::{Rule, Trace, Verdict};
use super::world::{Due, World};
use super::{aftermath, announce, report};
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
    /// Why it waits, for the summary.
    pub(super) waiting: Option<(&'static str, String)>,
}

/// Decides about one permit.
pub fn decide(world: &World) -> Decision {
    let mut walk = Walk::new(world);
    for _ in 0..MOST_STEPS {
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
    let rest = aftermath::aftermath(&walk);
    let status = report::status(&walk, &rest);
    let announcements = announce::announcements(&walk, &rest);
    let revisit = report::revisit(&walk, &rest);
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
            waiting: None,
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
            // Issued, and written back to before: what is live says whether it runs.
            Some(_)
                if !claims_issuance && !recorded.is_terminal() && recorded != Phase::Approved =>
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

    fn wait(
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

    /// What has happened since the phase was entered.
    fn look(&mut self) -> Option<Happening> {
        if self.phase.is_terminal() {
            return None;
        }
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
            Phase::Cancelled if !running => {
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

    fn requested(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(first) = self.world.mistakes.first() {
            let all = super::parse::listed(&self.world.mistakes);
            self.trace
                .push(Rule::Spec, Verdict::Fail, first.to_string());
            return Some(happening(Event::Refused, "InvalidSpec", all));
        }
        self.trace
            .push(Rule::Spec, Verdict::Pass, "every field is in order");
        let mut trace = std::mem::take(&mut self.trace);
        let refused = admissible(&self.case(template), &mut trace).err();
        self.trace = trace;
        match (refused, self.world.may_use) {
            (Some(refusal), _) => Some(happening(Event::Refused, refusal.reason, refusal.message)),
            (None, Some(_)) => Some(happening(
                Event::Accepted,
                "AwaitingApproval",
                format!("needs {}", template.needs()),
            )),
            (None, None) => self.wait(
                Rule::Use,
                "AccessUnknown",
                "the right to use the template could not be asked",
            ),
        }
    }

    fn review_closes(&self, template: &Template) -> Timestamp {
        self.world
            .request
            .created
            .checked_add(template.approval_window)
            .unwrap_or(Timestamp::MAX)
    }

    fn review_lapsed(&mut self, template: &Template) -> Option<Happening> {
        let closes = self.review_closes(template);
        let latest = self
            .world
            .request
            .latest_start
            .filter(|t| self.world.now >= *t);
        if self.world.now >= closes || latest.is_some() {
            let at = latest.map_or(closes, |l| l.min(closes));
            self.trace
                .push(Rule::Window, Verdict::Fail, format!("closed {}", stamp(at)));
            return Some(happening(
                Event::WindowClosed,
                "WindowClosed",
                format!("not approved by {}", stamp(at)),
            ));
        }
        self.trace.push(
            Rule::Window,
            Verdict::Pass,
            format!("review closes {}", stamp(closes)),
        );
        None
    }

    fn changes_asked(&self) -> Option<String> {
        let asked = |b: &&super::quorum::Ballot| {
            b.decision == Said::RequestChanges && b.digest.as_deref() == Some(self.digest.as_str())
        };
        self.world
            .ballots
            .iter()
            .find(asked)
            .map(|b| format!("{} asks for changes: {}", b.person, b.reasoning))
    }

    fn in_review(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(lapsed) = self.review_lapsed(template) {
            return Some(lapsed);
        }
        if let Some(asked) = self.changes_asked() {
            return Some(happening(Event::ChangesAsked, "ChangesRequested", asked));
        }
        if self.tally.met {
            let who = told(&self.tally, template);
            self.trace.push(Rule::Approvals, Verdict::Pass, who.clone());
            return Some(happening(Event::QuorumMet, "QuorumReached", who));
        }
        let mut missing = format!("needs {}", self.tally.outstanding.join("; and "));
        if let Some((approval, why)) = self.tally.discounted.first() {
            missing = format!("{missing}; approval {approval} does not count: {why}");
        }
        self.wait(Rule::Approvals, "AwaitingApproval", missing)
    }

    fn changes_requested(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(lapsed) = self.review_lapsed(template) {
            return Some(lapsed);
        }
        match self.changes_asked() {
            Some(asked) => self.wait(Rule::Approvals, "ChangesRequested", asked),
            None => Some(happening(
                Event::Edited,
                "Edited",
                format!("the request is now {}", short(&self.digest)),
            )),
        }
    }

    fn approved(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(lapsed) = self.review_lapsed(template) {
            return Some(lapsed);
        }
        if !self.tally.met {
            let missing = format!("needs {}", self.tally.outstanding.join("; and "));
            return Some(happening(Event::QuorumLost, "AwaitingApproval", missing));
        }
        if !self.world.ledger_writable {
            return self.wait(
                Rule::Ledger,
                "LedgerNotWritable",
                "issuance waits: the record cannot be written",
            );
        }
        self.trace
            .push(Rule::Ledger, Verdict::Pass, "the record can be written");
        self.arm();
        let issued = self
            .armed
            .as_ref()
            .and_then(|a| a.issued_time.as_ref())
            .map_or(self.world.now, |t| t.0);
        let window = Window::of(&self.world.request, template, issued);
        Some(happening(
            Event::IssueDue,
            "Issued",
            format!("a change may start until {}", stamp(window.closes)),
        ))
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the questions of one phase in their order"
    )]
    fn issued(&mut self, template: &'a Template) -> Option<Happening> {
        if !self.tally.met {
            let missing = format!(
                "an approval no longer counts; needs {}",
                self.tally.outstanding.join("; and ")
            );
            self.trace
                .push(Rule::Approvals, Verdict::Fail, missing.clone());
            return Some(happening(
                Event::Revoked,
                RevocationReason::ApproverRequest.as_str(),
                missing,
            ));
        }
        self.trace
            .push(Rule::Approvals, Verdict::Pass, told(&self.tally, template));
        if let Some(key) = self.any_covered() {
            if !self.world.ledger_writable {
                return self.wait(
                    Rule::Ledger,
                    "LedgerNotWritable",
                    "the start of execution waits: the record cannot be written",
                );
            }
            return Some(happening(
                Event::ChangeStored,
                "ChangeStored",
                format!("a covered change of {key} is stored"),
            ));
        }
        let issued = self
            .armed
            .as_ref()
            .and_then(|a| a.issued_time.as_ref())
            .map_or(self.world.now, |t| t.0);
        let window = Window::of(&self.world.request, template, issued);
        if self.world.now >= window.closes {
            self.trace.push(
                Rule::Window,
                Verdict::Fail,
                format!("closed {}", stamp(window.closes)),
            );
            return Some(happening(
                Event::WindowClosed,
                "WindowClosed",
                format!("no change started by {}", stamp(window.closes)),
            ));
        }
        if self.world.now < window.opens {
            return self.wait(
                Rule::Window,
                "WindowNotOpen",
                format!("the window opens {}", stamp(window.opens)),
            );
        }
        self.trace.push(
            Rule::Window,
            Verdict::Pass,
            format!("closes {}", stamp(window.closes)),
        );
        self.wait(
            Rule::Change,
            "AwaitingChange",
            format!("a change may start until {}", stamp(window.closes)),
        )
    }

    fn any_covered(&self) -> Option<String> {
        self.standing_of_targets()
            .into_iter()
            .find(|(_, a)| *a == Applied::Covered)
            .map(|(key, _)| key)
    }

    /// How each target stands against what was put on record.
    pub(super) fn standing_of_targets(&self) -> Vec<(String, Applied)> {
        let one = |fact: &super::world::TargetFact| {
            fact.prior(self.armed.as_ref())
                .map(|prior| (fact.key(), applied(fact, prior)))
        };
        self.world.targets.iter().filter_map(one).collect()
    }

    fn executing(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(end) = self.breach().or_else(|| self.strayed()) {
            return Some(end);
        }
        let started = self
            .world
            .recorded
            .execution
            .as_ref()
            .and_then(|e| e.started_time.as_ref())
            .map_or(self.world.now, |t| t.0);
        let due = started
            .checked_add(template.max_duration)
            .unwrap_or(Timestamp::MAX);
        if self.world.now >= due {
            return Some(self.revoke(
                RevocationReason::TimeExceeded,
                format!("the rollout was not complete by {}", stamp(due)),
            ));
        }
        if let Some(stuck) = self.stuck() {
            return Some(self.revoke(RevocationReason::TimeExceeded, stuck));
        }
        if let Some(progress) = self.unfinished() {
            self.wait(Rule::Rollout, "RollingOut", progress)
        } else {
            self.trace.push(Rule::Rollout, Verdict::Pass, "complete");
            Some(happening(
                Event::RolledOut,
                "RolledOut",
                "the rollout of every target is complete",
            ))
        }
    }

    fn validating(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(end) = self.breach().or_else(|| self.strayed()) {
            return Some(end);
        }
        if let Some(progress) = self.unfinished() {
            return self.wait(Rule::Rollout, "RollingOut", progress);
        }
        if let Some((_, why)) = report::held(self) {
            return self.wait(Rule::Guard, "Held", why);
        }
        let soaked = if template.checks.is_empty() {
            self.since_rollout()
        } else {
            self.world.healthy_for
        };
        if soaked < template.soak {
            let worst = self
                .world
                .checks
                .iter()
                .find(|c| c.verdict != super::world::Health::Healthy);
            let told = worst.map_or_else(String::new, |c| format!("; {}: {}", c.name, c.because));
            return self.wait(
                Rule::Guard,
                "Soaking",
                format!(
                    "healthy for {}s of {}s{told}",
                    soaked.as_secs(),
                    template.soak.as_secs()
                ),
            );
        }
        if !self.world.ledger_writable {
            return self.wait(
                Rule::Ledger,
                "LedgerNotWritable",
                "closure waits: the record cannot be written",
            );
        }
        self.trace.push(
            Rule::Guard,
            Verdict::Pass,
            format!("healthy for {}s", soaked.as_secs()),
        );
        Some(happening(
            Event::SoakPassed,
            "Validated",
            format!("healthy for {}s", soaked.as_secs()),
        ))
    }

    pub(super) fn since_rollout(&self) -> Duration {
        let rolled_out = self
            .world
            .recorded
            .execution
            .as_ref()
            .and_then(|e| e.rolled_out_time.as_ref());
        rolled_out
            .and_then(|t| Duration::try_from(self.world.now.duration_since(t.0)).ok())
            .unwrap_or_default()
    }

    /// A check whose verdict asks to roll back now.
    fn breach(&mut self) -> Option<Happening> {
        let check = self.world.checks.iter().find(|c| c.due == Due::RollBack)?;
        self.trace
            .push(Rule::Guard, Verdict::Fail, check.because.clone());
        let message = format!("{} of {}: {}", check.name, check.target, check.because);
        Some(self.revoke(check.reason, message))
    }

    /// Something else than the permitted change is live.
    fn strayed(&mut self) -> Option<Happening> {
        let targets = self.standing_of_targets();
        if let Some((key, Applied::Foreign(why))) = targets
            .iter()
            .find(|(_, a)| matches!(a, Applied::Foreign(_)))
        {
            let message = format!("{key} carries more than was permitted: {why}");
            self.trace.push(Rule::Scope, Verdict::Fail, message.clone());
            return Some(self.revoke(RevocationReason::ScopeExpansion, message));
        }
        if !targets.is_empty() && targets.iter().all(|(_, a)| *a == Applied::Unchanged) {
            let message = "the change was undone by hand".to_owned();
            self.trace
                .push(Rule::Change, Verdict::Fail, message.clone());
            return Some(self.revoke(RevocationReason::ApproverRequest, message));
        }
        self.trace.push(
            Rule::Scope,
            Verdict::Pass,
            "what is live is what was permitted",
        );
        None
    }

    fn stuck(&mut self) -> Option<String> {
        self.world
            .targets
            .iter()
            .find_map(|t| match t.live.as_ref().map(|l| &l.rollout) {
                Some(super::rollout::Rollout::Stuck(why)) => Some(format!("{}: {why}", t.key())),
                _ => None,
            })
    }

    /// What is still missing until every target has been changed and rolled out.
    fn unfinished(&self) -> Option<String> {
        use super::rollout::Rollout;
        let standing = self.standing_of_targets();
        self.world.targets.iter().find_map(|t| {
            let key = t.key();
            if standing
                .iter()
                .any(|(k, a)| *k == key && *a == Applied::Unchanged)
            {
                return Some(format!("{key} is not changed yet"));
            }
            match t.live.as_ref().map(|l| &l.rollout) {
                None | Some(Rollout::Complete) => None,
                Some(Rollout::Progressing(how) | Rollout::Stuck(how)) => {
                    Some(format!("{key}: {how}"))
                }
                Some(Rollout::Paused) => Some(format!("{key} is paused")),
            }
        })
    }

    /// A machine finding that ends the permit: the object that says so comes first, then the status.
    fn revoke(&mut self, reason: RevocationReason, message: String) -> Happening {
        self.before.push(Effect::Revoke {
            reason,
            message: message.clone(),
        });
        happening(Event::Revoked, reason.as_str(), message)
    }
}
