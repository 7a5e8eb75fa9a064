//! Caches: what watches keep of the cluster, for gate and controller alike.
//!
//! Hands out plain values, found by name or by what they speak of, never by a walk over all of them where a change is
//! judged. A deny may rest on them; an allow never does (threat row 29). Does not know what they mean.

mod card;
mod derived;
mod due;
mod feed;
mod packed;
mod read;
mod shelf;
mod watch;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

pub use card::{Card, Known, LEVELS};
pub use due::{Due, PermitRef};
pub use feed::{Feed, Watching};

use crate::api::config::{CONFIG_NAME, freeze_name};
use crate::api::facts::{Enrolment, Facts, facts_name};
use crate::api::kind::WorkloadKind;
use crate::api::{Approval, ENVIRONMENT_LABEL, GATE_LABEL, Permit};
use crate::domain::config::{Config as Configured, InForce};
use crate::domain::kind::GATED;
use crate::domain::sweep::Derived;
use crate::domain::template::{Revision, Template, Unreadable};
use card::mark;
use derived::{Derivations, Stirred};
use read::{Configuration, Current, Place, Versioned};
use shelf::Shelf;
use written::Written;

/// The namespace of what lives outside namespaces.
const CLUSTER: &str = "";

/// What is known of the cluster.
pub struct Caches {
    /// The operator's own namespace.
    own: String,
    permits: Arc<Shelf<Arc<Card>>>,
    approvals: Arc<Shelf<Arc<Approval>>>,
    templates: Arc<Shelf<Arc<Current>>>,
    namespaces: Arc<Shelf<Arc<Place>>>,
    revisions: Arc<Shelf<Arc<Revision>>>,
    facts: Arc<Shelf<Arc<Versioned>>>,
    configuration: Arc<Shelf<Arc<Configuration>>>,
    /// Of each gated kind, what no controller of another kind answers for.
    workloads: BTreeMap<&'static str, Arc<Shelf<Arc<Value>>>>,
    written: Arc<Written>,
    /// Of each gated kind, what a controller answers for.
    derived: Arc<Derivations>,
    /// Why a namespace is frozen until a person lifts that.
    freezes: Arc<Shelf<Arc<String>>>,
    stirred: Arc<Stirred>,
}

impl Caches {
    fn empty(own: &str) -> Self {
        Self {
            own: own.to_owned(),
            permits: Arc::default(),
            approvals: Arc::default(),
            templates: Arc::default(),
            namespaces: Arc::default(),
            revisions: Arc::default(),
            facts: Arc::default(),
            configuration: Arc::default(),
            workloads: GATED
                .iter()
                .map(|form| (form.word, Arc::default()))
                .collect(),
            written: Arc::default(),
            derived: Arc::default(),
            freezes: Arc::default(),
            stirred: Arc::default(),
        }
    }

    /// Resolves when every cache has been filled once.
    pub async fn filled(&self) {
        let workloads = self.workloads.values().map(|shelf| shelf.filled());
        let all = [
            self.permits.filled(),
            self.approvals.filled(),
            self.templates.filled(),
            self.namespaces.filled(),
            self.revisions.filled(),
            self.facts.filled(),
            self.configuration.filled(),
            self.freezes.filled(),
        ];
        for mut one in all.into_iter().chain(workloads) {
            // Ours to write: the sender lives as long as we do.
            let _ = one.wait_for(|is_filled| *is_filled).await;
        }
    }

    /// Shows every permit there is, without its names.
    pub fn each_permit(&self, mut see: impl FnMut(&Card)) {
        self.permits.each(|_, _, card| see(card));
    }

    /// The permits that `pick` wants.
    pub fn known_permits(&self, pick: impl Fn(&Card) -> bool) -> Vec<Known> {
        let mut known = Vec::new();
        self.permits.each(|namespace, name, card| {
            if pick(card) {
                known.push(Known {
                    namespace: Arc::clone(namespace),
                    name: Arc::clone(name),
                    card: Arc::clone(card),
                });
            }
        });
        known
    }

    /// Names the permits that `pick` wants.
    pub fn permit_refs(&self, pick: impl Fn(&Card) -> bool) -> Vec<PermitRef> {
        let known = self.known_permits(pick).into_iter();
        known
            .map(|permit| PermitRef::new(permit.namespace, permit.name))
            .collect()
    }

