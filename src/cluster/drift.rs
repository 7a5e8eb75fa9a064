//! Drift: what differs from what we wrote, and what is known of who changed it.
//!
//! The API server tells managers and times of fields, no users. Pure; does not know how a difference is repaired.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde_json::Value;

/// A kind that the operator makes for itself and lets nobody change.
pub trait Owned: Resource {
    /// Which of them it is, for records and metrics.
    const WHICH: &'static str;
    /// The field that holds all that matters of it, as managed fields spell it.
    const PART: &'static str;

    /// Is that field the same?
    fn has_content_of(&self, other: &Self) -> bool;
}

macro_rules! owned {
    ($kind:ty, $which:literal, $part:literal, $field:ident) => {
        impl Owned for $kind {
            const WHICH: &'static str = $which;
            const PART: &'static str = $part;

            fn has_content_of(&self, other: &Self) -> bool {
                self.$field == other.$field
            }
        }
    };
}

owned!(
    ValidatingWebhookConfiguration,
    "validating",
    "f:webhooks",
    webhooks
);
owned!(
    MutatingWebhookConfiguration,
    "mutating",
    "f:webhooks",
    webhooks
);
owned!(ValidatingAdmissionPolicy, "policy", "f:spec", spec);
owned!(ValidatingAdmissionPolicyBinding, "binding", "f:spec", spec);

/// Is what is there what is wanted? Labels of others may stay; the content may not differ in anything.
pub fn is_as_wanted<K: Owned>(live: &K, wanted: &K) -> bool {
    let has_labels = wanted.meta().labels.iter().flatten().all(|(key, value)| {
        live.meta()
            .labels
            .as_ref()
            .and_then(|labels| labels.get(key))
            == Some(value)
    });
    has_labels && live.meta().deletion_timestamp.is_none() && live.has_content_of(wanted)
}

/// A change to an object of ours that was not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which kind of it.
    pub which: &'static str,
    /// Its name.
    pub name: String,
    /// What happened.
    pub change: Change,
}

/// What is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is gone; the API keeps no trace of who deleted it.
    Deleted,
    /// Fields were changed.
    Edited {
        /// The last manager beside ourselves, if there is one.
        manager: Option<String>,
        /// When that manager wrote last.
        time: Option<Timestamp>,
        /// The fields that this manager owns, as paths.
        fields: Vec<String>,
    },
}

/// The longest list of fields that is kept of one change.
const MOST_FIELDS: usize = 32;

/// Who, beside ourselves, changed the content last. Managers of labels and the like have no part in it.
pub fn blame<K: Owned>(managed: &[ManagedFieldsEntry], ourselves: &str) -> Change {
    blame_for(managed, K::PART, ourselves)
}

/// Who, beside ourselves, changed a part of any object last.
pub fn blame_for(managed: &[ManagedFieldsEntry], part: &str, ourselves: &str) -> Change {
    let others = managed
        .iter()
        .filter(|entry| entry.manager.as_deref() != Some(ourselves) && owns_part(entry, part));
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let mut fields = Vec::new();
    if let Some(FieldsV1(set)) = last.and_then(|entry| entry.fields_v1.as_ref()) {
        flatten(set, "", &mut fields);
    }
    Change::Edited {
        manager: last.and_then(|entry| entry.manager.clone()),
        time: last
            .and_then(|entry| entry.time.as_ref())
            .map(|time| time.0),
        fields,
    }
}

fn owns_part(entry: &ManagedFieldsEntry, part: &str) -> bool {
    entry
        .fields_v1
        .as_ref()
        .is_some_and(|FieldsV1(set)| set.get(part).is_some())
}

