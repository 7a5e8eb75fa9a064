//! Before issuance: what becomes of a request, its review, and its approval.
//!
//! Asks the questions of each phase in their order; does not know live workloads.

use k8s_openapi::jiff::Timestamp;

use super::{Happening, Walk, happening};
use crate::api::vocabulary::Decision as Said;
use crate::domain::lifecycle::Event;
use crate::domain::standing::{Window, admissible, short, stamp, told};
use crate::domain::template::Template;
use crate::domain::trace::{Rule, Verdict};

impl<'a> Walk<'a> {
    pub(super) fn requested(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(first) = self.world.mistakes.first() {
            let all = crate::domain::parse::listed(&self.world.mistakes);
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
}
