//! Condition types and reasons of a Permit, and how a new set is merged into an old one.
//!
//! The reasons are a stable list: they appear in messages, metric labels and Events.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

pub use super::reason::Reason;

/// The condition types of a Permit; all are set at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Template resolved, spec valid; False: it can never proceed.
    Accepted,
    /// Quorum reached; False: rejected or revoked before issue.
    Approved,
    /// Decided either way.
    Decided,
    /// The gate would admit a matching change now.
    Active,
    /// The rollout finished; False: it failed or was rolled back.
    Executed,
    /// The soak passed; False: a threshold was breached.
    Validated,
    /// Terminal.
    Finished,
    /// Closed with success; False: ended otherwise.
    Succeeded,
    /// The guard holds; `Resume` or `Revoke` ends it.
    Held,
    /// Its template has changed since.
    TemplateOutdated,
    /// Something stands on its targets that nobody permitted.
    UnpermittedChange,
}

impl ConditionType {
    /// Every type, in declared order.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Approved,
        Self::Decided,
        Self::Active,
        Self::Executed,
        Self::Validated,
        Self::Finished,
        Self::Succeeded,
        Self::Held,
        Self::TemplateOutdated,
        Self::UnpermittedChange,
    ];

    /// What True says, and what False says where it is more than the opposite; for the reference.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Accepted => "template resolved, spec valid; False: it can never proceed",
            Self::Approved => "quorum reached; False: rejected, or ended before it was issued",
            Self::Decided => "decided either way",
            Self::Active => "the gate would admit a matching change now",
            Self::Executed => "the rollout finished; False: it failed or was rolled back",
            Self::Validated => "the soak passed; False: it was revoked before",
            Self::Finished => "at rest: closed, or over otherwise and undone",
            Self::Succeeded => "closed with success; False: ended otherwise",
            Self::Held => "the guard holds; `Resume` or `Revoke` ends it",
            Self::TemplateOutdated => {
                "its template has other content since; the permit keeps its own"
            }
            Self::UnpermittedChange => {
                "something stands on its targets that nobody permitted; told on the last permit for them"
            }
        }
    }

    /// The type's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Approved => "Approved",
            Self::Decided => "Decided",
            Self::Active => "Active",
            Self::Executed => "Executed",
            Self::Validated => "Validated",
            Self::Finished => "Finished",
            Self::Succeeded => "Succeeded",
            Self::Held => "Held",
            Self::TemplateOutdated => "TemplateOutdated",
            Self::UnpermittedChange => "UnpermittedChange",
        }
    }
}

/// What a decision says about one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionValue {
    /// Which condition.
    pub type_: ConditionType,
    /// `Some(true)` is True, `Some(false)` False, `None` Unknown.
    pub status: Option<bool>,
    /// One CamelCase word from the stable list, [`Reason`] and the words of an ending.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Merges `wanted` into `old`: `lastTransitionTime` moves only with the status, `observedGeneration` always.
///
/// `kubectl wait` compares the `observedGeneration` inside a condition first (`decisions.md` 54).
pub fn merge(
    old: &[Condition],
    wanted: &[ConditionValue],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    wanted
        .iter()
        .map(|value| {
            let status = match value.status {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            let before = old.iter().find(|c| c.type_ == value.type_.as_str());
            let since = before
                .filter(|c| c.status == status)
                .map_or(Time(now), |c| c.last_transition_time.clone());
            Condition {
                type_: value.type_.as_str().into(),
                status: status.into(),
                reason: value.reason.clone(),
                message: value.message.clone(),
                last_transition_time: since,
                observed_generation: generation,
            }
        })
        .collect()
}

/// The schema of a list of conditions: a map by `type`, so that server-side apply merges and never replaces it.
/// Written out, because the one that comes with the type is unbounded.
pub(super) fn conditions_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {
            "description": "One aspect of the permit, as it stands.",
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"description": "The aspect. Example: `Approved`.", "type": "string", "minLength": 1, "maxLength": 64},
                "status": {"description": "`True`, `False`, or `Unknown` as long as nobody can tell.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"description": "One word from the stable list of reasons. Example: `AwaitingApproval`.", "type": "string", "minLength": 1, "maxLength": 128},
                "message": {"description": "A sentence for people.", "type": "string", "maxLength": 32768},
                "lastTransitionTime": {"description": "When the status last changed. RFC 3339.", "type": "string", "format": "date-time"},
                "observedGeneration": {"description": "The generation of the spec that this speaks of. Example: `1`.", "type": "integer", "format": "int64"}
            }
        },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"]
    })
}
