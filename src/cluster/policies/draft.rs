//! A policy in few words, and the whole object that the API server makes of it.
//!
//! Writes out every field that would be defaulted, so that a field set by somebody else is a difference. Knows no rule.

use crate::cluster::webhook_config::metadata_of;
use crate::cluster::webhook_settings::Settings;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// What a policy asks, of which requests.
#[derive(Default)]
pub(super) struct Draft {
    /// The namespaces it holds in; by default all.
    pub(super) namespaces: LabelSelector,
    /// The requests it is asked about.
    pub(super) rules: Vec<NamedRuleWithOperations>,
    /// What drops a request that a rule names.
    pub(super) conditions: Vec<MatchCondition>,
    /// What the validations have in common.
    pub(super) variables: Vec<Variable>,
    /// What has to hold.
    pub(super) validations: Vec<Validation>,
}

impl Draft {
    /// The policy of this name.
    pub(super) fn policy(self, name: &str) -> ValidatingAdmissionPolicy {
        let constraints = MatchResources {
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(self.namespaces),
            object_selector: Some(LabelSelector::default()),
            resource_rules: Some(self.rules),
            exclude_resource_rules: None,
        };
        let spec = ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_conditions: some(self.conditions),
            match_constraints: Some(constraints),
            validations: some(self.validations),
            variables: some(self.variables),
            ..ValidatingAdmissionPolicySpec::default()
        };
        ValidatingAdmissionPolicy {
            metadata: metadata_of(name),
            spec: Some(spec),
            status: None,
        }
    }
}

/// The binding that puts the policy of this name into force.
pub(super) fn binding(name: &str) -> ValidatingAdmissionPolicyBinding {
    let spec = ValidatingAdmissionPolicyBindingSpec {
        policy_name: name.to_owned(),
        validation_actions: vec!["Deny".to_owned()],
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    ValidatingAdmissionPolicyBinding {
        metadata: metadata_of(name),
        spec,
    }
}

/// The API server keeps no empty lists.
fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}

/// Requests to resources of one group, in every version.
pub(super) fn rule(
    group: &str,
    resources: &[&str],
    operations: &[&str],
) -> NamedRuleWithOperations {
    let owned = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    NamedRuleWithOperations {
        api_groups: owned(&[group]),
        api_versions: owned(&["*"]),
        operations: owned(operations),
        resources: owned(resources),
        scope: Some("*".to_owned()),
        resource_names: None,
    }
}

/// What drops a request.
pub(super) fn condition(name: &str, expression: impl Into<String>) -> MatchCondition {
    MatchCondition {
        name: name.to_owned(),
        expression: expression.into(),
    }
}

/// A value with a name.
pub(super) fn variable(name: &str, expression: impl Into<String>) -> Variable {
    Variable {
        name: name.to_owned(),
        expression: expression.into(),
    }
}

/// What has to hold, and what is said where it does not: 403, because on the default of 422 `kubectl apply --force`
/// deletes the object.
pub(super) fn demand(expression: impl Into<String>, message: &str) -> Validation {
    Validation {
        expression: expression.into(),
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        message_expression: None,
    }
}

/// The operator's own namespace.
pub(super) fn own_namespace(settings: &Settings) -> LabelSelector {
    let own = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![settings.namespace.clone()]),
    };
    LabelSelector {
        match_expressions: Some(vec![own]),
        match_labels: None,
    }
}
