//! The webhook configurations: which requests reach the gate, and what happens when it does not answer.
//!
//! Pure: builds what is wanted and compares it with what is there. Every field that the API server would default is
//! written out, so that a field set by somebody else is a difference and is taken back.

use crate::cluster::match_conditions::{for_own_kinds, for_workloads};
use crate::cluster::webhook_settings::Settings;
use crate::domain::kind::{Form, GATED};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::api::ObjectMeta;

/// Name of both configurations and of the entry that enforces.
pub const CONFIGURATION: &str = "gate.permits.dev";
/// Path of the enforcing entry.
pub const GATE_PATH: &str = "/gate";
/// Path of the reporting entry.
pub const REPORT_PATH: &str = "/gate/report";
/// Path that stamps identity on our own kinds.
pub const STAMP_PATH: &str = "/stamp";
/// Path that validates our own kinds.
pub const OWN_PATH: &str = "/own";

const TIMEOUT_SECONDS: i32 = 5;

/// The configuration that judges: workloads enforced, workloads reported, our own kinds.
pub fn validating(settings: &Settings, bundle: &str) -> ValidatingWebhookConfiguration {
    let own_kinds = vec![
        rule(
            "permits.dev",
            &["permits", "approvals"],
            &["CREATE", "UPDATE", "DELETE"],
        ),
        rule("permits.dev", &["permittemplates"], &["CREATE", "UPDATE"]),
    ];
    let workload =
        |name: &str, path: &str, policy: &str, mode: LabelSelectorRequirement| ValidatingWebhook {
            name: name.to_owned(),
            client_config: settings.client(path, bundle),
            failure_policy: Some(policy.to_owned()),
            namespace_selector: Some(settings.gated(mode)),
            rules: Some(workload_rules()),
            match_conditions: Some(for_workloads()),
            ..entry()
        };
    ValidatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![
            workload(CONFIGURATION, GATE_PATH, "Fail", settings.enforced()),
            workload(
                "report.gate.permits.dev",
                REPORT_PATH,
                "Ignore",
                settings.reported(),
            ),
            ValidatingWebhook {
                name: "own.gate.permits.dev".to_owned(),
                client_config: settings.client(OWN_PATH, bundle),
                rules: Some(own_kinds),
                match_conditions: Some(for_own_kinds(&settings.namespace)),
                ..entry()
            },
        ]),
    }
}

/// The configuration that stamps who sent a permit or an approval.
pub fn mutating(settings: &Settings, bundle: &str) -> MutatingWebhookConfiguration {
    let judged = entry();
    let stamp = MutatingWebhook {
        name: "stamp.gate.permits.dev".to_owned(),
        admission_review_versions: judged.admission_review_versions,
        client_config: settings.client(STAMP_PATH, bundle),
        failure_policy: judged.failure_policy,
        match_conditions: Some(for_own_kinds(&settings.namespace)),
        match_policy: judged.match_policy,
        namespace_selector: judged.namespace_selector,
        object_selector: judged.object_selector,
        reinvocation_policy: Some("Never".to_owned()),
        rules: Some(vec![rule(
            "permits.dev",
            &["permits", "approvals"],
            &["CREATE", "UPDATE"],
        )]),
        side_effects: judged.side_effects,
        timeout_seconds: judged.timeout_seconds,
    };
    MutatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![stamp]),
    }
}

