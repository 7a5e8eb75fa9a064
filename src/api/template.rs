//! The PermitTemplate: the pre-approved shape of a kind of change, owned by the platform team.
//!
//! Says what is demanded; whether it is met is decided in `domain`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::Recurrence;
use super::check::Check;
use super::vocabulary::{Grant, Operation, TemplateClass};

/// What a kind of change demands.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "permits.dev",
    version = "v1alpha1",
    kind = "PermitTemplate",
    doc = "The pre-approved shape of a kind of change: what it may do, who must approve, what is watched.",
    plural = "permittemplates",
    shortname = "pmtt",
    category = "permitting",
    selectable = ".spec.class",
    printcolumn(name = "Level", type_ = "integer", json_path = ".spec.level"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Grant", type_ = "string", json_path = ".spec.grant"),
    printcolumn(
        name = "Window",
        type_ = "string",
        json_path = ".spec.execution.window"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Description",
        type_ = "string",
        json_path = ".spec.description",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.grant == 'Automatic' || (has(self.approval.rules) && size(self.approval.rules) > 0)").message("a template that is not Automatic names who approves: approval.rules is empty").field_path(".approval.rules"))]
#[x_kube(validation = Rule::new("self.grant != 'Automatic' || self.level == 0").message("only level 0 may be granted automatically").field_path(".grant"))]
pub struct PermitTemplateSpec {
    /// What the template is for, shown to requesters. Default: empty.
    /// Example: `a new image of an API service`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub description: String,
    /// Authority needed: 0 automatic, 1 diagnostics, 2 standard production, 3 advanced, 4 system-wide. Example: `2`.
    #[schemars(range(min = 0, max = 4))]
    pub level: i32,
    /// `Standard`, or `Emergency`: for an incident, one hour, incident reference demanded. Default: `Standard`.
    #[serde(default = "standard")]
    pub class: TemplateClass,
    /// `EachChange`: every change has its own permit. `Automatic`: no human approval. Default: `EachChange`.
    #[serde(default = "each_change")]
    pub grant: Grant,
    /// Which changes this template governs; a list that is left out matches everything. The highest level governs.
    /// Default: every change.
    #[serde(default)]
    pub applies_to: AppliesTo,
    /// Who has to approve, and by when. Default: nobody, which only `Automatic` may say; `window: 24h`.
    #[serde(default)]
    pub approval: ApprovalRules,
    /// When and how long the change may run. Default: `window: 2h`, `maxDuration: 1h`, `onRevoke: RollBack`.
    #[serde(default)]
    pub execution: ExecutionLimits,
    /// What is watched while the change is live. Default: no check, `soak: 5m`.
    #[serde(default)]
    pub guard: Guard,
}

const fn standard() -> TemplateClass {
    TemplateClass::Standard
}

const fn each_change() -> Grant {
    Grant::EachChange
}

/// Which changes a template governs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliesTo {
    /// Namespaces by exact name. Default: all. At most 256.
    /// Example: `[shop]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    /// Environments by the namespace label `permits.dev/environment`; unlabelled is `production`. Default: all.
    /// At most 16. Example: `[production]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub environments: Vec<String>,
    /// Operations. Each one of a change is governed by itself, and no other can be made under this template.
    /// Default: all.
    /// Example: `[Deploy]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub operations: Vec<Operation>,
}

/// Who has to approve.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRules {
    /// All of these must be met, by distinct people, none of them the requester. Default: none. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub rules: Vec<ApprovalRule>,
    /// How long review may take before the permit expires. Default: `24h`.
    #[serde(default = "day")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]+(ms|s|m|h|d))+$"))]
    pub window: String,
    /// `Required`: approvals must be signed with the approver's own key. Default: `Optional`.
    #[serde(default)]
    pub signature: SignatureDemand,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            window: day(),
            signature: SignatureDemand::Optional,
        }
    }
}

fn day() -> String {
    "24h".into()
}

/// Whether approvals must be signed.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureDemand {
    /// An approval counts by the approver's authenticated username.
    #[default]
    Optional,
    /// An approval counts only with a signature.
    Required,
}

/// Enough people of any of these roles.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRule {
    /// Roles, any of which counts. Who holds a role says RBAC: verb `approve` on `permits/ROLE`. At most 16.
    /// Example: `[security-lead, architecture-lead]`.
    #[schemars(
        length(min = 1, max = 16),
        inner(
            length(min = 1, max = 63),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
    /// How many distinct people are needed. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub count: i32,
}

const fn one() -> i32 {
    1
}

/// When and how long a change may run.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionLimits {
    /// How long after issuance a change may start. Default: `2h`; at most `1h` for class Emergency.
    #[serde(default = "two_hours")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]+(ms|s|m|h|d))+$"))]
    pub window: String,
    /// How long the rollout may take before the permit is revoked as `TimeExceeded`. Default: `1h`.
    #[serde(default = "one_hour")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]+(ms|s|m|h|d))+$"))]
    pub max_duration: String,
    /// `RollBack`: a revoked change is undone. `Hold`: it is paused and waits for a person. Default: `RollBack`.
    #[serde(default)]
    pub on_revoke: OnRevoke,
    /// A change may start only while one of these is open. Default: at any time. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub recurring: Vec<Recurrence>,
}

impl Default for ExecutionLimits {
    fn default() -> Self {
        Self {
            window: two_hours(),
            max_duration: one_hour(),
            on_revoke: OnRevoke::RollBack,
            recurring: Vec::new(),
        }
    }
}

fn two_hours() -> String {
    "2h".into()
}

fn one_hour() -> String {
    "1h".into()
}

/// What becomes of a running change when its permit is revoked.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnRevoke {
    /// The pod template from before the change is restored.
    #[default]
    RollBack,
    /// The rollout is paused and a person decides.
    Hold,
}

/// What is watched while a change is live.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// How long every check must be healthy after the rollout before the permit closes. Default: `5m`.
    #[serde(default = "five_minutes")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]+(ms|s|m|h|d))+$"))]
    pub soak: String,
    /// The checks; all are asked, the worst verdict wins. Default: none. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub checks: Vec<Check>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            soak: five_minutes(),
            checks: Vec::new(),
        }
    }
}

fn five_minutes() -> String {
    "5m".into()
}
