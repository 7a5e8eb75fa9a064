//! Conditions: the contract for programs that wait, filled completely at first sight and on every write.
//!
//! A pure projection of phase and outcome (`ux.md`, Conditions on Permit), each with a reason and a sentence of its
//! own; a condition is never a state of its own.

use super::aftermath::Aftermath;
use super::decide::Walk;
use super::ending;
use super::hold::held;
use super::report::message;
use super::standing::told;
use crate::api::condition::{ConditionType as Type, ConditionValue, Reason};
use crate::api::vocabulary::{Outcome, Phase};

/// Every condition, as the walk ended.
pub(super) fn conditions(walk: &Walk<'_>, rest: &Aftermath) -> Vec<ConditionValue> {
    let view = View {
        walk,
        rest,
        end: ending::reason(walk),
        words: message(walk, rest),
        held: held(walk),
    };
    let said = [
        (Type::Accepted, view.accepted()),
        (Type::Approved, view.approved()),
        (Type::Decided, view.decided()),
        (Type::Active, view.active()),
        (Type::Executed, view.executed()),
        (Type::Validated, view.validated()),
        (Type::Finished, view.finished()),
        (Type::Succeeded, view.succeeded()),
        (Type::Held, view.held()),
        (Type::TemplateOutdated, view.outdated()),
        (Type::UnpermittedChange, view.unpermitted()),
    ];
    let value = |(type_, said): (Type, Said)| ConditionValue {
        type_,
        status: said.status,
        reason: said.reason,
        message: said.message,
    };
    said.into_iter().map(value).collect()
}

/// What one condition says.
struct Said {
    status: Option<bool>,
    reason: String,
    message: String,
}

fn said(
    status: impl Into<Option<bool>>,
    reason: impl Into<String>,
    message: impl Into<String>,
) -> Said {
    Said {
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
    }
}

fn not_started() -> Said {
    let words = "no change has been started";
    said(None, Reason::NotStarted.as_str(), words)
}

/// What every condition is told from.
struct View<'a, 'w> {
    walk: &'a Walk<'w>,
    rest: &'a Aftermath,
    /// Why it is at rest, in one word.
    end: String,
    /// The most telling sentence.
    words: String,
    /// Why the guard holds.
    held: Option<String>,
}

impl View<'_, '_> {
    fn phase(&self) -> Phase {
        self.walk.phase
    }

    /// At rest: why, in this status.
    fn ended(&self, status: impl Into<Option<bool>>) -> Said {
        said(status, self.end.as_str(), self.words.as_str())
    }

    /// What it waits for, in this status.
    fn waits(&self, status: impl Into<Option<bool>>) -> Said {
        match &self.walk.waiting {
            Some((reason, why)) => said(status, *reason, why.as_str()),
            None => said(status, self.phase().as_str(), self.words.as_str()),
        }
    }

    fn waits_for(&self, reason: &str) -> bool {
        let waiting = self.walk.waiting.as_ref();
        waiting.is_some_and(|(word, _)| *word == reason)
    }

    fn accepted(&self) -> Said {
        match self.phase() {
            Phase::Rejected if self.end != "RejectedByApprover" => self.ended(false),
            Phase::Requested => self.waits(None),
            phase if !phase.is_terminal() && self.walk.template.is_none() => self.waits(None),
            _ => {
                let template = &self.walk.world.request.spec.template;
                let words = format!("template `{template}` governs");
                said(true, Reason::TemplateResolved.as_str(), words)
            }
        }
    }

    fn approved(&self) -> Said {
        if let Some(lost) = self.lost() {
            return said(false, Reason::QuorumLost.as_str(), lost);
        }
        match self.phase() {
            Phase::Requested => said(
                None,
                Reason::NotInReview.as_str(),
                "its review has not begun",
            ),
            Phase::InReview | Phase::ChangesRequested => self.waits(None),
            Phase::Rejected => self.ended(false),
            _ if self.was_approved() => {
                said(true, Reason::QuorumReached.as_str(), self.approvers())
            }
            _ => self.ended(false),
        }
    }

    /// Why the approvals do not suffice any more, once they did; told until they suffice again.
    fn lost(&self) -> Option<String> {
        if let Some(now) = &self.walk.lost {
            return Some(now.clone());
        }
        let recorded = self.walk.world.recorded.conditions.iter();
        let before = recorded
            .filter(|c| c.type_ == Type::Approved.as_str() && c.status == "False")
            .find(|c| c.reason == Reason::QuorumLost.as_str())?;
        match self.phase() {
            Phase::InReview => self.walk.waiting.as_ref().map(|(_, why)| why.clone()),
            phase if phase.is_terminal() => Some(before.message.clone()),
            _ => None,
        }
    }

    fn was_approved(&self) -> bool {
        let (armed, spent) = (&self.walk.armed, &self.walk.world.spent);
        let issued = armed.is_some() || spent.as_ref().is_some_and(|s| s.issued_time.is_some());
        issued || self.phase() == Phase::Closed || self.phase() == Phase::Approved
    }

