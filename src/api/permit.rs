//! The Permit: one request and its whole life.
//!
//! The spec says what is asked. What becomes of it stands in `status`, which grants nothing.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::Recurrence;
use super::kind::WorkloadKind;
use super::vocabulary::{Method, Operation};

pub use super::status::{
    CheckStatus, Execution, PermitStatus, RevocationStatus, Summary, TraceLine,
};

/// What a person asks leave to do, within which times.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "permits.dev",
    version = "v1alpha1",
    kind = "Permit",
    doc = "A time-limited, content-bound authorisation of one production change: one request and its whole life.",
    plural = "permits",
    namespaced,
    status = "PermitStatus",
    shortname = "pmt",
    category = "permitting",
    selectable = ".spec.template",
    selectable = ".status.phase",
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".status.summary.target"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.outcome"),
    printcolumn(
        name = "Approvals",
        type_ = "string",
        json_path = ".status.summary.approvals"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.summary.expires"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Level",
        type_ = "string",
        json_path = ".status.summary.level",
        priority = 1
    ),
    printcolumn(
        name = "Requester",
        type_ = "string",
        json_path = ".spec.requestedBy.username",
        priority = 1
    ),
    printcolumn(
        name = "Template",
        type_ = "string",
        json_path = ".spec.template",
        priority = 1
    ),
    printcolumn(
        name = "Change",
        type_ = "string",
        json_path = ".status.summary.change",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.summary.message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.schedule) || !has(self.schedule.earliestStart) || !has(self.schedule.latestStart) || self.schedule.earliestStart < self.schedule.latestStart").message("the window ends before it starts: latestStart must be after earliestStart").field_path(".schedule.latestStart"))]
pub struct PermitSpec {
    /// Name of the PermitTemplate that governs this change. The requester needs the verb `use` on it.
    /// Example: `standard-api-deployment`.
    #[schemars(length(min = 1, max = 253))]
    pub template: String,
    /// Why the change is made, in words that an approver and an auditor understand. Example: `CVE-2026-1234 fix`.
    #[schemars(length(min = 1, max = 1024))]
    pub purpose: String,
    /// The ticket that this change belongs to, if there is one. Example: `SHOP-1234`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub ticket: Option<String>,
    /// Reference of the incident; demanded by templates of class Emergency. Example: `INC-77`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub incident: Option<String>,
    /// The environment that approvers approve, in words. It must equal the namespace's label
    /// `permits.dev/environment`; left out, the namespace's is meant. Example: `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub environment: Option<String>,
    /// Identity of this request, a ULID. Written by `kubectl permit`, stamped where it is missing, never changed.
    /// Example: `01JD8T6V0W6Z3YB1X2K3M4N5P6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 26, max = 26),
        regex(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    )]
    pub request_id: Option<String>,
    /// The workloads that may change, each named once, with the outcome that is permitted. At least one, at most 16.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "name".into()]))]
    pub targets: Vec<Target>,
    /// When the change may start. Default: from issuance until the template's window ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Usernames that may make the change. Default: the requester only. At most 16.
    /// Example: `[system:serviceaccount:flux-system:kustomize-controller]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub executors: Vec<String>,
    /// Who asked, as the API server authenticated them. Stamped at admission; what a writer puts here is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Identity>,
}

/// One workload in the permit's own namespace, and what may become of it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.images) || has(self.podTemplateDigest) || (has(self.operations) && size(self.operations) > 0)").message("a target names an outcome: give images, podTemplateDigest or operations"))]
#[x_kube(validation = Rule::new(KNOWN_KIND).message("kind is one of Kubernetes' own that are gated, such as Deployment, StatefulSet, DaemonSet, CronJob, Job or Pod, or written as Kind.group").field_path(".kind"))]
#[x_kube(validation = Rule::new("!has(self.operations) || self.operations.all(o, !(o in ['Create', 'Rollback']) && (o != 'Deploy' || has(self.repositories)))").message("Deploy, Create and Rollback need a named outcome: give images or podTemplateDigest instead, or for Deploy the repositories that images may come from").field_path(".operations"))]
#[x_kube(validation = Rule::new("!(has(self.images) && has(self.podTemplateDigest))").message("images and podTemplateDigest exclude each other: the digest already names every image"))]
pub struct Target {
    /// Kind of the workload; of a group that is not Kubernetes' own as `Kind.group`. Default: `Deployment`.
    /// Example: `Rollout.argoproj.io`.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Name of the workload. Example: `checkout`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Namespace of the workload. It must be the permit's own, which is also the default. Example: `shop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Container name to image: exactly these images may be rolled out, and nothing but images may differ.
    /// At least one, at most 32. Example: `{checkout: "shop/checkout:1.5.0"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "images_schema")]
    pub images: BTreeMap<String, String>,
    /// SHA-256 of the one pod template that may be rolled out, as the denial of the change or
    /// `kubectl permit request` prints it. Example: `sha256:9f2c…` (64 hexadecimal digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub pod_template_digest: Option<String>,
    /// Operations that are permitted besides: `Scale`, `Restart`, `Pause`, `Resume`, `Configure`, `Delete`, `Diagnose`;
    /// of a Job that is a migration `DatabaseMigration`.
    /// An image change needs `images` or `podTemplateDigest`, or `Deploy` with `repositories`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub operations: Vec<Operation>,
    /// Where what `operations` permits may differ: paths as a denial prints them, with everything below.
    /// Default: anywhere. At most 32. Example: `[spec.template.spec.containers[app].env]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub fields: Vec<String>,
    /// Repositories that `Deploy` may take images from, each written exactly and without tag or digest.
    /// Default: none. At most 32. Example: `[registry.example.com/shop/checkout]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub repositories: Vec<String>,
    /// The ways in which the workload may be written: `Create`, `Update`, `Delete`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub methods: Vec<Method>,
    /// The ways in which it may not be written, whatever else is permitted. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub forbidden_methods: Vec<Method>,
}

/// Kept equal to `WorkloadKind::OWN` by a test.
const KNOWN_KIND: &str = "!has(self.kind) || self.kind.contains('.') || self.kind in ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'ReplicationController', 'Job', 'CronJob', 'Pod', 'HorizontalPodAutoscaler', 'ConfigMap', 'Secret', 'Service', 'Ingress']";

/// The schema of `images`: bounded, so that the cost of a rule over it is too.
fn images_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 512}
    })
}

/// When the change may start; both times in RFC 3339.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// The change may not start before. Default: at issuance. Example: `2026-11-21T21:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_start: Option<Time>,
    /// The change may not start after; it can only shorten the template's window. Example: `2026-11-21T23:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_start: Option<Time>,
    /// The change may start only while one of these is open, and while the template's are. Default: at any time.
    /// At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub recurring: Vec<Recurrence>,
}

/// Who somebody is, as the API server authenticated them.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The username. Example: `alice@example.com`.
    #[schemars(length(max = 512))]
    pub username: String,
    /// The authenticator's unique id for the user, if it gives one. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub uid: Option<String>,
    /// The groups that the authenticator stated. Default: none. At most 512.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(max = 512)))]
    pub groups: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_the_kinds_that_a_target_can_name_and_no_others() {
        let list = KNOWN_KIND.split_once(" in [").unwrap().1;
        let words: Vec<_> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(words, WorkloadKind::OWN);
    }
}
