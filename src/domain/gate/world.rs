//! What the gate may see, and what it says.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::api::config::Exemption;
use crate::api::facts::Facts;
use crate::api::kind::WorkloadKind;
use crate::api::vocabulary::{GateMode, Phase};
use crate::domain::config::Frozen;
use crate::domain::quorum::Ballot;
use crate::domain::request::Request;
use crate::domain::template::{Template, Unreadable};
use crate::domain::trace::Trace;

/// Everything that a decision about one change may see.
#[derive(Clone, Debug)]
pub struct GateWorld {
    /// The time of the decision.
    pub now: Timestamp,
    /// Its identity, for message and record.
    pub decision_id: String,
    /// How strictly the namespace is gated.
    pub mode: GateMode,
    /// The namespace's environment.
    pub environment: String,
    /// Who makes the change.
    pub username: String,
    /// The credential that they came with is on record: nobody impersonates them (`decisions.md` 46).
    pub has_credential: bool,
    /// The operator's own username.
    pub operator: String,
    /// The namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: WorkloadKind,
    /// The workload's name.
    pub name: String,
    /// It comes by the `scale` subresource.
    pub is_scale: bool,
    /// The object before, if there was one.
    pub old: Option<Value>,
    /// The object after, if there is one.
    pub new: Option<Value>,
    /// For `scale`: the workload itself, read live.
    pub parent: Option<Value>,
    /// The freezes that are in force here.
    pub frozen: Vec<Frozen>,
    /// Why the configuration cannot be used, if it cannot: a freeze may stand in it.
    pub unsound: Option<String>,
    /// What the configuration exempts.
    pub exemptions: Vec<Exemption>,
    /// The namespace's facts, if it is enrolled.
    pub facts: Option<Facts>,
    /// The templates that exist now.
    pub templates: Vec<Template>,
    /// Those that exist and cannot be read: what they demand is not known, and is not demanded less for that.
    pub unreadable: Vec<Unreadable>,
    /// The permits that name the workload.
    pub candidates: Vec<Candidate>,
}

impl GateWorld {
    /// Key of the workload in facts.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether replicas come up from none, by `scale` or by the workload itself.
    pub fn wakes(&self) -> bool {
        self.replicas(self.old.as_ref()) == Some(0) && self.replicas(self.new.as_ref()) > Some(0)
    }

    /// Whether replicas go to zero.
    pub fn stops_everything(&self) -> bool {
        self.replicas(self.new.as_ref()) == Some(0) && self.replicas(self.old.as_ref()) != Some(0)
    }

    /// The replicas of an object; a `Scale` leaves 0 out, a workload that leaves them out has one.
    pub(super) fn replicas(&self, object: Option<&Value>) -> Option<i64> {
        let stated = object?.pointer("/spec/replicas").and_then(Value::as_i64);
        Some(stated.unwrap_or_else(|| i64::from(!self.is_scale)))
    }

    /// Whether the workload has one; without it no digest is worked out.
    pub(super) fn has_recorded_baseline(&self) -> bool {
        let facts = self.facts.as_ref();
        facts.is_some_and(|f| f.baselines.contains_key(&self.key()))
    }

    /// Whether this is the digest of the workload's recorded baseline.
    pub(super) fn is_recorded_baseline(&self, spec_digest: &str) -> bool {
        let facts = self.facts.as_ref();
        let recorded = facts.and_then(|f| f.baselines.get(&self.key()));
        recorded.is_some_and(|b| b.spec_digest == spec_digest)
    }
}

/// A permit that names the workload.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it asks.
    pub request: Request,
    /// The revision that governs, if it is on record and sound.
    pub template: Option<Template>,
    /// What people said.
    pub ballots: Vec<Ballot>,
    /// The requester may use the template.
    pub may_use: Option<bool>,
    /// The phase in its status; it can only deny.
    pub recorded: Option<Phase>,
    /// The guard holds it.
    pub held: bool,
    /// Another permit that runs on the workload; its name is empty where the user may not know it.
    pub busy_with: Option<String>,
    /// The user may `get` it; otherwise nothing of it is told.
    pub may_see: bool,
}

impl Candidate {
    /// Its name, where the user may know it.
    pub(super) fn seen_name(&self) -> String {
        if self.may_see {
            self.request.name.clone()
        } else {
            String::new()
        }
    }
}