/// An entry that fails closed, for every namespace and object.
fn entry() -> ValidatingWebhook {
    ValidatingWebhook {
        admission_review_versions: vec!["v1".to_owned()],
        failure_policy: Some("Fail".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(LabelSelector::default()),
        object_selector: Some(LabelSelector::default()),
        side_effects: "NoneOnDryRun".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
        ..ValidatingWebhook::default()
    }
}

/// The rules of every gated kind: its writes, and those of its subresources that change what runs.
fn workload_rules() -> Vec<RuleWithOperations> {
    let one = |form: &Form| {
        let operations: &[&str] = if form.judges_delete {
            &["CREATE", "UPDATE", "DELETE"]
        } else {
            &["CREATE", "UPDATE"]
        };
        let sub: Vec<_> = form
            .subresources
            .iter()
            .map(|sub| format!("{}/{sub}", form.resource))
            .collect();
        let sub: Vec<_> = sub.iter().map(String::as_str).collect();
        let below = rule(form.group, &sub, &["UPDATE"]);
        let own = rule(form.group, &[form.resource], operations);
        [Some(own), (!sub.is_empty()).then_some(below)]
    };
    GATED.iter().flat_map(one).flatten().collect()
}

fn rule(group: &str, resources: &[&str], operations: &[&str]) -> RuleWithOperations {
    // Templates are the one kind of ours that lives outside namespaces.
    let scope = if resources.contains(&"permittemplates") {
        "*"
    } else {
        "Namespaced"
    };
    RuleWithOperations {
        api_groups: Some(owned(&[group])),
        api_versions: Some(owned(&["*"])),
        operations: Some(owned(operations)),
        resources: Some(owned(resources)),
        scope: Some(scope.to_owned()),
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn metadata() -> ObjectMeta {
    metadata_of(CONFIGURATION)
}

/// The name and the labels of what the operator makes of its own.
pub(crate) fn metadata_of(name: &str) -> ObjectMeta {
    let labels = [
        ("app.kubernetes.io/name", "permit-operator"),
        ("app.kubernetes.io/component", "gate"),
    ];
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::webhook_settings::{Endpoint, GATE_LABEL, Unlabelled};
    use k8s_openapi::ByteString;

    fn settings(unlabelled: Unlabelled) -> Settings {
        Settings {
            namespace: "permit-system".into(),
            endpoint: Endpoint::Service,
            unlabelled,
        }
    }

    fn entries(unlabelled: Unlabelled) -> Vec<ValidatingWebhook> {
        validating(&settings(unlabelled), "CA").webhooks.unwrap()
    }

    fn selects(entry: &ValidatingWebhook, name: &str, gate: Option<&str>) -> bool {
        let expressions = entry
            .namespace_selector
            .clone()
            .unwrap()
            .match_expressions
            .unwrap_or_default();
        expressions.iter().all(|expression| {
            let value = if expression.key == GATE_LABEL {
                gate
            } else {
                Some(name)
            };
            let is_listed = value.is_some_and(|value| {
                expression
                    .values
                    .as_ref()
                    .unwrap()
                    .iter()
                    .any(|v| v == value)
            });
            if expression.operator == "In" {
                is_listed
            } else {
                !is_listed
            }
        })
    }

    #[track_caller]
    fn reaches(unlabelled: Unlabelled, gate: Option<&str>, enforced: bool, reported: bool) {
        let entries = entries(unlabelled);
        assert_eq!(selects(&entries[0], "shop", gate), enforced, "enforced");
        assert_eq!(selects(&entries[1], "shop", gate), reported, "reported");
    }

    #[test]
    fn a_label_says_how_a_namespace_is_gated_whatever_the_default() {
        for unlabelled in [Unlabelled::Off, Unlabelled::Report, Unlabelled::Enforce] {
            reaches(unlabelled, Some("enforce"), true, false);
            reaches(unlabelled, Some("warn"), false, true);
            reaches(unlabelled, Some("audit"), false, true);
            reaches(unlabelled, Some("off"), false, false);
        }
    }

    #[test]
    fn unlabelled_namespaces_follow_the_default() {
        reaches(Unlabelled::Off, None, false, false);
        reaches(Unlabelled::Report, None, false, true);
        reaches(Unlabelled::Enforce, None, true, false);
    }

    #[test]
    fn an_unknown_label_value_is_never_left_ungated_where_unlabelled_ones_are_gated() {
        reaches(Unlabelled::Report, Some("enfroce"), false, true);
        reaches(Unlabelled::Enforce, Some("enfroce"), true, false);
    }

    #[test]
    fn our_own_and_the_systems_namespaces_are_never_gated() {
        for entry in &entries(Unlabelled::Enforce)[..2] {
            for namespace in [
                "permit-system",
                "kube-system",
                "kube-public",
                "kube-node-lease",
            ] {
                assert!(!selects(entry, namespace, Some("enforce")), "{namespace}");
            }
        }
    }

    #[test]
    fn enforcement_and_our_own_kinds_fail_closed_and_reports_never_block() {
        let policies: Vec<_> = entries(Unlabelled::Report)
            .into_iter()
            .map(|e| (e.name, e.failure_policy.unwrap()))
            .collect();
        let wanted = [
            ("gate.permits.dev", "Fail"),
            ("report.gate.permits.dev", "Ignore"),
            ("own.gate.permits.dev", "Fail"),
        ];
        assert_eq!(
            policies,
            wanted.map(|(name, policy)| (name.to_owned(), policy.to_owned()))
        );
    }

    #[test]
    fn every_rule_names_its_group_all_versions_and_no_wildcard_resource() {
        for entry in entries(Unlabelled::Report) {
            assert_eq!(entry.timeout_seconds, Some(5));
            assert_eq!(
                entry.object_selector,
                Some(LabelSelector::default()),
                "labels of an object never exempt it"
            );
            for rule in entry.rules.unwrap() {
                assert_eq!(rule.api_versions, Some(vec!["*".to_owned()]));
                assert!(
                    !rule
                        .resources
                        .unwrap()
                        .iter()
                        .any(|resource| resource.contains('*'))
                );
                assert!(!rule.api_groups.unwrap().contains(&"*".to_owned()));
            }
        }
    }

    #[test]
    fn the_gate_is_reached_by_service_or_by_address() {
        let client = entries(Unlabelled::Off)[1].client_config.clone();
        assert_eq!(
            client.service.unwrap().path.as_deref(),
            Some("/gate/report")
        );
        let url = Settings {
            endpoint: Endpoint::Url("https://127.0.0.1:8443".into()),
            ..settings(Unlabelled::Off)
        };
        let client = mutating(&url, "CA").webhooks.unwrap()[0]
            .client_config
            .clone();
        assert_eq!(client.url.as_deref(), Some("https://127.0.0.1:8443/stamp"));
        assert_eq!(client.ca_bundle, Some(ByteString(b"CA".to_vec())));
        assert_eq!(url.names(), ["127.0.0.1".to_owned()].into());
        assert!(
            settings(Unlabelled::Off)
                .names()
                .contains("permit-gate.permit-system.svc")
        );
    }
}
