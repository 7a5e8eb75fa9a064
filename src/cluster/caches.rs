//! Caches: what watches keep of the cluster, for gate and controller alike.
//!
//! Hands out plain values. A deny may rest on them; an allow never does (threat row 29). Does not know what they mean.

mod feed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::reflector::{ObjectRef, Store};
use serde_json::Value;
use tokio::sync::OnceCell;

pub use feed::Feed;

use crate::api::facts::{CURRENT_SINCE, DATA_KEY, FACTS_LABEL, Facts};
use crate::api::template::PermitTemplateSpec;
use crate::api::{Approval, GATE_LABEL, Permit, PermitTemplate};
use crate::domain::canonical::digest_of;
use crate::domain::parse;
use crate::domain::request::target_key;
use crate::domain::template::{Revision, Template};

/// What is known of the cluster.
pub struct Caches {
    permits: Store<Permit>,
    approvals: Store<Approval>,
    templates: Store<PermitTemplate>,
    namespaces: Store<Namespace>,
    revisions: Store<ConfigMap>,
    facts: Store<Secret>,
    deployments: Store<DynamicObject>,
    deployment_type: kube::api::ApiResource,
    is_filled: OnceCell<()>,
    /// Facts that were written by this process and that the watch may not have brought back yet.
    written: Mutex<BTreeMap<String, Secret>>,
}

impl Caches {
    /// Resolves when every cache has been filled once, for any number of waiters.
    pub async fn filled(&self) {
        // A store wakes only the one that asked it last, so only one may ask.
        self.is_filled.get_or_init(|| self.fill()).await;
    }

    async fn fill(&self) {
        let (permits, approvals, templates) = (
            self.permits.wait_until_ready(),
            self.approvals.wait_until_ready(),
            self.templates.wait_until_ready(),
        );
        let (namespaces, revisions, facts) = (
            self.namespaces.wait_until_ready(),
            self.revisions.wait_until_ready(),
            self.facts.wait_until_ready(),
        );
        // A dropped writer means that the process is ending; whoever waits is ended with it.
        let _ = futures::join!(
            permits,
            approvals,
            templates,
            namespaces,
            revisions,
            facts,
            self.deployments.wait_until_ready()
        );
    }

    /// The store of permits.
    pub fn permit_store(&self) -> Store<Permit> {
        self.permits.clone()
    }

    /// Every permit that names this workload.
    pub fn permits_naming(&self, namespace: &str, key: &str) -> Vec<Arc<Permit>> {
        let names = |p: &Permit| {
            p.namespace().as_deref() == Some(namespace)
                && p.spec.targets.iter().any(|t| target_key(t) == key)
        };
        self.permits
            .state()
            .into_iter()
            .filter(|p| names(p))
            .collect()
    }

    /// One permit.
    pub fn permit(&self, namespace: &str, name: &str) -> Option<Arc<Permit>> {
        self.permits.get(&ObjectRef::new(name).within(namespace))
    }

    /// The approvals that speak of a permit.
    pub fn approvals_of(&self, namespace: &str, permit: &str) -> Vec<Arc<Approval>> {
        let about = |a: &Approval| {
            a.namespace().as_deref() == Some(namespace) && a.spec.permit_ref.name == permit
        };
        self.approvals
            .state()
            .into_iter()
            .filter(|a| about(a))
            .collect()
    }

