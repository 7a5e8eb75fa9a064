//! The facts of one enrolled namespace: what every replica needs to know and no tenant may write.
//!
//! Kept as one Secret a namespace in the operator's own namespace (the copies of prior pod templates hold
//! environment values, so a ConfigMap would show them to whoever reads configuration). Written by the leader,
//! watched by every gate.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::vocabulary::{Outcome, Phase};

/// Label of the Secrets that hold facts; its value is the enrolled namespace.
pub const FACTS_LABEL: &str = "permits.dev/facts-of";
/// Label of the ConfigMaps that hold template revisions; its value is the template's name.
pub const REVISION_LABEL: &str = "permits.dev/template";
/// Annotation of a template revision: since when its content is the current one, in RFC 3339.
pub const CURRENT_SINCE: &str = "permits.dev/current-since";
/// The key under which both keep their JSON.
pub const DATA_KEY: &str = "data.json";

/// Facts by workload and permit. Keys of `baselines` and of `Armed::targets` are `Deployment/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// The last spec of each workload that was permitted and validated, or stood there at enrolment.
    pub baselines: BTreeMap<String, Baseline>,
    /// What each issued permit could be rolled back to, by the permit's UID. Without an entry here nothing is admitted.
    pub armed: BTreeMap<String, Armed>,
    /// Permits that have come to rest, by UID: no forged status brings one of them back.
    pub spent: BTreeMap<String, Spent>,
    /// How the namespace is enrolled, so that one made anew is enrolled again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<Enrolment>,
}

/// How a namespace stands: which one it is, and its labels, empty where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Enrolment {
    /// UID of the namespace.
    pub uid: String,
    /// Its label `permits.dev/gate`.
    pub gate: String,
    /// Its label `permits.dev/environment`.
    pub environment: String,
}

/// How a permit ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Name of the permit.
    pub permit: String,
    /// The terminal phase.
    pub phase: Phase,
    /// The outcome, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// The identity of an accepted spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Digest of the spec without replicas.
    pub spec_digest: String,
    /// Digest of the pod template.
    pub template_digest: String,
    /// UID of the permit that brought it, empty if it stood there at enrolment.
    #[serde(default)]
    pub permit_uid: String,
}

/// What was there before an issued permit's change, recorded before any change can be admitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Armed {
    /// Name of the permit.
    pub permit: String,
    /// Digest that was issued: an edit of the spec disarms.
    pub digest: String,
    /// When it was issued, by the leader's clock; the execution window counts from here.
    pub issued_time: Option<Time>,
    /// The prior state of each target.
    pub targets: BTreeMap<String, Prior>,
}

/// The prior state of one target. An absent workload has an empty `uid`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// UID of the workload, empty if there was none.
    pub uid: String,
    /// Digest of the spec without replicas, empty if there was none.
    pub spec_digest: String,
    /// Digest of the pod template, empty if there was none.
    pub template_digest: String,
    /// The workload itself (kind, name, spec), for the difference and for the rollback; null if there was none.
    #[serde(default)]
    pub object: Value,
    /// Names of checks that already breached before the change (`decisions.md` 26).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaching: Vec<String>,
}

/// The name of the Secret that holds the facts of a namespace.
pub fn facts_name(namespace: &str) -> String {
    format!("permit-facts-{namespace}")
}

/// The name of the ConfigMap that holds one revision of a template. Two templates may have the same content, and each
/// keeps its own.
pub fn revision_name(template: &str, digest: &str) -> String {
    let hex = digest.trim_start_matches("sha256:");
    let stem: String = template.chars().take(180).collect();
    format!("permit-template-{stem}-{}", hex.get(..40).unwrap_or(hex))
}