    /// Every permit that names this workload (`Deployment/NAME`), ordered by name.
    pub fn permits_naming(&self, namespace: &str, key: &str) -> Vec<Known> {
        let (named, namespace) = (self.permits.named(namespace, key), Arc::from(namespace));
        let known = |(name, card)| Known {
            namespace: Arc::clone(&namespace),
            name,
            card,
        };
        named.into_iter().map(known).collect()
    }

    /// One permit, whole.
    pub fn permit(&self, namespace: &str, name: &str) -> Option<Permit> {
        let known = Known {
            namespace: namespace.into(),
            name: name.into(),
            card: self.permits.get(namespace, name)?,
        };
        known.whole()
    }

    /// Names the permits that name a workload and are not at their end. What a terminal permit owes (a rollback to
    /// follow) it names itself by its own timer.
    fn open_permits_naming(&self, namespace: &str, key: &str) -> Vec<PermitRef> {
        let named = self.permits_naming(namespace, key).into_iter();
        named
            .filter(|known| known.card.is_open())
            .map(|known| PermitRef::new(known.namespace, known.name))
            .collect()
    }

    /// Names the open permits under a template. Walks over all: templates change rarely.
    fn open_permits_under(&self, template: &str) -> Vec<PermitRef> {
        let under = mark(template);
        self.permit_refs(|card| card.is_open() && card.may_be_under(under))
    }

    /// The approvals that speak of a permit.
    pub fn approvals_of(&self, namespace: &str, permit: &str) -> Vec<Arc<Approval>> {
        self.approvals.of(namespace, permit)
    }

    /// The configuration: what it says, or why it cannot be used. Without one nothing is configured.
    pub fn configuration(&self) -> Result<Arc<Configured>, String> {
        let known = self.configuration.get(&self.own, CONFIG_NAME);
        known.map_or_else(|| Ok(Arc::default()), |config| Result::clone(&config))
    }

