//! The webhook configurations: nobody changes the operator's but the operator, cluster-admin included.
//!
//! Webhooks are never asked about them; policies are. Policies themselves nothing can guard, so the way out is to delete
//! this one's binding first: two steps, both on record.

use super::draft::{Draft, condition, demand, rule};
use super::is_operator;
use crate::cluster::webhook_config::CONFIGURATION;
use crate::cluster::webhook_settings::Settings;

/// The policy.
pub(super) fn draft(settings: &Settings) -> Draft {
    let resources = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ];
    let all = ["CREATE", "UPDATE", "DELETE"];
    Draft {
        rules: vec![rule("admissionregistration.k8s.io", &resources, &all)],
        conditions: vec![condition(
            "is-the-gates",
            format!(
                "(request.operation == 'DELETE' ? oldObject : object).metadata.name == '{CONFIGURATION}'"
            ),
        )],
        validations: vec![demand(
            is_operator(settings),
            "PermitGuard: the gate's webhook configurations are the operator's alone; to switch it off, stop it and delete its policy bindings",
        )],
        ..Draft::default()
    }
}
