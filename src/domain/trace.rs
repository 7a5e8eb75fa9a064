//! The trace: which rule said what, because of which fact.
//!
//! Feeds status, messages, records and `kubectl permit explain`; no second explanation is ever written.

use std::fmt;

use crate::api::permit::TraceLine;

/// What one rule said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The rule is met.
    Pass,
    /// The rule forbids it.
    Fail,
    /// The rule waits for something.
    Wait,
    /// The rule does not apply.
    Skip,
}

/// The rules, in the order in which they are asked. Each names the row or section it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The namespace is gated, and how (`gate.md`, step 1).
    Enrolment,
    /// Exactly this user may write exactly this shape (`gate.md`, step 2).
    Exemption,
    /// Something that runs would change (`gate.md`, step 3).
    Change,
    /// The outcome is the recorded baseline (`gate.md`, step 4).
    Baseline,
    /// Whether anything may change at this time (`gate.md`, step 5).
    Freeze,
    /// The template exists, is sound and governs this (`gate.md`, step 7; threat row 45).
    Template,
    /// The requester may use the template (`decisions.md` 6).
    Use,
    /// The permit's spec is sound.
    Spec,
    /// The permit's environment is the namespace's (`decisions.md` 11).
    Environment,
    /// The requester is a proved person (`decisions.md` 2).
    Requester,
    /// What the level demands is built (`decisions.md` 43).
    Level,
    /// The bytes behind the images are named as the level demands (`decisions.md` 22; threat row 15).
    Images,
    /// Nobody who may has said no, and the power has not been ended (`decisions.md` 3).
    Revocation,
    /// Enough of the right distinct people said yes to this digest (threat rows 32-35, 38).
    Approvals,
    /// The digest is the one that was issued (threat row 38).
    Digest,
    /// Now lies inside the window.
    Window,
    /// The state to return to is on record (threat row 49).
    Prior,
    /// The record can be written (threat rule 11).
    Ledger,
    /// The one who acts may (`gate.md`, step 9).
    Subject,
    /// Nothing beyond what was permitted (`gate.md`, step 9).
    Scope,
    /// No other permit runs on the target (`decisions.md` 29).
    Target,
    /// The rollout is complete.
    Rollout,
    /// The guard's checks.
    Guard,
}

impl Rule {
    /// The rule's name in traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::Exemption => "exemption",
            Self::Change => "change",
            Self::Baseline => "baseline",
            Self::Freeze => "freeze",
            Self::Template => "template",
            Self::Use => "use",
            Self::Spec => "spec",
            Self::Environment => "environment",
            Self::Requester => "requester",
            Self::Level => "level",
            Self::Images => "images",
            Self::Revocation => "revocation",
            Self::Approvals => "approvals",
            Self::Digest => "digest",
            Self::Window => "window",
            Self::Prior => "prior",
            Self::Ledger => "ledger",
            Self::Subject => "subject",
            Self::Scope => "scope",
            Self::Target => "target",
            Self::Rollout => "rollout",
            Self::Guard => "guard",
        }
    }
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule that was asked.
    pub rule: Rule,
    /// What it said.
    pub verdict: Verdict,
    /// The fact it rests on, as a short sentence without secret values.
    pub because: String,
}

/// The steps of one decision, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub Vec<Step>);

impl Trace {
    /// Adds a step.
    pub fn push(&mut self, rule: Rule, verdict: Verdict, because: impl Into<String>) {
        self.0.push(Step {
            rule,
            verdict,
            because: because.into(),
        });
    }

    /// The trace as it stands in status.
    pub fn lines(&self) -> Vec<TraceLine> {
        self.0.iter().map(Step::line).collect()
    }

    /// The first step that did not let the matter pass.
    pub fn stopped_at(&self) -> Option<&Step> {
        self.0
            .iter()
            .find(|s| matches!(s.verdict, Verdict::Fail | Verdict::Wait))
    }
}

impl Step {
    fn line(&self) -> TraceLine {
        TraceLine {
            rule: self.rule.as_str().into(),
            verdict: format!("{:?}", self.verdict),
            because: self.because.clone(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?}: {}",
            self.rule.as_str(),
            self.verdict,
            self.because
        )
    }
}
