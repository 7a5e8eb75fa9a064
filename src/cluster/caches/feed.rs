//! Feed: which watches fill the caches, and which permits each change concerns.

use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::Config;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::card::card;
use super::due::{Due, PermitRef};
use super::shelf::{Read, Shelf, Touched};
use super::watch::{Concerns, LIST_LIMIT, Watch};
use super::{Caches, read};
use crate::api::config::CONFIG_NAME;
use crate::api::facts::{FACTS_LABEL, REVISION_LABEL};
use crate::cluster::kinds::resource;
use crate::domain::kind::{Form, GATED};

/// The caches, the watches that fill them, and who is told of permits that are due because of a change.
pub struct Feed {
    /// What is known.
    pub caches: Arc<Caches>,
    /// Each has to run for as long as the caches are used.
    pub watches: Vec<Watching>,
    /// Names the permits that a change concerns.
    pub due: Due,
}

/// A watch that fills one cache.
pub struct Watching {
    /// The cache.
    pub name: &'static str,
    /// Runs for ever.
    pub run: BoxFuture<'static, ()>,
    /// Whether the cache has been filled once.
    pub filled: watch::Receiver<bool>,
}

impl Feed {
    /// Caches for an operator in this namespace; nothing is watched before the watches run.
    pub fn new(client: &Client, namespace: &str) -> Self {
        let caches = Arc::new(Caches::empty(namespace));
        let sources = Sources {
            client,
            namespace,
            caches: &caches,
            due: Due::default(),
        };
        let own = [
            sources.permits(),
            sources.approvals(),
            sources.templates(),
            sources.namespaces(),
            sources.revisions(),
            sources.facts(),
            sources.configuration(),
        ];
        let workloads = GATED.iter().filter_map(|form| sources.workloads(form));
        Self {
            watches: own.into_iter().chain(workloads).collect(),
            due: sources.due.clone(),
            caches,
        }
    }
}

/// What every watch is made from.
struct Sources<'a> {
    client: &'a Client,
    namespace: &'a str,
    caches: &'a Arc<Caches>,
    due: Due,
}

impl Sources<'_> {
    fn permits(&self) -> Watching {
        let itself = |t: &Touched| {
            vec![PermitRef::new(
                Arc::clone(&t.namespace),
                Arc::clone(&t.name),
            )]
        };
        let watch = Watch {
            concerns: Box::new(itself),
            ..self.of_kind("permits", &self.caches.permits, card)
        };
        self.watching(watch)
    }

    fn approvals(&self) -> Watching {
        let named = |t: &Touched| {
            let permits = t.keys.iter();
            permits
                .map(|permit| PermitRef::new(Arc::clone(&t.namespace), Arc::clone(permit)))
                .collect()
        };
        let watch = Watch {
            concerns: Box::new(named),
            ..self.of_kind("approvals", &self.caches.approvals, read::approval)
        };
        self.watching(watch)
    }

    fn templates(&self) -> Watching {
        let caches = Arc::clone(self.caches);
        let watch = Watch {
            concerns: Box::new(move |t| caches.open_permits_under(&t.name)),
            ..self.of_kind("templates", &self.caches.templates, read::template)
        };
        self.watching(watch)
    }

    fn namespaces(&self) -> Watching {
        self.watching(self.of_kind("namespaces", &self.caches.namespaces, read::namespace))
    }

    fn revisions(&self) -> Watching {
        let caches = Arc::clone(self.caches);
        let under = move |t: &Touched| {
            let templates = t.keys.iter();
            templates
                .flat_map(|k| caches.open_permits_under(k))
                .collect()
        };
        let watch: Watch<ConfigMap, _> = Watch {
            concerns: Box::new(under),
            ..self.of_own(
                ("revisions", REVISION_LABEL),
                &self.caches.revisions,
                read::revision,
            )
        };
        self.watching(watch)
    }

    fn facts(&self) -> Watching {
        let (written, facts) = (
            Arc::clone(&self.caches.written),
            Arc::clone(&self.caches.facts),
        );
        let caught_up = move |t: &Touched| {
            written.forget(&t.name, facts.get(&t.namespace, &t.name).as_deref());
            Vec::new()
        };
        let watch: Watch<Secret, _> = Watch {
            concerns: Box::new(caught_up),
            ..self.of_own(("facts", FACTS_LABEL), &self.caches.facts, read::facts)
        };
        self.watching(watch)
    }

    fn configuration(&self) -> Watching {
        let watch: Watch<ConfigMap, _> = Watch {
            api: Api::namespaced(self.client.clone(), self.namespace),
            config: Config::default().fields(&format!("metadata.name={CONFIG_NAME}")),
            ..self.of_kind(
                "configuration",
                &self.caches.configuration,
                read::configuration,
            )
        };
        self.watching(watch)
    }

    fn workloads(&self, form: &'static Form) -> Option<Watching> {
        let caches = Arc::clone(self.caches);
        let concerns: Concerns = Box::new(move |t| {
            caches.open_permits_naming(&t.namespace, &format!("{}/{}", form.word, t.name))
        });
        let watch: Watch<DynamicObject, _> = Watch {
            name: form.resource,
            api: Api::all_with(self.client.clone(), &resource(form)),
            config: Config::default(),
            patience: LIST_LIMIT,
            shelf: Arc::clone(self.caches.workloads.get(form.word)?),
            read: Box::new(move |object| read::workload(form, object)),
            concerns,
        };
        Some(self.watching(watch))
    }

    /// A watch of every object of a kind.
    fn of_kind<K, V>(
        &self,
        name: &'static str,
        on: &Arc<Shelf<V>>,
        read: fn(&K) -> Read<V>,
    ) -> Watch<K, V>
    where
        K: Resource<DynamicType = ()> + 'static,
        V: 'static,
    {
        Watch {
            name,
            api: Api::all(self.client.clone()),
            config: Config::default(),
            patience: LIST_LIMIT,
            shelf: Arc::clone(on),
            read: Box::new(read),
            concerns: Box::new(|_| Vec::new()),
        }
    }

    /// A watch of the operator's own objects with a label.
    fn of_own<K, V>(
        &self,
        what: (&'static str, &str),
        on: &Arc<Shelf<V>>,
        read: fn(&K) -> Read<V>,
    ) -> Watch<K, V>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + 'static,
        V: 'static,
    {
        let (name, label) = what;
        Watch {
            api: Api::namespaced(self.client.clone(), self.namespace),
            config: Config::default().labels(label),
            ..self.of_kind(name, on, read)
        }
    }

    fn watching<K, V>(&self, watch: Watch<K, V>) -> Watching
    where
        K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        Watching {
            name: watch.name,
            filled: watch.shelf.filled(),
            run: Box::pin(watch.run(self.due.clone())),
        }
    }
}