    /// The labels of a namespace, if it exists.
    pub fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.namespaces
            .get(&ObjectRef::new(namespace))
            .map(|n| n.labels().clone())
    }

    /// Whether a namespace is on its way out.
    pub fn is_terminating(&self, namespace: &str) -> bool {
        self.namespaces
            .get(&ObjectRef::new(namespace))
            .is_none_or(|n| n.metadata.deletion_timestamp.is_some())
    }

    /// The namespaces that carry the gate label, with its value.
    pub fn gated_namespaces(&self) -> Vec<(String, String)> {
        let gated = |n: Arc<Namespace>| {
            n.labels()
                .get(GATE_LABEL)
                .map(|mode| (n.name_any(), mode.clone()))
        };
        self.namespaces
            .state()
            .into_iter()
            .filter_map(gated)
            .collect()
    }

    /// A Deployment as a plain value, kind included.
    pub fn deployment(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let reference = ObjectRef::new_with(name, self.deployment_type.clone()).within(namespace);
        self.deployments
            .get(&reference)
            .and_then(|d| plain(&d))
            .map(Arc::new)
    }

    /// Every Deployment of a namespace.
    pub fn deployments_in(&self, namespace: &str) -> Vec<Value> {
        let here = |d: &DynamicObject| d.namespace().as_deref() == Some(namespace);
        self.deployments
            .state()
            .iter()
            .filter(|d| here(d))
            .filter_map(|d| plain(d))
            .collect()
    }

    /// Every template with its digest and its content as JSON.
    pub fn current_templates(&self) -> Vec<(String, String, String)> {
        let one = |t: Arc<PermitTemplate>| {
            let content = serde_json::to_string(&t.spec).ok()?;
            Some((t.name_any(), template_digest(&t.spec), content))
        };
        self.templates.state().into_iter().filter_map(one).collect()
    }

    /// The templates that exist now and are sound.
    pub fn sound_templates(&self) -> Vec<Template> {
        let one = |t: Arc<PermitTemplate>| {
            parse::template(&t.name_any(), &template_digest(&t.spec), &t.spec).ok()
        };
        self.templates.state().into_iter().filter_map(one).collect()
    }

    /// The digest of a template's content now.
    pub fn template_digest(&self, name: &str) -> Option<String> {
        self.templates
            .get(&ObjectRef::new(name))
            .map(|t| template_digest(&t.spec))
    }

    /// The templates that exist, by name.
    pub fn template_names(&self) -> Vec<String> {
        self.templates
            .state()
            .iter()
            .map(|t| t.name_any())
            .collect()
    }

    /// The kept revisions of a template, each by what its content says; its digest is computed anew.
    pub fn revisions(&self, template: &str) -> Vec<Revision> {
        let of = |map: &ConfigMap| {
            map.labels()
                .get(crate::api::facts::REVISION_LABEL)
                .is_some_and(|l| l == template)
        };
        self.revisions
            .state()
            .iter()
            .filter(|m| of(m))
            .filter_map(|m| revision(template, m))
            .collect()
    }

    /// The namespaces that have facts, those that are gone included.
    pub fn namespaces_with_facts(&self) -> Vec<String> {
        self.facts
            .state()
            .iter()
            .filter_map(|secret| secret.labels().get(FACTS_LABEL).cloned())
            .collect()
    }

    /// The facts of a namespace, if it is enrolled.
    pub fn facts(&self, namespace: &str) -> Option<Facts> {
        self.facts_versioned(namespace).map(|(facts, _)| facts)
    }

    /// The facts of a namespace with the version that they were read at. What cannot be read is as if it were absent:
    /// nothing is admitted by it.
    pub fn facts_versioned(&self, namespace: &str) -> Option<(Facts, String)> {
        let watched = self
            .facts
            .state()
            .into_iter()
            .find(|s| s.labels().get(FACTS_LABEL).is_some_and(|l| l == namespace));
        let written = self
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(namespace)
            .cloned();
        let newest = match (watched, written) {
            (Some(watched), Some(written)) if version(&written) > version(&watched) => written,
            (Some(watched), _) => Arc::unwrap_or_clone(watched),
            (None, written) => written?,
        };
        let data = newest.data.as_ref()?.get(DATA_KEY)?;
        let facts = serde_json::from_slice(&data.0).ok()?;
        Some((facts, newest.resource_version()?))
    }

    /// Keeps what was just written until the watch brings it back.
    pub fn facts_written(&self, namespace: &str, secret: Secret) {
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(namespace.to_owned(), secret);
    }
}

/// Versions of one object compare as numbers (KEP-5504; true of every etcd-backed resource).
fn version(secret: &Secret) -> u64 {
    secret
        .metadata
        .resource_version
        .as_deref()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

/// The digest of a template's content.
pub fn template_digest(spec: &PermitTemplateSpec) -> String {
    digest_of("permit-operator/template/v1", spec).to_string()
}

fn revision(template: &str, map: &ConfigMap) -> Option<Revision> {
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

/// A watched object as the API server would show it: lists leave the kind out.
fn plain(object: &DynamicObject) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    let map = value.as_object_mut()?;
    map.insert("apiVersion".into(), "apps/v1".into());
    map.insert("kind".into(), "Deployment".into());
    Some(value)
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Response};
    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;
    use kube::Client;
    use kube::client::Body;

    use super::*;

    /// A cluster with nothing in it.
    fn empty_cluster() -> Client {
        let answer = |_: Request<Body>| async {
            let list = serde_json::json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []});
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(
                list.to_string().into_bytes(),
            )))
        };
        Client::new(tower::service_fn(answer), "permit-system")
    }

    #[tokio::test]
    async fn everyone_who_waits_for_the_caches_is_woken() {
        let mut feed = Feed::new(&empty_cluster(), "permit-system");
        // Each with a waker of its own, as tasks have.
        let mut waiting: FuturesUnordered<_> = (0..3).map(|_| feed.caches.filled()).collect();
        // Each has asked and waits before the first watch has brought anything.
        assert!(futures::poll!(waiting.next()).is_pending());
        let watching = futures::future::join_all(
            std::mem::take(&mut feed.watches)
                .into_iter()
                .map(|(_, watch)| watch),
        );
        tokio::select! {
            () = waiting.collect() => {}
            _ = watching => panic!("a watch ended"),
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => panic!("somebody still waits"),
        }
    }
}