/// Why a change was not admitted; one stable word (`gate.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Admitted.
    Admitted,
    /// No permit names the workload.
    PermitRequired,
    /// The permit waits for people or the operator.
    PermitPending,
    /// Its window has not opened.
    PermitWindow,
    /// More than was permitted.
    PermitScope,
    /// Somebody else may do it.
    PermitSubject,
    /// Its power was ended.
    PermitRevoked,
    /// Its window has closed, or it is spent.
    PermitExpired,
    /// Another permit runs on the workload.
    TargetBusy,
    /// Nothing may change at this time.
    FreezeActive,
    /// The gate could not decide.
    GateUnavailable,
}

impl Code {
    /// Every code, in declared order.
    pub const ALL: [Self; 11] = [
        Self::Admitted,
        Self::PermitRequired,
        Self::PermitPending,
        Self::PermitWindow,
        Self::PermitScope,
        Self::PermitSubject,
        Self::PermitRevoked,
        Self::PermitExpired,
        Self::TargetBusy,
        Self::FreezeActive,
        Self::GateUnavailable,
    ];

    /// What the code means, for the reference.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Admitted => "the change may be stored",
            Self::PermitRequired => {
                "no open permit names the workload; the message says how to request one"
            }
            Self::PermitPending => "the permit waits for people, or for the operator to issue it",
            Self::PermitWindow => "its window has not opened; the message says when it does",
            Self::PermitScope => {
                "the change goes beyond the permit; the message names the first field or image"
            }
            Self::PermitSubject => "somebody else may make this change; the message says who",
            Self::PermitRevoked => {
                "its power was ended, or it can never be granted; the same change stays out"
            }
            Self::PermitExpired => "its window has closed, or it is spent",
            Self::TargetBusy => {
                "another permitted change runs on the workload, or the guard holds it"
            }
            Self::FreezeActive => {
                "nothing may change at this time; the message says until when, and the way in an emergency"
            }
            Self::GateUnavailable => "the gate could not decide; nothing was changed, try again",
        }
    }

    /// The code of a permit that has ended.
    pub(super) const fn of_end(phase: Phase) -> Self {
        match phase {
            Phase::Revoked | Phase::Cancelled | Phase::Rejected => Self::PermitRevoked,
            _ => Self::PermitExpired,
        }
    }

    /// Whether it tells of a permit that has ended.
    pub(super) const fn is_end(self) -> bool {
        matches!(self, Self::PermitRevoked | Self::PermitExpired)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "Admitted",
            Self::PermitRequired => "PermitRequired",
            Self::PermitPending => "PermitPending",
            Self::PermitWindow => "PermitWindow",
            Self::PermitScope => "PermitScope",
            Self::PermitSubject => "PermitSubject",
            Self::PermitRevoked => "PermitRevoked",
            Self::PermitExpired => "PermitExpired",
            Self::TargetBusy => "TargetBusy",
            Self::FreezeActive => "FreezeActive",
            Self::GateUnavailable => "GateUnavailable",
        }
    }
}

/// What was judged, before it is put in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The change may be stored.
    pub admits: bool,
    /// Why, in a word.
    pub code: Code,
    /// Why, in a sentence.
    pub why: String,
    /// The permit's name, empty where the user may not know it.
    pub permit: Option<String>,
    /// The permit's UID, of an admitted change.
    pub permit_uid: Option<String>,
    /// What the one who makes the change should know.
    pub obligation: Option<String>,
    /// What is not denied, but should not stay so.
    pub notes: Vec<String>,
}

impl Judged {
    /// The one place that says yes.
    pub(super) fn admit(why: impl Into<String>) -> Self {
        Self {
            admits: true,
            code: Code::Admitted,
            why: why.into(),
            permit: None,
            permit_uid: None,
            obligation: None,
            notes: Vec::new(),
        }
    }

    pub(super) fn deny(code: Code, why: impl Into<String>) -> Self {
        Self {
            admits: false,
            code,
            why: why.into(),
            permit: None,
            permit_uid: None,
            obligation: None,
            notes: Vec::new(),
        }
    }
}

/// What the gate says.
#[derive(Clone, Debug)]
pub struct GateDecision {
    /// What was judged.
    pub judged: Judged,
    /// Which rule said what.
    pub trace: Trace,
    /// The whole message of a denial, at most 1,000 bytes; its first line stands alone.
    pub message: String,
}
