//! From issuance on: what becomes of a change that may start, runs, or soaks.
//!
//! Asks the questions of each phase in their order; does not know how a target is read.

use k8s_openapi::jiff::Timestamp;

use super::{Happening, Walk, happening};
use crate::api::vocabulary::RevocationReason;
use crate::domain::applied::{Applied, applied};
use crate::domain::calendar::Opening;
use crate::domain::effect::Effect;
use crate::domain::lifecycle::Event;
use crate::domain::quorum::is_in_doubt;
use crate::domain::rollout::Rollout;
use crate::domain::standing::{Window, reopens, stamp, told};
use crate::domain::template::Template;
use crate::domain::trace::{Rule, Verdict};
use crate::domain::world::{Due, TargetFact};

impl<'a> Walk<'a> {
    pub(super) fn issued(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(edited) = self.edited() {
            return Some(edited);
        }
        if !self.tally.met {
            return self.no_longer_counts(template);
        }
        self.trace
            .push(Rule::Approvals, Verdict::Pass, told(&self.tally, template));
        match self.any_covered() {
            Some(key) => self.change_stored(&key),
            None => self.window_runs(template),
        }
    }

    /// The request is not the one that was issued. It cannot be edited after issuance; if it was, its power ends.
    fn edited(&mut self) -> Option<Happening> {
        let issued = self.armed.as_ref()?;
        if issued.digest == self.digest {
            return None;
        }
        let message = "the request was edited after its issuance".to_owned();
        self.trace
            .push(Rule::Digest, Verdict::Fail, message.clone());
        // The guard's reasons are for what runs; that it ran is told by them.
        let reason = if self.phase.is_running() {
            RevocationReason::ScopeExpansion
        } else {
            RevocationReason::ApproverRequest
        };
        Some(self.revoke(reason, message))
    }

    fn no_longer_counts(&mut self, template: &'a Template) -> Option<Happening> {
        if self.is_in_doubt(template) {
            return self.waits_for_rights();
        }
        let missing = self.what_is_lost();
        self.trace
            .push(Rule::Approvals, Verdict::Fail, missing.clone());
        Some(self.revoke(RevocationReason::ApproverRequest, missing))
    }

    /// The same, whatever governs.
    pub(in crate::domain) fn doubts(&self) -> bool {
        self.template
            .is_some_and(|template| self.is_in_doubt(template))
    }

    /// Whether only rights that could not be asked keep the quorum from being met.
    pub(super) fn is_in_doubt(&self, template: &Template) -> bool {
        let requester = &self.world.request.requester.username;
        is_in_doubt(template, requester, &self.digest, &self.world.ballots)
    }

    pub(super) fn waits_for_rights(&mut self) -> Option<Happening> {
        self.wait(
            Rule::Approvals,
            "AccessUnknown",
            "the rights of an approver could not be asked",
        )
    }

    fn change_stored(&mut self, key: &str) -> Option<Happening> {
        if !self.world.ledger_writable {
            return self.wait(
                Rule::Ledger,
                "LedgerNotWritable",
                "the start of execution waits: the record cannot be written",
            );
        }
        Some(happening(
            Event::ChangeStored,
            "ChangeStored",
            format!("a covered change of {key} is stored"),
        ))
    }

    pub(super) fn issued_at(&self) -> Timestamp {
        let issued = self.armed.as_ref().and_then(|a| a.issued_time.as_ref());
        issued.map_or(self.world.now, |t| t.0)
    }

