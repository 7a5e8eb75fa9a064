//! The world of one permit: everything that a decision about it may see, as plain values.
//!
//! Gathered by the controller; nothing in here can wait, fail or ask again.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::config::Frozen;
use super::parse::FieldError;
use super::quorum::Ballot;
use super::request::{Request, target_key};
use super::rollout::Rollout;
use super::template::Revision;
use crate::api::facts::{Armed, Prior, Spent};
use crate::api::permit::{PermitStatus, Target};
use crate::api::vocabulary::{GateMode, RevocationReason};

/// Everything that a decision about a permit may see.
#[derive(Clone, Debug)]
pub struct World {
    /// The time of this decision.
    pub now: Timestamp,
    /// What is asked.
    pub request: Request,
    /// The mistakes in it.
    pub mistakes: Vec<FieldError>,
    /// The status as it was last written: a memory, never an authority.
    pub recorded: PermitStatus,
    /// The generation of the spec.
    pub generation: Option<i64>,
    /// The resourceVersion that the decision is made on.
    pub resource_version: String,
    /// The revision that governs, if one is kept.
    pub revision: Option<Revision>,
    /// The template has other content now.
    pub outdated: bool,
    /// The requester holds the verb `use` on the template. `None`: it could not be asked.
    pub may_use: Option<bool>,
    /// The namespace's mode.
    pub mode: GateMode,
    /// The namespace's environment.
    pub environment: String,
    /// The freezes that are in force here.
    pub frozen: Vec<Frozen>,
    /// Why the configuration cannot be used, if it cannot.
    pub unsound: Option<String>,
    /// What people said.
    pub ballots: Vec<Ballot>,
    /// What was put on record at issuance.
    pub armed: Option<Armed>,
    /// How it ended, if it has.
    pub spent: Option<Spent>,
    /// Each target, in the spec's order.
    pub targets: Vec<TargetFact>,
    /// What the checks say; asked for only while a change is live.
    pub checks: Vec<CheckFact>,
    /// How long the checks have been healthy after the rollout.
    pub healthy_for: std::time::Duration,
    /// Who made the change, as the gate handed it over.
    pub admitted: Option<Admitted>,
    /// Records can be written.
    pub ledger_writable: bool,
    /// How often the rollback was refused, by target.
    pub refused_rollbacks: BTreeMap<String, u32>,
}

/// One target as it is.
#[derive(Clone, Debug)]
pub struct TargetFact {
    /// What is permitted.
    pub target: Target,
    /// The live workload, if there is one.
    pub live: Option<Workload>,
    /// Another permit that runs on it.
    pub busy_with: Option<String>,
}

impl TargetFact {
    /// The key in facts and records.
    pub fn key(&self) -> String {
        target_key(&self.target)
    }

    /// What stood there when the permit was issued.
    pub fn prior<'a>(&self, armed: Option<&'a Armed>) -> Option<&'a Prior> {
        armed.and_then(|a| a.targets.get(&self.key()))
    }
}

/// A live workload.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its UID.
    pub uid: String,
    /// The whole object, kind and name included.
    pub object: Value,
    /// How far its rollout is.
    pub rollout: Rollout,
}

/// What one check says about one target.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckFact {
    /// Name of the check.
    pub name: String,
    /// Key of the target.
    pub target: String,
    /// Its verdict.
    pub verdict: Health,
    /// Why, with numbers.
    pub because: String,
    /// The last value.
    pub value: Option<String>,
    /// The limit.
    pub limit: String,
    /// The reason of the revocation that a breach leads to.
    pub reason: RevocationReason,
    /// What is due now because of it.
    pub due: Due,
}

/// A verdict, without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Fresh, enough, inside the limit.
    Healthy,
    /// Fresh, enough, outside the limit.
    Breached,
    /// Not to be judged; never a pass, and never by itself a breach.
    Unknown,
}

/// What a check's verdict asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// Go on.
    Nothing,
    /// Wait for a person.
    Hold,
    /// Revoke and roll back.
    RollBack,
}

/// An admitted change, as the gate handed it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who made it.
    pub username: String,
    /// The decision that admitted it.
    pub decision_id: String,
}
