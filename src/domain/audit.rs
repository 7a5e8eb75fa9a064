//! The audit record: what a line of the ledger says, how lines are chained, and whether a chain is whole.
//!
//! Knows records, hashes and exports as bytes. Does not know where lines are kept, what time it is, or who may read
//! them. No username stands in a chained line: people are keyed pseudonyms there, and what names them lies in a
//! payload that can be erased without breaking the chain.

mod draft;
mod export;
mod fault;
mod hash;
mod verify;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::vocabulary::Phase;

pub use draft::{Actor, Draft, PseudonymKey, Ruling, Sealed, Stamp, seal};
pub use export::{Link, Personal, Trailer, payload_line, read_link, trailer_line};
pub use fault::{Broken, Fault};
pub use hash::{Hash, Head};
pub use verify::{Verified, verify};

/// The version of the record format.
pub const FORMAT: u64 = 1;

/// One chained line of the ledger, as its canonical JSON reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of the format.
    pub v: u64,
    /// Name of the log.
    pub log: String,
    /// Place in the log, counted from 1 without gaps.
    pub seq: u64,
    /// When the record was appended.
    pub time: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Who did it.
    pub actor: Pseudonym,
    /// The object that it happened to.
    pub subject: Subject,
    /// Digest of the permit that was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit_digest: Option<String>,
    /// The decision, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Identity of the decision, which logs and messages carry too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// The rules that were asked and their verdicts; the facts in words are in the payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Verdict>,
    /// The phase that was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Phase>,
    /// The phase that was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Phase>,
    /// The reason, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What makes a repeated append the same record.
    pub key: String,
    /// Lease transitions of the leader that wrote it.
    pub fence: u64,
    /// Paths, digests and numbers; never a value of an environment variable, argument or literal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Hash of salt and payload: what was said, provable until it is erased.
    pub payload_hash: Hash,
    /// Version of the operator that wrote it.
    pub operator_version: String,
    /// Hash of the line before, or of the log's name at the start.
    pub prev: Hash,
}

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordType {
    /// A permit entered a phase.
    Transition,
    /// An effect is about to be applied.
    Intent,
    /// An effect was applied.
    Done,
    /// The permit's final account.
    Closure,
    /// Configuration or a template changed.
    Configuration,
    /// Records were lost.
    Gap,
}

/// What kind of actor did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ActorKind {
    /// A human being.
    Person,
    /// A service account.
    ServiceAccount,
    /// The operator itself.
    Operator,
}

/// An actor as chained lines know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pseudonym {
    /// The keyed pseudonym of the actor's name: the same for the same name.
    pub person_pseudonym: String,
    /// What kind of actor.
    pub kind: ActorKind,
}

/// The object that a record is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Kind of the object.
    pub kind: String,
    /// Namespace, empty for the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ns: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object, empty before it exists.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The permit's request id, empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

/// A rule and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Name of the rule.
    pub rule: String,
    /// What it said, in one word.
    pub verdict: String,
}
