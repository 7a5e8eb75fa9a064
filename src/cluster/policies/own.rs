//! What is the operator's own in its namespace, which the gate never judges.
//!
//! Facts and template revisions are its alone: decisions rest on them. Workloads there, and the key that the gate is
//! served with, are also for who may switch the gate off altogether; nothing else runs beside it.

use super::controllers;
use super::draft::{Draft, condition, demand, own_namespace, rule};
use super::is_operator;
use super::workloads::COULD_BE_A_CHANGE;
use crate::api::facts::{FACTS_LABEL, REVISION_LABEL};
use crate::cluster::certificates::SECRET;
use crate::cluster::webhook_settings::Settings;

/// The policy for facts and revisions, told by their label as readers tell them, and by their names.
pub(super) fn records(settings: &Settings) -> Draft {
    let marked = |of: &str| {
        format!(
            "({of} != null && ('{FACTS_LABEL}' in {of}.metadata.?labels.orValue({{}}) || '{REVISION_LABEL}' in {of}.metadata.?labels.orValue({{}})
|| {of}.metadata.name.startsWith('permit-facts-') || {of}.metadata.name.startsWith('permit-template-')))"
        )
    };
    let all = ["CREATE", "UPDATE", "DELETE"];
    Draft {
        namespaces: own_namespace(settings),
        rules: vec![rule("", &["configmaps", "secrets"], &all)],
        conditions: vec![condition(
            "is-a-record",
            format!("{} || {}", marked("object"), marked("oldObject")),
        )],
        validations: vec![demand(
            format!("{} || {}", is_operator(settings), controllers::collects()),
            "PermitGuard: facts and template revisions are written by the operator alone",
        )],
        ..Draft::default()
    }
}

/// The policy for what runs there.
pub(super) fn workloads(settings: &Settings) -> Draft {
    let apps = [
        "deployments",
        "deployments/scale",
        "statefulsets",
        "statefulsets/scale",
        "daemonsets",
        "replicasets",
        "replicasets/scale",
    ];
    let core = [
        "pods",
        "pods/ephemeralcontainers",
        "replicationcontrollers",
        "secrets",
    ];
    let written = ["CREATE", "UPDATE"];
    let may = format!(
        "authorizer.group('').resource('namespaces').subresource('gate').name('{}').check('unenrol').allowed()",
        settings.namespace
    );
    Draft {
        namespaces: own_namespace(settings),
        rules: vec![
            rule("apps", &apps, &written),
            rule("batch", &["jobs", "cronjobs"], &written),
            rule("", &core, &written),
        ],
        conditions: vec![condition(
            "could-be-a-change",
            format!(
                "request.resource.resource == 'secrets' ? object.metadata.name == '{SECRET}' : ({COULD_BE_A_CHANGE})"
            ),
        )],
        validations: vec![demand(
            format!(
                "request.dryRun || {} || {} || {may}",
                is_operator(settings),
                controllers::derives()
            ),
            "PermitGuard: what runs in the operator's namespace is for who holds the verb unenrol on its namespaces/gate",
        )],
        ..Draft::default()
    }
}
