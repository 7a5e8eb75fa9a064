//! What controllers derive from workloads, as little of each as the sweep asks for; and in which namespaces anything was
//! stirred since it asked.
//!
//! There is much of it, so that objects are not kept. Does not know what is in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};

use crate::domain::kind::{Form, Pods, at};
use crate::domain::sweep::{Derived, Owner, images, print};

/// The label that the deployment controller tells its ReplicaSets by, and names them with.
const HASH: &str = "pod-template-hash";

/// By namespace, then by kind and name.
type Kept = BTreeMap<String, BTreeMap<(&'static str, String), Arc<Derived>>>;

/// Everything with a controlling owner.
#[derive(Default)]
pub(super) struct Derivations {
    kept: Mutex<Kept>,
    /// What a list in progress has not named yet, by kind.
    unnamed: Mutex<BTreeMap<&'static str, BTreeSet<(String, String)>>>,
}

impl Derivations {
    /// Takes in one event of a kind.
    pub(super) fn take(&self, form: &Form, event: &Event<DynamicObject>) {
        match event {
            Event::Apply(object) => self.put(form, object),
            Event::Delete(object) => self.drop(form.word, &place_of(object)),
            Event::Init => {
                let known = self.names(form.word);
                self.unnamed().insert(form.word, known);
            }
            Event::InitApply(object) => {
                if let Some(unnamed) = self.unnamed().get_mut(form.word) {
                    unnamed.remove(&place_of(object));
                }
                self.put(form, object);
            }
            Event::InitDone => {
                for gone in self.unnamed().remove(form.word).unwrap_or_default() {
                    self.drop(form.word, &gone);
                }
            }
        }
    }

    /// What is derived in a namespace.
    pub(super) fn all_in(&self, namespace: &str) -> Vec<Arc<Derived>> {
        let kept = self.kept();
        let here = kept.get(namespace);
        here.map(|here| here.values().cloned().collect())
            .unwrap_or_default()
    }

    fn put(&self, form: &Form, object: &DynamicObject) {
        let place = place_of(object);
        let Some(derived) = read(form, object) else {
            return self.drop(form.word, &place);
        };
        let (namespace, name) = place;
        let mut kept = self.kept();
        kept.entry(namespace)
            .or_default()
            .insert((derived.kind, name), Arc::new(derived));
    }

    fn drop(&self, word: &'static str, (namespace, name): &(String, String)) {
        let mut kept = self.kept();
        let Some(here) = kept.get_mut(namespace) else {
            return;
        };
        here.remove(&(word, name.clone()));
        if here.is_empty() {
            kept.remove(namespace);
        }
    }

    fn names(&self, word: &str) -> BTreeSet<(String, String)> {
        let kept = self.kept();
        let here = kept.iter().flat_map(|(namespace, here)| {
            let of_kind = here.keys().filter(|(kind, _)| *kind == word);
            of_kind.map(move |(_, name)| (namespace.clone(), name.clone()))
        });
        here.collect()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unnamed(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, BTreeSet<(String, String)>>> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(object: &DynamicObject) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What is kept of an object, if an owner controls it.
pub(super) fn read(form: &Form, object: &DynamicObject) -> Option<Derived> {
    let owner = object
        .owner_references()
        .iter()
        .find(|o| o.controller == Some(true))?;
    let pod = match form.pods {
        Pods::Template(path) => at(&object.data, path).and_then(|template| template.get("spec")),
        Pods::Itself => object.data.get("spec"),
        Pods::Nowhere => object.data.pointer("/data/spec/template/spec"),
    };
    let has_ended = ["Succeeded", "Failed"].iter().any(|phase| {
        object
            .data
            .pointer("/status/phase")
            .and_then(|p| p.as_str())
            == Some(phase)
    });
    let replicas = object
        .data
        .pointer("/spec/replicas")
        .and_then(serde_json::Value::as_i64);
    // An orphan that was adopted has no replicas either, but bears another name.
    let hash = object.labels().get(HASH).map_or("", String::as_str);
    let is_former = replicas == Some(0) && object.name_any() == format!("{}-{hash}", owner.name);
    Some(Derived {
        kind: form.word,
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        owner: Owner {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        },
        print: pod.and_then(print),
        images: pod.map(images).unwrap_or_default(),
        rests: object.meta().deletion_timestamp.is_some() || has_ended || is_former,
    })
}

/// The namespaces in which something was stirred.
#[derive(Default)]
pub(super) struct Stirred(Mutex<BTreeSet<String>>);

impl Stirred {
    /// Notes a namespace.
    pub(super) fn note(&self, namespace: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(namespace) {
            all.insert(namespace.to_owned());
        }
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::kind::form;

    fn replica_set(name: &str, replicas: i64) -> DynamicObject {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "u", "controller": true}]);
        let template = json!({"spec": {"containers": [{"name": "app", "image": "a:1"}]}});
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owner},
            "spec": {"replicas": replicas, "template": template}}))
        .unwrap()
    }

    fn names(all: &Derivations) -> Vec<String> {
        all.all_in("shop").iter().map(|one| one.key()).collect()
    }

    #[test]
    fn what_a_new_list_does_not_name_is_gone() {
        let (all, form) = (Derivations::default(), form("ReplicaSet").unwrap());
        all.take(form, &Event::Apply(replica_set("old", 1)));
        all.take(form, &Event::Init);
        all.take(form, &Event::InitApply(replica_set("new", 1)));
        assert_eq!(names(&all).len(), 2, "the list is not whole yet");
        all.take(form, &Event::InitDone);
        assert_eq!(names(&all), ["ReplicaSet/new"]);
        all.take(form, &Event::Delete(replica_set("new", 1)));
        assert!(names(&all).is_empty());
    }

    #[test]
    fn what_is_kept_tells_owner_and_images() {
        let kept = read(form("ReplicaSet").unwrap(), &replica_set("a-1", 1)).unwrap();
        assert!(!kept.rests && kept.print.is_some());
        assert_eq!(kept.owner.name, "a");
        assert_eq!(kept.images, ["app=a:1"]);
    }

    #[test]
    fn t11_only_what_a_deployment_itself_left_behind_rests() {
        let rests = |name: &str, replicas: i64| {
            let mut object = replica_set(name, replicas);
            object.labels_mut().insert(HASH.into(), "5d4f".into());
            read(form("ReplicaSet").unwrap(), &object).unwrap().rests
        };
        assert!(rests("a-5d4f", 0));
        assert!(!rests("a-5d4f", 1) && !rests("orphan", 0));
    }

    #[test]
    fn a_namespace_is_noted_until_it_is_taken() {
        let stirred = Stirred::default();
        stirred.note("shop");
        stirred.note("shop");
        assert_eq!(stirred.take().len(), 1);
        assert!(stirred.take().is_empty());
    }
}