// `f:` marks a field, `k:` an item by its keys, `.` the thing itself.
fn flatten(set: &Value, path: &str, fields: &mut Vec<String>) {
    let children: Vec<_> = set
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ".")
        .collect();
    if children.is_empty() && !path.is_empty() && fields.len() < MOST_FIELDS {
        fields.push(path.to_owned());
    }
    for (key, child) in children {
        let step = match key.split_once(':') {
            Some(("f", name)) if path.is_empty() => name.to_owned(),
            Some(("f", name)) => format!(".{name}"),
            Some((_, item)) => format!("[{item}]"),
            None => key.clone(),
        };
        flatten(child, &format!("{path}{step}"), fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::policies::all;
    use crate::cluster::webhook_config::{mutating, validating};
    use crate::cluster::webhook_settings::{Endpoint, Settings, Unlabelled};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn wanted() -> ValidatingWebhookConfiguration {
        let namespace = "permit-system".to_owned();
        validating(
            &Settings {
                namespace,
                endpoint: Endpoint::Service,
                unlabelled: Unlabelled::Report,
            },
            "CA",
        )
    }

    #[track_caller]
    fn differs(edit: impl FnOnce(&mut ValidatingWebhookConfiguration)) {
        let mut live = wanted();
        edit(&mut live);
        assert!(!is_as_wanted(&live, &wanted()));
    }

    #[test]
    fn what_we_wrote_and_what_others_label_is_as_wanted() {
        let mut live = wanted();
        live.metadata
            .labels
            .get_or_insert_default()
            .insert("team".into(), "platform".into());
        live.metadata.resource_version = Some("7".into());
        assert!(is_as_wanted(&live, &wanted()));
    }

    #[test]
    fn every_way_to_weaken_the_gate_is_a_difference() {
        differs(|live| live.webhooks = None);
        differs(|live| drop(live.webhooks.as_mut().unwrap().pop()));
        differs(|live| live.webhooks.as_mut().unwrap()[0].failure_policy = Some("Ignore".into()));
        differs(|live| live.webhooks.as_mut().unwrap()[0].rules = None);
        differs(|live| live.webhooks.as_mut().unwrap()[0].client_config.ca_bundle = None);
        differs(|live| {
            live.webhooks.as_mut().unwrap()[0]
                .object_selector
                .as_mut()
                .unwrap()
                .match_labels = Some([("a".into(), "b".into())].into());
        });
        differs(|live| live.metadata.labels = None);
    }

    #[test]
    fn a_configuration_survives_the_wire_unchanged() {
        let text = serde_json::to_string(&wanted()).unwrap();
        assert!(is_as_wanted(
            &serde_json::from_str(&text).unwrap(),
            &wanted()
        ));
        let namespace = "permit-system".to_owned();
        let mutating = mutating(
            &Settings {
                namespace,
                endpoint: Endpoint::Service,
                unlabelled: Unlabelled::Off,
            },
            "CA",
        );
        let text = serde_json::to_string(&mutating).unwrap();
        assert!(is_as_wanted(
            &serde_json::from_str(&text).unwrap(),
            &mutating
        ));
    }

    #[test]
    fn a_policy_survives_the_wire_and_its_loosening_is_a_difference() {
        let settings = Settings {
            namespace: "permit-system".to_owned(),
            endpoint: Endpoint::Service,
            unlabelled: Unlabelled::Enforce,
        };
        for (policy, binding) in all(&settings) {
            let text = serde_json::to_string(&policy).unwrap();
            let mut live: ValidatingAdmissionPolicy = serde_json::from_str(&text).unwrap();
            assert!(is_as_wanted(&live, &policy));
            live.spec.as_mut().unwrap().failure_policy = Some("Ignore".into());
            assert!(!is_as_wanted(&live, &policy));
            let text = serde_json::to_string(&binding).unwrap();
            let mut live: ValidatingAdmissionPolicyBinding = serde_json::from_str(&text).unwrap();
            assert!(is_as_wanted(&live, &binding));
            live.spec.validation_actions = vec!["Warn".into()];
            assert!(!is_as_wanted(&live, &binding));
        }
    }

    #[test]
    fn the_last_manager_beside_ourselves_is_named_with_its_fields() {
        let entry = |manager: &str, second: i64, fields: Value| ManagedFieldsEntry {
            manager: Some(manager.into()),
            time: Some(Time(Timestamp::from_second(second).unwrap())),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        };
        let policy =
            json!({"f:webhooks": {r#"k:{"name":"gate.permits.dev"}"#: {"f:failurePolicy": {}}}});
        let managed = [
            entry(
                "helm",
                10,
                json!({"f:metadata": {"f:labels": {".": {}, "f:team": {}}}}),
            ),
            entry("kubectl-edit", 9, policy),
            entry("permit-operator", 12, json!({})),
        ];
        let wanted = Change::Edited {
            manager: Some("kubectl-edit".into()),
            time: Timestamp::from_second(9).ok(),
            fields: vec![r#"webhooks[{"name":"gate.permits.dev"}].failurePolicy"#.into()],
        };
        assert_eq!(
            blame::<ValidatingWebhookConfiguration>(&managed, "permit-operator"),
            wanted
        );
        let nobody = Change::Edited {
            manager: None,
            time: None,
            fields: vec![],
        };
        assert_eq!(
            blame::<ValidatingWebhookConfiguration>(&managed[2..], "permit-operator"),
            nobody
        );
    }
}
