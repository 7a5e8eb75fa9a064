//! The Approval: one person's decision about one permit at one digest.
//!
//! The only way people act on a permit. Whether it counts is decided in `domain::quorum`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::permit::Identity;
use super::vocabulary::{Decision, RevocationReason};

/// Who says what about which permit, and why.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "permits.dev",
    version = "v1alpha1",
    kind = "Approval",
    doc = "One person's decision about one permit at one digest; the only way people act on a permit.",
    plural = "approvals",
    namespaced,
    shortname = "appr",
    category = "permitting",
    selectable = ".spec.permitRef.name",
    printcolumn(name = "Permit", type_ = "string", json_path = ".spec.permitRef.name"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.approver.username"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Role",
        type_ = "string",
        json_path = ".spec.role",
        priority = 1
    ),
    printcolumn(
        name = "Reasoning",
        type_ = "string",
        json_path = ".spec.reasoning",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.decision == 'Revoke' ? has(self.reason) : !has(self.reason)").message("reason stands beside Revoke and only there; people give ApproverRequest, Incident or Emergency").field_path(".reason"))]
#[x_kube(validation = Rule::new("!(self.decision in ['Approve', 'Reject', 'RequestChanges', 'Revoke', 'Resume']) || has(self.role)").message("this decision is made in a role: role is missing").field_path(".role"))]
pub struct ApprovalSpec {
    /// The permit that this decision is about.
    pub permit_ref: PermitRef,
    /// What is decided. Example: `Approve`.
    pub decision: Decision,
    /// The role that the decider acts in; they need the verb `approve` (for Revoke: `revoke`) on `permits/ROLE`.
    /// Example: `tech-lead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub role: Option<String>,
    /// Why, in words. Always required. Example: `load test attached, rollback rehearsed`.
    #[schemars(length(min = 1, max = 2048))]
    pub reasoning: String,
    /// Why the permit is revoked; beside `Revoke` only. People give `ApproverRequest`, `Incident` or `Emergency`; the
    /// other reasons are machine findings. Example: `Incident`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RevocationReason")]
    pub reason: Option<RevocationReason>,
    /// The person who decides. Stamped from the request where it is missing; it must be the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    /// Who sent this object, as the API server authenticated them. Stamped; what a writer puts here is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<Identity>,
}

/// The permit that a decision is about.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermitRef {
    /// Name of the permit, in the approval's own namespace. Example: `checkout-7f3c9`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The permit's `spec.requestId`: a permit made anew under the same name is another one.
    /// Example: `01JD8T6V0W6Z3YB1X2K3M4N5P6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 26, max = 26),
        regex(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    )]
    pub request_id: Option<String>,
    /// The permit's digest that is decided about (`status.digest`). Demanded of Approve: an edit voids it.
    /// Example: `sha256:…` (64 hexadecimal digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// The person who decides.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approver {
    /// The username. Example: `bob@example.com`.
    #[schemars(length(min = 1, max = 512))]
    pub username: String,
}
