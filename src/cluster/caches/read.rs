//! What is read out of each watched object, once, when it comes; and what is thrown away before.
//!
//! Decides what the caches hold. What cannot be read is not kept, and nothing is admitted by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;
use kube::{Resource, ResourceExt as _};
use serde_json::Value;

use super::shelf::Read;
use crate::api::config::{CONFIG_KEY, CONFIG_NAME};
use crate::api::facts::{CURRENT_SINCE, DATA_KEY, FACTS_LABEL, Facts, REVISION_LABEL, facts_name};
use crate::api::template::PermitTemplateSpec;
use crate::api::{Approval, PermitTemplate};
use crate::domain::canonical::digest_of;
use crate::domain::config::Config;
use crate::domain::kind::Form;
use crate::domain::parse;
use crate::domain::template::{Revision, Template, Unreadable};

/// A copy of the whole object that `kubectl apply` leaves in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The configuration, or why it cannot be used.
pub(super) type Configuration = Result<Arc<Config>, String>;

/// A template as it is now.
pub(super) struct Current {
    pub(super) name: String,
    pub(super) digest: String,
    /// The content as JSON.
    pub(super) content: String,
    /// What it says, or what it governs all the same.
    pub(super) template: Result<Template, Box<Unreadable>>,
}

/// A namespace, as far as the gate asks.
pub(super) struct Place {
    pub(super) uid: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) is_terminating: bool,
}

/// Facts with the version that they were read at.
pub(super) struct Versioned {
    pub(super) facts: Arc<Facts>,
    pub(super) version: String,
}

/// Takes off what nobody reads and what is often most of an object.
pub(super) fn trim(object: &mut impl Resource) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

pub(super) fn approval(approval: &Approval) -> Read<Arc<Approval>> {
    Read {
        keys: vec![approval.spec.permit_ref.name.clone()],
        value: Some(Arc::new(approval.clone())),
    }
}

pub(super) fn template(template: &PermitTemplate) -> Read<Arc<Current>> {
    let (name, digest) = (template.name_any(), template_digest(&template.spec));
    let value = serde_json::to_string(&template.spec).ok().map(|content| {
        Arc::new(Current {
            template: parse::governing(&name, &digest, &template.spec),
            name,
            digest,
            content,
        })
    });
    Read {
        keys: Vec::new(),
        value,
    }
}

pub(super) fn namespace(namespace: &Namespace) -> Read<Arc<Place>> {
    let place = Place {
        uid: namespace.uid().unwrap_or_default(),
        labels: namespace.labels().clone(),
        is_terminating: namespace.metadata.deletion_timestamp.is_some(),
    };
    Read {
        keys: Vec::new(),
        value: Some(Arc::new(place)),
    }
}

/// A kept revision of a template: by what its content says, its digest computed anew.
pub(super) fn revision(map: &ConfigMap) -> Read<Arc<Revision>> {
    let template = map.labels().get(REVISION_LABEL);
    Read {
        keys: template.cloned().into_iter().collect(),
        value: template.and_then(|t| revision_of(t, map)).map(Arc::new),
    }
}

fn revision_of(template: &str, map: &ConfigMap) -> Option<Revision> {
    let since: Timestamp = map.annotations().get(CURRENT_SINCE)?.parse().ok()?;
    let content = map.data.as_ref()?.get(DATA_KEY)?;
    let spec: PermitTemplateSpec = serde_json::from_str(content).ok()?;
    let digest = template_digest(&spec);
    let template =
        parse::template(template, &digest, &spec).map_err(|errors| parse::listed(&errors));
    Some(Revision {
        since,
        template,
        digest,
    })
}

/// The digest of a template's content.
fn template_digest(spec: &PermitTemplateSpec) -> String {
    digest_of("permit-operator/template/v1", spec).to_string()
}

pub(super) fn facts(secret: &Secret) -> Read<Arc<Versioned>> {
    Read {
        keys: Vec::new(),
        value: versioned(secret).map(Arc::new),
    }
}

/// The facts in a Secret that bears the name and the label of one namespace.
pub(super) fn versioned(secret: &Secret) -> Option<Versioned> {
    let namespace = secret.labels().get(FACTS_LABEL)?;
    if secret.name_any() != facts_name(namespace) {
        return None;
    }
    let data = secret.data.as_ref()?.get(DATA_KEY)?;
    Some(Versioned {
        facts: Arc::new(serde_json::from_slice(&data.0).ok()?),
        version: secret.resource_version()?,
    })
}

/// The configuration, or why it cannot be used. Another ConfigMap of the namespace is none.
pub(super) fn configuration(map: &ConfigMap) -> Read<Arc<Configuration>> {
    let value = (map.name_any() == CONFIG_NAME).then(|| {
        let text = map.data.as_ref().and_then(|data| data.get(CONFIG_KEY));
        let text = text.map_or("", String::as_str);
        Arc::new(parse::config(text).map(Arc::new))
    });
    Read {
        keys: Vec::new(),
        value,
    }
}

/// A workload as the API server would show it: lists leave the kind out. What a controller made is judged at what made
/// it, and there is too much of it to be kept.
pub(super) fn workload(form: &Form, object: &DynamicObject) -> Read<Arc<Value>> {
    let is_derived = object
        .owner_references()
        .iter()
        .any(|o| o.controller == Some(true));
    let plain = || {
        let mut value = serde_json::to_value(object).ok()?;
        let map = value.as_object_mut()?;
        map.insert("apiVersion".into(), api_version(form).into());
        map.insert("kind".into(), form.word.into());
        Some(Arc::new(value))
    };
    Read {
        keys: Vec::new(),
        value: if is_derived { None } else { plain() },
    }
}

fn api_version(form: &Form) -> String {
    if form.group.is_empty() {
        form.version.to_owned()
    } else {
        format!("{}/{}", form.group, form.version)
    }
}
