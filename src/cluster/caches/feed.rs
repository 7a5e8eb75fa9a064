//! Feed: the watches that fill the caches, and the permits that each change concerns.
//!
//! A watch that ends is begun again by the library, with backoff; what was known stays known meanwhile.

use std::fmt::Debug;
use std::hash::Hash;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::warn;

use super::Caches;
use crate::api::facts::{FACTS_LABEL, REVISION_LABEL};
use crate::api::{Approval, Permit, PermitTemplate};

/// How many permits may be named and not yet looked at; a full feed waits, it never drops.
const DEPTH: usize = 8192;

/// The caches, the watches that fill them, and the permits that are due because of a change.
pub struct Feed {
    /// What is known.
    pub caches: std::sync::Arc<Caches>,
    /// Each has to run for as long as the caches are used.
    pub watches: Vec<(&'static str, BoxFuture<'static, ()>)>,
    /// Names a permit as due.
    pub due: mpsc::Sender<ObjectRef<Permit>>,
    /// The permits that are due.
    pub dues: mpsc::Receiver<ObjectRef<Permit>>,
}

impl Feed {
    /// Caches for an operator in this namespace; nothing is watched before the watches run.
    #[expect(
        clippy::too_many_lines,
        reason = "one line a watch: splitting the list would hide it"
    )]
    pub fn new(client: &Client, namespace: &str) -> Self {
        let (due, dues) = mpsc::channel(DEPTH);
        let apps = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
        let (permits, permits_in) = reflector::store();
        let (approvals, approvals_in) = reflector::store();
        let (templates, templates_in) = reflector::store();
        let (namespaces, namespaces_in) = reflector::store();
        let (revisions, revisions_in) = reflector::store();
        let (facts, facts_in) = reflector::store();
        let deployments_in = reflector::store::Writer::new(apps.clone());
        let deployments = deployments_in.as_reader();
        let all = watcher::Config::default();
        let own = |label: &str| watcher::Config::default().labels(label);
        let p = permits.clone();
        let watches: Vec<(&'static str, BoxFuture<'static, ()>)> = vec![
            (
                "permits",
                fill(
                    Api::<Permit>::all(client.clone()),
                    all.clone(),
                    permits_in,
                    &due,
                    |p| vec![ObjectRef::from_obj(p)],
                ),
            ),
            (
                "approvals",
                fill(
                    Api::<Approval>::all(client.clone()),
                    all.clone(),
                    approvals_in,
                    &due,
                    of_approval,
                ),
            ),
            (
                "templates",
                fill(
                    Api::<PermitTemplate>::all(client.clone()),
                    all.clone(),
                    templates_in,
                    &due,
                    by_template(p.clone()),
                ),
            ),
            (
                "namespaces",
                fill(
                    Api::<Namespace>::all(client.clone()),
                    all.clone(),
                    namespaces_in,
                    &due,
                    |_| Vec::new(),
                ),
            ),
            (
                "revisions",
                fill(
                    Api::<ConfigMap>::namespaced(client.clone(), namespace),
                    own(REVISION_LABEL),
                    revisions_in,
                    &due,
                    by_revision(p.clone()),
                ),
            ),
            (
                "facts",
                fill(
                    Api::<Secret>::namespaced(client.clone(), namespace),
                    own(FACTS_LABEL),
                    facts_in,
                    &due,
                    |_| Vec::new(),
                ),
            ),
            (
                "deployments",
                fill(
                    Api::<DynamicObject>::all_with(client.clone(), &apps),
                    all,
                    deployments_in,
                    &due,
                    by_deployment(p),
                ),
            ),
        ];
        let caches = Caches {
            permits,
            approvals,
            templates,
            namespaces,
            revisions,
            facts,
            deployments,
            deployment_type: apps,
            is_filled: tokio::sync::OnceCell::new(),
            written: std::sync::Mutex::default(),
        };
        Self {
            caches: std::sync::Arc::new(caches),
            watches,
            due,
            dues,
        }
    }
}

/// Watches one kind for ever, and names the permits that each change concerns after the store has it.
fn fill<K>(
    api: Api<K>,
    config: watcher::Config,
    writer: reflector::store::Writer<K>,
    due: &mpsc::Sender<ObjectRef<Permit>>,
    concerns: impl Fn(&K) -> Vec<ObjectRef<Permit>> + Send + Sync + 'static,
) -> BoxFuture<'static, ()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug + Unpin + Send + Sync,
{
    let due = due.clone();
    Box::pin(async move {
        let stream = watcher(api, config)
            .default_backoff()
            .reflect(writer)
            .touched_objects();
        let mut stream = Box::pin(stream.inspect_err(|error| warn!(%error, "watch interrupted")));
        while let Some(event) = stream.next().await {
            let Ok(object) = event else { continue };
            for permit in concerns(&object) {
                if due.send(permit).await.is_err() {
                    return;
                }
            }
        }
    })
}

fn of_approval(approval: &Approval) -> Vec<ObjectRef<Permit>> {
    let namespace = approval.namespace().unwrap_or_default();
    vec![ObjectRef::new(&approval.spec.permit_ref.name).within(&namespace)]
}

/// Open permits that a condition picks.
fn open(store: &Store<Permit>, picks: impl Fn(&Permit) -> bool) -> Vec<ObjectRef<Permit>> {
    let is_open = |p: &Permit| {
        !p.status
            .as_ref()
            .and_then(|s| s.phase)
            .is_some_and(crate::api::vocabulary::Phase::is_terminal)
    };
    // What a terminal permit owes (a rollback to follow) it names itself by its own timer.
    store
        .state()
        .iter()
        .filter(|p| is_open(p) && picks(p))
        .map(|p| ObjectRef::from_obj(p.as_ref()))
        .collect()
}

fn by_template(store: Store<Permit>) -> impl Fn(&PermitTemplate) -> Vec<ObjectRef<Permit>> {
    move |template| open(&store, |p| p.spec.template == template.name_any())
}

fn by_revision(store: Store<Permit>) -> impl Fn(&ConfigMap) -> Vec<ObjectRef<Permit>> {
    move |map| match map.labels().get(REVISION_LABEL) {
        Some(template) => open(&store, |p| p.spec.template == *template),
        None => Vec::new(),
    }
}

fn by_deployment(store: Store<Permit>) -> impl Fn(&DynamicObject) -> Vec<ObjectRef<Permit>> {
    move |deployment| {
        let (namespace, name) = (deployment.namespace(), deployment.name_any());
        open(&store, |p| {
            p.namespace() == namespace && p.spec.targets.iter().any(|t| t.name == name)
        })
    }
}
