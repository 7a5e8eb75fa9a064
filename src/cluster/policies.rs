//! The policies: what the API server refuses by itself, also while the webhooks are gone or we are.
//!
//! Coarse, without parameters (a missing one would refuse everything that matches, with 422), and without memory.
//! Windows, quorum, revocation, images and templates are the gate's. Pure: builds what is wanted; does not know how it
//! is kept.

mod approvals;
mod configurations;
mod controllers;
mod draft;
mod frozen;
mod namespaces;
mod own;
mod statuses;
mod workloads;

use crate::cluster::webhook_settings::Settings;
use draft::Draft;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};

/// The name of every policy, which is its binding's as well.
pub const NAMES: [&str; 9] = [
    "approvals.gate.permits.dev",
    "frozen.gate.permits.dev",
    "statuses.gate.permits.dev",
    "workload-statuses.gate.permits.dev",
    "namespaces.gate.permits.dev",
    "derived.gate.permits.dev",
    "records.gate.permits.dev",
    "own-workloads.gate.permits.dev",
    "configurations.gate.permits.dev",
];

/// Every policy with its binding.
pub fn all(
    settings: &Settings,
) -> Vec<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)> {
    drafts(settings)
        .into_iter()
        .zip(NAMES)
        .map(|(draft, name)| (draft.policy(name), draft::binding(name)))
        .collect()
}

fn drafts(settings: &Settings) -> [Draft; NAMES.len()] {
    [
        approvals::draft(settings),
        frozen::draft(),
        statuses::of_permits(settings),
        statuses::of_workloads(settings),
        namespaces::draft(settings),
        workloads::derived(settings),
        own::records(settings),
        own::workloads(settings),
        configurations::draft(settings),
    ]
}

/// Whether the sender is the operator's own account: by exact username, and not impersonated.
fn is_operator(settings: &Settings) -> String {
    format!(
        "({} && request.userInfo.username == '{}')",
        controllers::HAS_CREDENTIAL,
        settings.operator()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::webhook_settings::{Endpoint, Unlabelled};
    use k8s_openapi::api::admissionregistration::v1::Validation;

    fn settings(namespace: &str) -> Settings {
        Settings {
            namespace: namespace.to_owned(),
            endpoint: Endpoint::Service,
            unlabelled: Unlabelled::Report,
        }
    }

    fn validations() -> Vec<(String, Validation)> {
        let of = |policy: ValidatingAdmissionPolicy| {
            let name = policy.metadata.name.unwrap();
            let all = policy.spec.unwrap().validations.unwrap();
            all.into_iter().map(move |one| (name.clone(), one))
        };
        let all = all(&settings("permit-system"));
        all.into_iter().flat_map(|(policy, _)| of(policy)).collect()
    }

    #[test]
    fn every_refusal_is_403_in_one_line_that_begins_with_its_code() {
        for (name, validation) in validations() {
            assert_eq!(validation.reason.as_deref(), Some("Forbidden"), "{name}");
            let message = validation.message.unwrap();
            let (code, rest) = message.split_once(": ").unwrap();
            assert!(
                code.chars().all(char::is_alphabetic) && !rest.is_empty(),
                "{message}"
            );
            assert!(message.len() <= 200 && !message.contains('\n'), "{message}");
            // Flux deletes and makes anew what it is told so about.
            assert!(!message.contains("immutable"), "{message}");
            let told = validation.message_expression.unwrap_or_default();
            assert!(
                told.is_empty() || told.starts_with(&format!("'{code}: ")),
                "{told}"
            );
        }
    }

    #[test]
    fn dry_runs_pass_on_workloads_and_namespaces_and_not_on_our_own_kinds() {
        let with_dry_runs = [
            "workload-statuses",
            "namespaces",
            "derived",
            "own-workloads",
        ];
        for (name, validation) in validations() {
            let stem = name.split('.').next().unwrap();
            assert_eq!(
                validation.expression.starts_with("request.dryRun || "),
                with_dry_runs.contains(&stem),
                "{name}"
            );
        }
    }

    #[test]
    fn no_policy_has_a_parameter_and_each_fails_closed_and_denies() {
        for (policy, binding) in all(&settings("permit-system")) {
            assert_eq!(policy.metadata.name, binding.metadata.name);
            let (policy, bound) = (policy.spec.unwrap(), binding.spec);
            assert_eq!((policy.param_kind, bound.param_ref), (None, None));
            assert_eq!(policy.failure_policy.as_deref(), Some("Fail"));
            assert_eq!(bound.validation_actions, ["Deny"]);
        }
    }

    #[test]
    fn the_operators_namespace_is_the_settings() {
        let text = serde_json::to_string(&all(&settings("change-control"))).unwrap();
        assert!(text.contains("system:serviceaccount:change-control:permit-operator"));
        assert!(!text.contains("permit-system"));
    }

    #[test]
    fn nobody_is_known_by_a_group() {
        let text = serde_json::to_string(&all(&settings("permit-system"))).unwrap();
        assert!(!text.contains("userInfo.groups"));
    }
}
