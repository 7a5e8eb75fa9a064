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
    /// How the namespace is enrolled, so that one made anew is enrolled again. Permits may be issued before it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<Enrolment>,
    /// Digest of the spec that was last admitted without a permit, because a template grants it automatically or the
    /// configuration exempts its writer. By workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub granted: BTreeMap<String, String>,
    /// Which pods each workload ever made with permission: what its controller derives from it is judged by that.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, Known>,
    /// The unpermitted changes that stand, by object.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unpermitted: BTreeMap<String, Finding>,
}

/// Pods that a workload made with permission, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Known {
    /// Prints of pod specs, as the domain makes them.
    pub prints: Vec<String>,
    /// `CONTAINER=IMAGE` of each container.
    pub images: Vec<String>,
    /// Prints that were told of as unpermitted: what is derived from them is not told of again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// A change that stands and that nobody permitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    /// What is wrong, in one word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// UID of the object, empty if it is gone.
    pub uid: String,
    /// Digest of what stands there, empty if nothing does.
    pub digest: String,
    /// Print of its pods, empty if it makes none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub print: String,
    /// UID of the last permit for the workload, empty if there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub permit_uid: String,
    /// When it was found.
    pub since: Option<Time>,
    /// Key of its record.
    pub key: String,
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
    /// Why, in one word of the stable list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in words; empty once they were forgotten.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// When it had been issued, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_time: Option<Time>,
    /// A digest of the trace in its status; empty once it was forgotten.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
}

/// How many permits at rest are remembered with their words; of older ones how they ended stays.
const WORDED: usize = 500;

impl Facts {
    /// Remembers how a permit ended, and forgets the words of what ended long ago: a namespace has room for thousands
    /// of ends, not for a sentence about each.
    pub fn settle(&mut self, uid: String, spent: Spent) {
        self.armed.remove(&uid);
        self.spent.insert(uid, spent);
        let mut worded: Vec<_> = self.spent.values_mut().filter(|s| s.is_worded()).collect();
        let surplus = worded.len().saturating_sub(WORDED);
        worded.sort_by_key(|s| s.time.as_ref().map(|t| t.0));
        for old in worded.into_iter().take(surplus) {
            old.message.clear();
            old.trace.clear();
        }
    }
}

impl Spent {
    const fn is_worded(&self) -> bool {
        !self.message.is_empty() || !self.trace.is_empty()
    }
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
