//! Before issuance: what becomes of a request, its review, and its approval.
//!
//! Asks the questions of each phase in their order; does not know live workloads.

use k8s_openapi::jiff::Timestamp;

use super::{Happening, Walk, happening};
use crate::api::vocabulary::Decision as Said;
use crate::domain::lifecycle::Event;
use crate::domain::standing::{Window, admissible, short, stamp, told};
use crate::domain::stop::{Stop, stop};
use crate::domain::template::Template;
use crate::domain::trace::{Rule, Verdict};

impl<'a> Walk<'a> {
    /// Why the request can never be granted as it stands, if so. Asked in each phase before issuance: a phase that
    /// somebody wrote into the status proves no check.
    fn refused(&mut self, template: &'a Template) -> Option<(&'static str, String)> {
        if let Some(first) = self.world.mistakes.first() {
            let all = crate::domain::parse::listed(&self.world.mistakes);
            self.trace
                .push(Rule::Spec, Verdict::Fail, first.to_string());
            return Some(("InvalidSpec", all));
        }
        self.trace
            .push(Rule::Spec, Verdict::Pass, "every field is in order");
        let mut trace = std::mem::take(&mut self.trace);
        let refused = admissible(&self.case(template), &mut trace).err();
        self.trace = trace;
        refused.map(|refusal| (refusal.reason, refusal.message))
    }

    fn waits_for_access(&mut self) -> Option<Happening> {
        self.wait(
            Rule::Use,
            "AccessUnknown",
            "the right to use the template could not be asked",
        )
    }

    pub(super) fn requested(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some((reason, why)) = self.refused(template) {
            return Some(happening(Event::Refused, reason, why));
        }
        if self.world.may_use.is_none() {
            return self.waits_for_access();
        }
        Some(happening(
            Event::Accepted,
            "AwaitingApproval",
            format!("needs {}", template.needs()),
        ))
    }

    pub(super) fn review_closes(&self, template: &Template) -> Timestamp {
        self.world
            .request
            .created
            .checked_add(template.approval_window)
            .unwrap_or(Timestamp::MAX)
    }

    pub(super) fn review_lapsed(&mut self, template: &Template) -> Option<Happening> {
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

    pub(super) fn changes_asked(&self) -> Option<String> {
        let asked = |b: &&crate::domain::quorum::Ballot| {
            b.decision == Said::RequestChanges && b.digest.as_deref() == Some(self.digest.as_str())
        };
        self.world
            .ballots
            .iter()
            .find(asked)
            .map(|b| format!("{} asks for changes: {}", b.person, b.reasoning))
    }

    pub(super) fn in_review(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some((reason, why)) = self.refused(template) {
            return Some(happening(Event::Refused, reason, why));
        }
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

    pub(super) fn changes_requested(&mut self, template: &'a Template) -> Option<Happening> {
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

    pub(super) fn approved(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some((reason, why)) = self.refused(template) {
            return Some(happening(Event::Edited, reason, why));
        }
        if let Some(lapsed) = self.review_lapsed(template) {
            return Some(lapsed);
        }
        if self.world.may_use.is_none() {
            return self.waits_for_access();
        }
        if !self.tally.met {
            return self.quorum_lost(template);
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
        if let Some((freeze, why)) = self.freeze(template) {
            self.frozen_until = freeze;
            return self.wait(Rule::Freeze, "FreezeActive", why);
        }
        self.trace
            .push(Rule::Freeze, Verdict::Pass, "none in force");
        self.arm();
        let window = Window::of(&self.world.request, template, self.issued_at());
        Some(happening(
            Event::IssueDue,
            "Issued",
            format!("a change may start until {}", stamp(window.closes)),
        ))
    }

    /// Until when a freeze stops issuance, where that is known, and why.
    fn freeze(&self, template: &Template) -> Option<(Option<Timestamp>, String)> {
        let (frozen, unsound) = (&self.world.frozen, self.world.unsound.as_ref());
        let freeze = match stop(frozen, unsound, template.class())? {
            Stop::Freeze(freeze) => freeze,
            Stop::Unsound(why) => {
                return Some((None, format!("the configuration cannot be used: {why}")));
            }
        };
        let (name, reason) = (&freeze.name, &freeze.reason);
        let until = freeze
            .until
            .map_or_else(|| "a person lifts it".to_owned(), stamp);
        Some((
            freeze.until,
            format!("freeze {name} until {until}: {reason}"),
        ))
    }

    /// What is missing of a quorum that was there once, and which approval does not count any more.
    pub(super) fn what_is_lost(&mut self) -> String {
        let outstanding = self.tally.outstanding.join("; and ");
        let mut missing = format!("an approval no longer counts; needs {outstanding}");
        if let Some((approval, why)) = self.tally.discounted.first() {
            missing = format!("{missing}; approval {approval} does not count: {why}");
        }
        self.lost = Some(missing.clone());
        missing
    }

    fn quorum_lost(&mut self, template: &'a Template) -> Option<Happening> {
        if self.is_in_doubt(template) {
            return self.waits_for_rights();
        }
        let missing = self.what_is_lost();
        Some(happening(Event::QuorumLost, "AwaitingApproval", missing))
    }
}