    /// Who approved; at rest nobody is asked any more, and what was told stays.
    fn approvers(&self) -> String {
        if let Some(template) = self.walk.template.filter(|_| self.walk.tally.met) {
            return told(&self.walk.tally, template);
        }
        let mut recorded = self.walk.world.recorded.conditions.iter();
        let before = recorded.find(|c| c.type_ == Type::Approved.as_str() && c.status == "True");
        before.map_or_else(|| "enough approved it".into(), |c| c.message.clone())
    }

    fn decided(&self) -> Said {
        match self.phase() {
            Phase::Requested | Phase::InReview | Phase::ChangesRequested => {
                let Said { message, .. } = self.waits(None);
                said(None, Reason::Undecided.as_str(), message)
            }
            phase if phase.is_terminal() && !self.was_approved() => self.ended(true),
            _ => said(true, Reason::QuorumReached.as_str(), self.approvers()),
        }
    }

    fn active(&self) -> Said {
        let held = self.held.as_deref();
        match self.phase() {
            Phase::Requested | Phase::InReview | Phase::ChangesRequested => {
                said(false, Reason::NotApproved.as_str(), "it is not approved")
            }
            Phase::Approved => self.waits(false),
            Phase::Issued if self.waits_for("AccessUnknown") => self.waits(None),
            Phase::Issued => {
                let closed = ["WindowNotOpen", "WindowClosing"];
                self.waits(!closed.iter().any(|reason| self.waits_for(reason)))
            }
            Phase::Executing => match held {
                Some(why) => said(false, Reason::Held.as_str(), why),
                None => said(
                    true,
                    Reason::Executing.as_str(),
                    "the permitted change may go on",
                ),
            },
            Phase::Validating => said(
                false,
                Reason::RolledOut.as_str(),
                "the permitted change is made",
            ),
            _ => self.ended(false),
        }
    }

    /// Whether a change under the permit was ever seen.
    fn has_begun(&self) -> bool {
        let entered = |t: &super::decide::Transition| t.to == Phase::Executing;
        self.walk.world.recorded.execution.is_some() || self.walk.transitions.iter().any(entered)
    }

    fn executed(&self) -> Said {
        match (self.phase(), self.rest.outcome) {
            (Phase::Issued, _) if self.waits_for("LedgerNotWritable") => self.waits(None),
            (Phase::Executing, _) => self.waits(None),
            (Phase::Validating | Phase::Closed, _) => said(
                true,
                Reason::RolledOut.as_str(),
                "the rollout of every target is complete",
            ),
            (Phase::Revoked, _) if !self.has_begun() => not_started(),
            (Phase::Revoked, None) => said(None, Reason::RollingBack.as_str(), self.words.as_str()),
            (Phase::Revoked, Some(outcome)) => {
                let stays = outcome == Outcome::Unused || outcome == Outcome::Succeeded;
                said(stays, outcome.as_str(), self.words.as_str())
            }
            _ => not_started(),
        }
    }

    fn validated(&self) -> Said {
        match self.phase() {
            Phase::Validating => self.waits(None),
            Phase::Closed => self.ended(true),
            Phase::Revoked if self.has_begun() => self.ended(false),
            _ => said(
                None,
                Reason::NotStarted.as_str(),
                "there is nothing to watch",
            ),
        }
    }

    /// Neither finished nor known how it ends.
    fn open(&self) -> Said {
        if self.phase().is_terminal() {
            return said(None, Reason::RollingBack.as_str(), self.words.as_str());
        }
        said(None, Reason::Open.as_str(), "it has not come to rest")
    }

    fn is_at_rest(&self) -> bool {
        self.phase().is_terminal() && self.rest.outcome.is_some()
    }

    fn finished(&self) -> Said {
        if self.is_at_rest() {
            self.ended(true)
        } else {
            self.open()
        }
    }

    fn succeeded(&self) -> Said {
        if self.is_at_rest() {
            self.ended(self.phase() == Phase::Closed)
        } else {
            self.open()
        }
    }

    fn held(&self) -> Said {
        match &self.held {
            Some(why) => said(true, Reason::Held.as_str(), why.as_str()),
            None => said(false, Reason::NotHeld.as_str(), "the guard holds nothing"),
        }
    }

    fn outdated(&self) -> Said {
        if self.walk.world.outdated {
            let words = "the template has other content now; this permit keeps the revision it was made under";
            return said(true, Reason::TemplateChanged.as_str(), words);
        }
        let words = "the template is as it was at the request";
        said(false, Reason::TemplateCurrent.as_str(), words)
    }

    fn unpermitted(&self) -> Said {
        let found = &self.walk.world.unpermitted;
        if found.is_empty() {
            let words = "nothing was found on its targets that nobody permitted";
            return said(false, Reason::NothingFound.as_str(), words);
        }
        said(true, Reason::UnpermittedChange.as_str(), found.join("; "))
    }
}
