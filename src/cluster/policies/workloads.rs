//! Derived objects: written by the controllers that derive them, and by nobody else where the gate enforces, with a
//! permit or without.
//!
//! Ephemeral containers and resizes are left to the gate, which can tell a diagnosis from a change. Does not know whether
//! the change to the workload was permitted.

use super::controllers;
use super::draft::{Draft, condition, demand, rule};
use crate::cluster::webhook_settings::Settings;
use k8s_openapi::api::admissionregistration::v1::Validation;

/// What runs is the same with an equal spec (a revision has data instead), whoever adopts or releases it; the labels of
/// a ReplicaSet say whose it is.
pub(super) const COULD_BE_A_CHANGE: &str = "request.operation != 'UPDATE'
|| (request.resource.resource == 'controllerrevisions'
? (object.?data != oldObject.?data || object.?revision != oldObject.?revision) : object.?spec != oldObject.?spec)
|| (request.resource.resource == 'replicasets' && object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({}))";

/// The policy.
pub(super) fn derived(settings: &Settings) -> Draft {
    let apps = ["replicasets", "replicasets/scale", "controllerrevisions"];
    let written = ["CREATE", "UPDATE"];
    Draft {
        namespaces: settings.gated(settings.enforced()),
        rules: vec![rule("apps", &apps, &written), rule("", &["pods"], &written)],
        conditions: vec![condition("could-be-a-change", COULD_BE_A_CHANGE)],
        validations: vec![Validation {
            message_expression: Some(
                "'PermitRequired: ' + request.resource.resource + ' in ' + request.namespace + ' are written by their controller; change the workload instead'"
                    .to_owned(),
            ),
            ..demand(
                format!("request.dryRun || {}", controllers::derives()),
                "PermitRequired: derived objects are written by their controller; change the workload instead",
            )
        }],
        ..Draft::default()
    }
}
