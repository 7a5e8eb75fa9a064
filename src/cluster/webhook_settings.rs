//! How the gate is reached and which namespaces it is asked about.
//!
//! The settings behind both webhook configurations, and the names that a serving certificate must carry for them.
//! Knows no rules and no conditions.

use crate::domain::certificate::host_of;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ServiceReference, WebhookClientConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeSet;

/// Service in the operator's namespace under which API servers reach the gate.
pub const SERVICE: &str = "permit-gate";
/// Label of a namespace that says how it is gated.
pub const GATE_LABEL: &str = "permits.dev/gate";

const NEVER_GATED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// What namespaces without the label get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlabelled {
    /// No call.
    Off,
    /// A report.
    Report,
    /// Enforcement.
    Enforce,
}

/// How API servers reach the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// By the service in the operator's namespace.
    Service,
    /// By an address `https://HOST:PORT` without a path.
    Url(String),
}

/// What the configurations are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The operator's namespace.
    pub namespace: String,
    /// How the gate is reached.
    pub endpoint: Endpoint,
    /// What unlabelled namespaces get.
    pub unlabelled: Unlabelled,
}

impl Settings {
    /// The username of the operator's own account.
    pub fn operator(&self) -> String {
        format!("system:serviceaccount:{}:permit-operator", self.namespace)
    }

    /// Every name that the serving certificate has to carry.
    pub fn names(&self) -> BTreeSet<String> {
        match &self.endpoint {
            Endpoint::Service => {
                let short = format!("{SERVICE}.{}", self.namespace);
                [
                    format!("{short}.svc"),
                    format!("{short}.svc.cluster.local"),
                    short,
                ]
                .into()
            }
            Endpoint::Url(base) => host_of(base).map(ToOwned::to_owned).into_iter().collect(),
        }
    }

    pub(crate) fn client(&self, path: &str, bundle: &str) -> WebhookClientConfig {
        let ca_bundle = Some(ByteString(bundle.as_bytes().to_vec()));
        match &self.endpoint {
            Endpoint::Url(base) => WebhookClientConfig {
                ca_bundle,
                url: Some(format!("{base}{path}")),
                service: None,
            },
            Endpoint::Service => {
                let (name, namespace) = (SERVICE.to_owned(), self.namespace.clone());
                let service = ServiceReference {
                    name,
                    namespace,
                    path: Some(path.to_owned()),
                    port: Some(443),
                };
                WebhookClientConfig {
                    ca_bundle,
                    url: None,
                    service: Some(service),
                }
            }
        }
    }

    /// Never the system's namespaces, and never our own: our outage must not stop our repair.
    pub(crate) fn gated(&self, mode: LabelSelectorRequirement) -> LabelSelector {
        let mut never: Vec<&str> = NEVER_GATED.to_vec();
        never.push(&self.namespace);
        let elsewhere = requirement("kubernetes.io/metadata.name", "NotIn", &never);
        LabelSelector {
            match_expressions: Some(vec![mode, elsewhere]),
            match_labels: None,
        }
    }

    /// Which labels are enforced.
    pub(crate) fn enforced(&self) -> LabelSelectorRequirement {
        match self.unlabelled {
            Unlabelled::Enforce => requirement(GATE_LABEL, "NotIn", &["warn", "audit", "off"]),
            Unlabelled::Off | Unlabelled::Report => requirement(GATE_LABEL, "In", &["enforce"]),
        }
    }

    /// Which labels are reported.
    pub(crate) fn reported(&self) -> LabelSelectorRequirement {
        match self.unlabelled {
            Unlabelled::Report => requirement(GATE_LABEL, "NotIn", &["enforce", "off"]),
            Unlabelled::Off | Unlabelled::Enforce => {
                requirement(GATE_LABEL, "In", &["warn", "audit"])
            }
        }
    }
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: Some(values.iter().map(ToString::to_string).collect()),
    }
}
