//! The configuration `permit-config`: what is no kind of ours, in one ConfigMap of the operator's namespace.
//!
//! As it is written; `domain::config` checks it. Changed by whoever the cluster's RBAC lets write that one object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::Recurrence;
use super::vocabulary::{Operation, TemplateClass};

/// Name of the ConfigMap.
pub const CONFIG_NAME: &str = "permit-config";
/// The key that holds it, as YAML.
pub const CONFIG_KEY: &str = "config.yaml";
/// Label of the ConfigMaps that freeze a namespace after an unpermitted change; its value is the namespace.
pub const FREEZE_LABEL: &str = "permits.dev/freeze-of";
/// The key under which such a ConfigMap says why.
pub const FREEZE_KEY: &str = "because";

/// The name of the ConfigMap that freezes a namespace.
pub fn freeze_name(namespace: &str) -> String {
    format!("permit-freeze-{namespace}")
}

/// What the operator is told beside templates and labels.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PermitConfig {
    /// When nothing may change. Default: never. At most 64.
    #[schemars(length(max = 64))]
    pub freezes: Vec<Freeze>,
    /// Who may write what without a permit. Default: nobody. At most 256.
    #[schemars(length(max = 256))]
    pub exemptions: Vec<Exemption>,
    /// What follows where a change stands that nobody permitted. Default: `Report`.
    pub on_unpermitted: OnUnpermitted,
}

/// What follows where a change stands that nobody permitted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnUnpermitted {
    /// It is told of and put on record.
    #[default]
    Report,
    /// Its namespace is frozen too, until a person lifts that by deleting the ConfigMap `permit-freeze-NAMESPACE`.
    Freeze,
}

/// A time in which nothing may change: either `from` and `until`, or `recurring`.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    /// Its name, told to whoever it stops. Example: `year-end`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Why. Example: `no changes over the holidays`.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Environments that it is for. Default: all. Example: `[production]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub environments: Vec<String>,
    /// Namespaces that it is for, by exact name. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// When it begins, in RFC 3339. Example: `2026-12-20T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it is over, in RFC 3339. Example: `2027-01-04T06:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// When it comes again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<Recurrence>,
    /// Classes of template whose permits it lets through. Default: `[Emergency]`.
    #[serde(default = "emergencies")]
    #[schemars(length(max = 2))]
    pub lets: Vec<TemplateClass>,
}

fn emergencies() -> Vec<TemplateClass> {
    vec![TemplateClass::Emergency]
}

/// Exactly this account may make exactly these changes to this kind.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exemption {
    /// The exact username. Example: `system:serviceaccount:keda:keda-operator`.
    #[schemars(length(min = 1, max = 512))]
    pub username: String,
    /// The kind. Example: `HorizontalPodAutoscaler`.
    #[schemars(length(min = 1, max = 253))]
    pub kind: String,
    /// All that the change may amount to; one operation more and it is not exempt. Example: `[Scale]`.
    #[schemars(length(min = 1, max = 11))]
    pub operations: Vec<Operation>,
    /// Namespaces, by exact name. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// Kind of the controlling owner that the object must have. Default: any, or none. Example: `ReplicaSet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// Why it is exempt. Example: `KEDA scales within limits that are gated`.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}
