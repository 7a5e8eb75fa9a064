//! Statuses: who writes what is believed of permits and of rollouts.
//!
//! A permit's by the operator alone: that a forged one admits nothing is the gate's to see, and what it says of soak and
//! start is read from it. A workload's by its controller: owner references pass there too. Does not judge what they say.

use super::controllers;
use super::draft::{Draft, demand, rule};
use super::is_operator;
use crate::api::GROUP;
use crate::cluster::webhook_settings::Settings;

/// The policy for our own kinds.
pub(super) fn of_permits(settings: &Settings) -> Draft {
    Draft {
        rules: vec![rule(GROUP, &["permits/status"], &["UPDATE"])],
        validations: vec![demand(
            is_operator(settings),
            "PermitGuard: the status of a permit is written by the operator alone",
        )],
        ..Draft::default()
    }
}

/// The policy for workloads, where the gate enforces.
pub(super) fn of_workloads(settings: &Settings) -> Draft {
    let statuses = [
        "deployments/status",
        "replicasets/status",
        "statefulsets/status",
        "daemonsets/status",
    ];
    Draft {
        namespaces: settings.gated(settings.enforced()),
        rules: vec![rule("apps", &statuses, &["UPDATE"])],
        validations: vec![demand(
            format!("request.dryRun || {}", controllers::reports()),
            "PermitGuard: the status of a workload is written by its controller alone",
        )],
        ..Draft::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::all_crds;
    use crate::cluster::webhook_settings::{Endpoint, Unlabelled};

    #[test]
    fn t30_every_kind_of_ours_that_has_a_status_has_one_writer() {
        let settings = Settings {
            namespace: "permit-system".to_owned(),
            endpoint: Endpoint::Service,
            unlabelled: Unlabelled::Report,
        };
        let guarded = of_permits(&settings).rules.remove(0).resources.unwrap();
        let with_status = all_crds().into_iter().filter(|(_, crd)| {
            let version = &crd.spec.versions[0];
            let all = version.subresources.as_ref();
            all.is_some_and(|all| all.status.is_some())
        });
        let wanted: Vec<_> = with_status
            .map(|(_, crd)| format!("{}/status", crd.spec.names.plural))
            .collect();
        assert_eq!(guarded, wanted);
    }
}
