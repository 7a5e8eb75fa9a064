//! Shelf: what one watch keeps of its kind, found by name and by what it speaks of.
//!
//! Follows the events of a watch in their order; a new list drops what is gone and keeps what is unchanged. Does not know
//! what the values mean.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};
use tokio::sync::watch;

/// What is read of one object. Without a value it cannot be used and is not kept.
pub(super) struct Read<V> {
    /// What it is looked up by, besides its name.
    pub(super) keys: Vec<String>,
    /// What is kept of it.
    pub(super) value: Option<V>,
}

/// An object that came, changed or went, with everything that it is or was looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) keys: Vec<String>,
}

/// The values of one kind.
pub(super) struct Shelf<V> {
    current: RwLock<Content<V>>,
    /// A list that is not complete yet.
    incoming: Mutex<Content<V>>,
    filled: watch::Sender<bool>,
}

#[derive(Clone)]
struct Kept<V> {
    version: Option<String>,
    keys: Vec<String>,
    value: V,
}

/// By namespace, then by name; by namespace, then by key, to names.
struct Content<V> {
    objects: HashMap<String, HashMap<String, Kept<V>>>,
    names: HashMap<String, HashMap<String, BTreeSet<String>>>,
}

impl<V> Default for Content<V> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            names: HashMap::new(),
        }
    }
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            incoming: Mutex::default(),
            filled: watch::Sender::new(false),
        }
    }
}

impl<V: Clone> Shelf<V> {
    /// Tells whether a whole list has been taken in. Any number may wait for it.
    pub(super) fn filled(&self) -> watch::Receiver<bool> {
        self.filled.subscribe()
    }

    /// Takes in one event; what it touched can be found on the shelf as it is now.
    pub(super) fn take<K>(&self, event: Event<K>, read: impl Fn(&K) -> Read<V>) -> Vec<Touched>
    where
        K: Resource,
    {
        match event {
            Event::Apply(object) => {
                let read = read(&object);
                let kept = read.value.map(|value| Kept {
                    version: object.resource_version(),
                    keys: read.keys,
                    value,
                });
                self.exchange(&object, kept)
            }
            Event::Delete(object) => self.exchange(&object, None),
            Event::Init => {
                *self.incoming() = Content::default();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.list(&object, read);
                Vec::new()
            }
            Event::InitDone => self.complete(),
        }
    }

    fn exchange(&self, object: &impl Resource, kept: Option<Kept<V>>) -> Vec<Touched> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys = kept.as_ref().map(|k| k.keys.clone()).unwrap_or_default();
        let before = current.remove(&namespace, &name);
        for key in before.map(|old| old.keys).unwrap_or_default() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if let Some(kept) = kept {
            current.insert(&namespace, &name, kept);
        }
        vec![Touched {
            namespace,
            name,
            keys,
        }]
    }

    /// Takes in one object of a list; one that is known in this version is not read again.
    fn list<K: Resource>(&self, object: &K, read: impl Fn(&K) -> Read<V>) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let version = object.resource_version();
        let known = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            let kept = current.get(&namespace, &name);
            kept.filter(|k| k.version.is_some() && k.version == version)
                .cloned()
        };
        let kept = known.or_else(|| {
            let read = read(object);
            read.value.map(|value| Kept {
                version,
                keys: read.keys,
                value,
            })
        });
        if let Some(kept) = kept {
            self.incoming().insert(&namespace, &name, kept);
        }
    }

    /// The list is whole: it takes the place of what was known. Touched is what differs.
    fn complete(&self) -> Vec<Touched> {
        let listed = std::mem::take(&mut *self.incoming());
        let before = std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            listed,
        );
        self.filled.send_replace(true);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let mut touched = current.that_differ_from(&before);
        for new in &mut touched {
            let old = before.get(&new.namespace, &new.name);
            let gone = old.into_iter().flat_map(|kept| &kept.keys);
            let gone: Vec<_> = gone.filter(|k| !new.keys.contains(k)).cloned().collect();
            new.keys.extend(gone);
        }
        let is_gone = |t: &Touched| current.get(&t.namespace, &t.name).is_none();
        touched.extend(
            before
                .that_differ_from(&current)
                .into_iter()
                .filter(is_gone),
        );
        touched
    }

    fn incoming(&self) -> std::sync::MutexGuard<'_, Content<V>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of an object; objects outside namespaces have an empty one.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<V> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(namespace, name).map(|kept| kept.value.clone())
    }

    /// The values that are looked up by a key, ordered by name.
    pub(super) fn of(&self, namespace: &str, key: &str) -> Vec<V> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let names = current.names.get(namespace).and_then(|keys| keys.get(key));
        let kept = |name: &String| current.get(namespace, name).map(|k| k.value.clone());
        names.into_iter().flatten().filter_map(kept).collect()
    }

    /// The names that are looked up by a key, in order.
    pub(super) fn names(&self, namespace: &str, key: &str) -> Vec<String> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let names = current.names.get(namespace).and_then(|keys| keys.get(key));
        names.into_iter().flatten().cloned().collect()
    }

    /// Every value of a namespace, with its name, ordered by name.
    pub(super) fn all_in(&self, namespace: &str) -> Vec<(String, V)> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let objects = current.objects.get(namespace).into_iter().flatten();
        let mut all: Vec<_> = objects
            .map(|(name, kept)| (name.clone(), kept.value.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl<V> Content<V> {
    fn get(&self, namespace: &str, name: &str) -> Option<&Kept<V>> {
        self.objects.get(namespace)?.get(name)
    }

    fn insert(&mut self, namespace: &str, name: &str, kept: Kept<V>) {
        self.remove(namespace, name);
        for key in &kept.keys {
            let keys = self.names.entry(namespace.to_owned()).or_default();
            keys.entry(key.clone()).or_default().insert(name.to_owned());
        }
        let objects = self.objects.entry(namespace.to_owned()).or_default();
        objects.insert(name.to_owned(), kept);
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Kept<V>> {
        let objects = self.objects.get_mut(namespace)?;
        let kept = objects.remove(name)?;
        if objects.is_empty() {
            self.objects.remove(namespace);
        }
        if let Some(keys) = self.names.get_mut(namespace) {
            for key in &kept.keys {
                if let Some(names) = keys.get_mut(key) {
                    names.remove(name);
                    if names.is_empty() {
                        keys.remove(key);
                    }
                }
            }
            if keys.is_empty() {
                self.names.remove(namespace);
            }
        }
        Some(kept)
    }

    /// Objects that the other content has not, or has in another version.
    fn that_differ_from(&self, other: &Self) -> Vec<Touched> {
        let mut found = Vec::new();
        for (namespace, objects) in &self.objects {
            for (name, kept) in objects {
                let same = other
                    .get(namespace, name)
                    .is_some_and(|o| o.version.is_some() && o.version == kept.version);
                if !same {
                    found.push(Touched {
                        namespace: namespace.clone(),
                        name: name.clone(),
                        keys: kept.keys.clone(),
                    });
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