    fn window_runs(&mut self, template: &'a Template) -> Option<Happening> {
        let (now, window) = (
            self.world.now,
            Window::of(&self.world.request, template, self.issued_at()),
        );
        if now >= window.settled() {
            let closed = stamp(window.closes);
            self.trace
                .push(Rule::Window, Verdict::Fail, format!("closed {closed}"));
            let why = format!("no change started by {closed}");
            return Some(happening(Event::WindowClosed, "WindowClosed", why));
        }
        if now >= window.closes {
            let why = format!("the window closed {}", stamp(window.closes));
            return self.wait(Rule::Window, "WindowClosing", why);
        }
        if now < window.opens {
            let why = format!("the window opens {}", stamp(window.opens));
            return self.wait(Rule::Window, "WindowNotOpen", why);
        }
        if let Opening::From(next) = reopens(&self.world.request, template, now) {
            let next = next.map_or_else(
                || "does not open again".into(),
                |t| format!("opens {}", stamp(t)),
            );
            let why = format!("the recurring window {next}");
            return self.wait(Rule::Window, "WindowNotOpen", why);
        }
        let closes = stamp(window.closes);
        self.trace
            .push(Rule::Window, Verdict::Pass, format!("closes {closes}"));
        self.wait(
            Rule::Change,
            "AwaitingChange",
            format!("a change may start until {closes}"),
        )
    }

    pub(super) fn any_covered(&self) -> Option<String> {
        self.standing_of_targets()
            .into_iter()
            .find(|(_, a)| *a == Applied::Covered)
            .map(|(key, _)| key)
    }

    /// How each target stands against what was put on record.
    pub(in crate::domain) fn standing_of_targets(&self) -> Vec<(String, Applied)> {
        let one = |fact: &TargetFact| {
            fact.prior(self.armed.as_ref())
                .map(|prior| (fact.key(), applied(fact, prior)))
        };
        self.world.targets.iter().filter_map(one).collect()
    }

    pub(super) fn executing(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(end) = self.astray() {
            return Some(end);
        }
        let Some(progress) = self.unfinished() else {
            self.trace.push(Rule::Rollout, Verdict::Pass, "complete");
            return Some(happening(
                Event::RolledOut,
                "RolledOut",
                "the rollout of every target is complete",
            ));
        };
        let execution = self.world.recorded.execution.as_ref();
        let started = execution.and_then(|e| e.started_time.as_ref());
        let due = started
            .map_or(self.world.now, |t| t.0)
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
        self.wait(Rule::Rollout, "RollingOut", progress)
    }

    /// What ends a running change at once: a breach, an edit of the request, or something else that is live.
    pub(super) fn astray(&mut self) -> Option<Happening> {
        self.breach()
            .or_else(|| self.edited())
            .or_else(|| self.strayed())
    }

    /// A check whose verdict asks to roll back now.
    pub(super) fn breach(&mut self) -> Option<Happening> {
        let check = self.world.checks.iter().find(|c| c.due == Due::RollBack)?;
        self.trace
            .push(Rule::Guard, Verdict::Fail, check.because.clone());
        let message = format!("{} of {}: {}", check.name, check.target, check.because);
        Some(self.revoke(check.reason, message))
    }

    /// Something else than the permitted change is live.
    pub(super) fn strayed(&mut self) -> Option<Happening> {
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

    /// A changed target whose controller gave up; what was stuck before the change is no failure of it.
    pub(super) fn stuck(&self) -> Option<String> {
        let changed = |t: &&TargetFact| {
            t.prior(self.armed.as_ref())
                .is_some_and(|prior| applied(t, prior) != Applied::Unchanged)
        };
        let mut targets = self.world.targets.iter().filter(changed);
        targets.find_map(|t| match t.live.as_ref().map(|l| &l.rollout) {
            Some(Rollout::Stuck(why)) => Some(format!("{}: {why}", t.key())),
            _ => None,
        })
    }

    /// What is still missing until every target has been changed and rolled out.
    pub(super) fn unfinished(&self) -> Option<String> {
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
    pub(super) fn revoke(&mut self, reason: RevocationReason, message: String) -> Happening {
        self.before.push(Effect::Revoke {
            reason,
            message: message.clone(),
        });
        happening(Event::Revoked, reason.as_str(), message)
    }
}
