//! The status of a Permit: a report for people and programs, which never grants anything.
//!
//! Bounds are wide, because a status that the API server refuses would leave a permit standing still. Who writes it
//! keeps sentences short. What the words mean is decided in `domain`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::conditions_schema;
use super::vocabulary::{Outcome, Phase, RevocationReason};

/// What the operator reports of a permit. It never grants anything: the gate recomputes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitStatus {
    /// Where the permit stands in its life. Example: `InReview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Phase")]
    pub phase: Option<Phase>,
    /// How it ended; left out until it has. Example: `Succeeded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Outcome")]
    pub outcome: Option<Outcome>,
    /// The generation of the spec that this status speaks of. Example: `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Digest of the request: approvals name it, and an edit of the spec changes it.
    /// Example: `sha256:9f2c…` (64 hexadecimal digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// Digest of the template revision that governs. Example: `sha256:41d0…` (64 hexadecimal digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub template_digest: Option<String>,
    /// When the permit was issued; the execution window counts from here. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_time: Option<Time>,
    /// The last moment at which a change may start. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_time: Option<Time>,
    /// The execution, once a covered change was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// Last verdict of each check on each target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into(), "target".into()]))]
    pub checks: Vec<CheckStatus>,
    /// Why the permit was revoked; left out unless it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<RevocationStatus>,
    /// The last decision, rule by rule: what `kubectl permit explain` prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub trace: Vec<TraceLine>,
    /// Printable strings for `kubectl get`.
    #[serde(default)]
    pub summary: Summary,
    /// The contract for programs: see `docs/reference/conditions.md`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}

/// What `kubectl get permits` prints.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The targets in short. Example: `deploy/checkout`.
    #[serde(default)]
    #[schemars(length(max = 8192))]
    pub target: String,
    /// Approvals that count, of those needed. Example: `1/2`, or `auto`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub approvals: String,
    /// The change in short. Example: `checkout=shop/checkout:1.5.0`.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub change: String,
    /// The level of the template. Example: `2`, or `emergency`.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub level: String,
    /// When the right to start ends, in RFC 3339, or `-`. Example: `2026-11-21T22:30:00Z`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub expires: String,
    /// The most telling sentence about the permit now. Example: `needs 1 more approval: security-lead`.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// The execution of a permit.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// When the operator saw the first covered change. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_time: Option<Time>,
    /// When every target's rollout was complete. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_time: Option<Time>,
    /// When the permit came to rest. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_time: Option<Time>,
    /// Who made the change, as admission saw it; left out where that knowledge was lost.
    /// Example: `alice@example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub executor: Option<String>,
    /// The gate's decision that admitted the change. Example: `d-7f3c9a12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub decision_id: Option<String>,
    /// How long the checks have been healthy, in seconds; the soak ends when it reaches the template's length.
    #[serde(default)]
    pub healthy_seconds: i64,
}

/// One step of a decision.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceLine {
    /// The rule. Example: `approvals`.
    #[schemars(length(max = 64))]
    pub rule: String,
    /// The verdict: `Pass`, `Fail`, `Wait` or `Skip`.
    #[schemars(length(max = 16))]
    pub verdict: String,
    /// The fact that it rests on. Example: `1 of 2 approvals`.
    #[schemars(length(max = 4096))]
    pub because: String,
}

/// The last verdict of one check.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// Name of the check. Example: `error-rate`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The workload that was judged. Example: `Deployment/checkout`.
    #[schemars(length(max = 320))]
    pub target: String,
    /// The verdict: `Healthy`, `Breached` or `Unknown`.
    #[schemars(length(max = 16))]
    pub verdict: String,
    /// Why, with numbers. Example: `0.0042 is inside the limit 0.01`.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// The last value, as a decimal. Example: `0.0042`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub value: Option<String>,
    /// The limit it is held against. Example: `0.01`.
    #[schemars(length(max = 64))]
    pub limit: String,
    /// When the verdict was reached. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// Why and by whom a permit's power was ended.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationStatus {
    /// The reason. Example: `SafetyViolation`.
    pub reason: RevocationReason,
    /// Name of the Approval that ended it.
    #[schemars(length(max = 253))]
    pub approval: String,
    /// What happened, in words.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// Where the undoing stands: `NotNeeded`, `Pending`, `Accepted`, `Done`, `Failed`, `Held`.
    #[schemars(length(max = 16))]
    pub rollback: String,
}