    /// The labels of a namespace, if it exists.
    pub fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let place = self.namespaces.get(CLUSTER, namespace)?;
        Some(place.labels.clone())
    }

    /// Whether a namespace is on its way out.
    pub fn is_terminating(&self, namespace: &str) -> bool {
        let place = self.namespaces.get(CLUSTER, namespace);
        place.is_none_or(|p| p.is_terminating)
    }

    /// How each namespace stands that carries the gate label or has facts, those on their way out left out.
    pub fn enrolments(&self) -> Vec<(String, Enrolment)> {
        let label = |place: &Place, key: &str| place.labels.get(key).cloned().unwrap_or_default();
        let one = |(name, place): (Arc<str>, Arc<Place>)| {
            let is_meant =
                place.labels.contains_key(GATE_LABEL) || self.shared_facts(&name).is_some();
            let seen = Enrolment {
                uid: place.uid.clone(),
                gate: label(&place, GATE_LABEL),
                environment: label(&place, ENVIRONMENT_LABEL),
            };
            (is_meant && !place.is_terminating).then(|| (name.to_string(), seen))
        };
        let all = self.namespaces.all_in(CLUSTER);
        all.into_iter().filter_map(one).collect()
    }

    /// A workload as a plain value, kind included, unless it is derived from another one.
    pub fn workload(
        &self,
        kind: &WorkloadKind,
        (namespace, name): (&str, &str),
    ) -> Option<Arc<Value>> {
        self.workloads.get(kind.as_str())?.get(namespace, name)
    }

    /// Every workload of a namespace that is not derived from another one, by its key.
    pub fn workloads_in(&self, namespace: &str) -> Vec<(String, Arc<Value>)> {
        let of_kind = |(kind, shelf): (&&str, &Arc<Shelf<Arc<Value>>>)| {
            let all = shelf.all_in(namespace).into_iter();
            let keyed = all.map(|(name, value)| (format!("{kind}/{name}"), value));
            keyed.collect::<Vec<_>>()
        };
        self.workloads.iter().flat_map(of_kind).collect()
    }

    /// Everything in a namespace that says that a controller derived it.
    pub fn derived_in(&self, namespace: &str) -> Vec<Arc<Derived>> {
        self.derived.all_in(namespace)
    }

    /// The namespaces in which a workload, what is derived from one, or what is on record changed since the last time
    /// that anybody asked.
    pub fn take_stirred(&self) -> BTreeSet<String> {
        self.stirred.take()
    }

    /// What freezes and exempts in a namespace of an environment.
    pub fn in_force(&self, now: Timestamp, (namespace, environment): (&str, &str)) -> InForce {
        let standing = self.standing_freeze(namespace);
        let standing = standing.as_ref().map(|why| why.as_str());
        InForce::of(
            self.configuration(),
            standing,
            now,
            (namespace, environment),
        )
    }

    /// Why a namespace is frozen until a person lifts that, if it is.
    pub fn standing_freeze(&self, namespace: &str) -> Option<Arc<String>> {
        self.freezes.get(&self.own, &freeze_name(namespace))
    }

    /// Every template with its digest and its content as JSON.
    pub fn current_templates(&self) -> Vec<(String, String, String)> {
        let one = |t: &Current| (t.name.clone(), t.digest.clone(), t.content.clone());
        let all = self.templates.all_in(CLUSTER);
        all.iter().map(|(_, t)| one(t)).collect()
    }

    /// The templates that exist now: those that are sound, and those that cannot be read.
    pub fn templates(&self) -> (Vec<Template>, Vec<Unreadable>) {
        let (mut sound, mut unreadable) = (Vec::new(), Vec::new());
        for (_, current) in self.templates.all_in(CLUSTER) {
            match &current.template {
                Ok(template) => sound.push(template.clone()),
                Err(template) => unreadable.push(Unreadable::clone(template)),
            }
        }
        (sound, unreadable)
    }

    /// The digest of a template's content now.
    pub fn template_digest(&self, name: &str) -> Option<String> {
        let current = self.templates.get(CLUSTER, name)?;
        Some(current.digest.clone())
    }

    /// The templates that exist, by name.
    pub fn template_names(&self) -> Vec<String> {
        let all = self.templates.all_in(CLUSTER);
        all.into_iter().map(|(name, _)| name.to_string()).collect()
    }

    /// The kept revisions of a template, each by what its content says.
    pub fn revisions(&self, template: &str) -> Vec<Revision> {
        let all = self.revisions.of(&self.own, template);
        all.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// The namespaces that have facts, those that are gone included.
    pub fn namespaces_with_facts(&self) -> Vec<String> {
        let prefix = facts_name("");
        let all = self.facts.all_in(&self.own).into_iter();
        all.filter_map(|(name, _)| name.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }

    /// The facts of a namespace, if it is enrolled. What cannot be read is as if it were absent: nothing is admitted by
    /// it.
    pub fn shared_facts(&self, namespace: &str) -> Option<Arc<Facts>> {
        let newest = self.newest_facts(namespace)?;
        Some(Arc::clone(&newest.facts))
    }

    /// The facts of a namespace, if it is enrolled, to be changed.
    pub fn facts(&self, namespace: &str) -> Option<Facts> {
        self.shared_facts(namespace).map(Arc::unwrap_or_clone)
    }

    /// The facts of a namespace with the version that they were read at.
    pub fn facts_versioned(&self, namespace: &str) -> Option<(Facts, String)> {
        let newest = self.newest_facts(namespace)?;
        Some((Facts::clone(&newest.facts), newest.version.clone()))
    }

    fn newest_facts(&self, namespace: &str) -> Option<Arc<Versioned>> {
        let name = facts_name(namespace);
        let watched = self.facts.get(&self.own, &name);
        self.written.newest(&name, watched)
    }

    /// Keeps what was just written until the watch brings it back.
    pub fn facts_written(&self, namespace: &str, secret: &Secret) {
        if let Some(written) = read::versioned(secret) {
            self.written.keep(&facts_name(namespace), written);
        }
    }
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
                .map(|watch| watch.run),
        );
        tokio::select! {
            () = waiting.collect() => {}
            _ = watching => panic!("a watch ended"),
            () = tokio::time::sleep(std::time::Duration::from_secs(30)) => panic!("somebody still waits"),
        }
    }
}
