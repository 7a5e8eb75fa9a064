//! What can go wrong in the controller: each variant is the act that was attempted.

use thiserror::Error;

use crate::cluster::client::CallError;
use crate::cluster::leadership::NotLeader;
use crate::ledger::LedgerError;

/// An act of the controller that failed. The permit is looked at again.
#[derive(Debug, Error)]
pub enum Error {
    /// This process no longer leads.
    #[error("lead")]
    NotLeading(#[source] NotLeader),
    /// A record that has to come first could not be appended.
    #[error("append record")]
    Record(#[source] LedgerError),
    /// The facts could not be written.
    #[error("write facts of namespace `{0}`")]
    Facts(String, #[source] CallError),
    /// The facts could not be read or written as JSON.
    #[error("read facts of namespace `{0}`")]
    FactsFormat(String, #[source] serde_json::Error),
    /// The facts would no longer fit one object; what is issued has to come to rest first.
    #[error("facts of namespace `{0}` are full: too many permits are issued at once")]
    FactsFull(String),
    /// A namespace that was made anew could not be labelled.
    #[error("label namespace `{0}`")]
    Enrolment(String, #[source] CallError),
    /// The status could not be written.
    #[error("patch status of permit `{0}`")]
    Status(String, #[source] CallError),
    /// The operator's own revocation could not be created.
    #[error("create revocation of permit `{0}`")]
    Revoke(String, #[source] CallError),
    /// A rollout could not be paused.
    #[error("pause `{0}`")]
    Pause(String, #[source] CallError),
    /// An object that seems unpermitted could not be read.
    #[error("read `{0}`")]
    Suspect(String, #[source] CallError),
    /// A namespace could not be frozen.
    #[error("freeze namespace `{0}`")]
    Freeze(String, #[source] CallError),
    /// A revision of a template could not be kept.
    #[error("keep revision of template `{0}`")]
    Revision(String, #[source] CallError),
}

impl Error {
    /// A word for the metric.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotLeading(_) => "not_leading",
            Self::Record(_) => "record",
            Self::Facts(..) | Self::FactsFormat(..) | Self::FactsFull(_) => "facts",
            Self::Enrolment(..) => "enrolment",
            Self::Status(..) => "status",
            Self::Revoke(..) => "revoke",
            Self::Pause(..) => "pause",
            Self::Suspect(..) => "suspect",
            Self::Freeze(..) => "freeze",
            Self::Revision(..) => "revision",
        }
    }
}
