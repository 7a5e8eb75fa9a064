//! Content: the values of one kind at one time, by name and by what they are looked up by.
//!
//! Both always agree. Does not know how the content came about.

use std::collections::{BTreeSet, HashMap};

use super::Touched;

/// A value, with the version and the keys that it was read at.
#[derive(Clone)]
pub(super) struct Kept<V> {
    pub(super) version: Option<String>,
    pub(super) keys: Vec<String>,
    pub(super) value: V,
}

/// By namespace, then by name; by namespace, then by key, to names.
pub(super) struct Content<V> {
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

impl<V> Content<V> {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Kept<V>> {
        self.objects.get(namespace)?.get(name)
    }

    /// Names that are looked up by a key, in order.
    pub(super) fn names(&self, namespace: &str, key: &str) -> impl Iterator<Item = &String> {
        let names = self.names.get(namespace).and_then(|keys| keys.get(key));
        names.into_iter().flatten()
    }

    /// Everything in a namespace, in no order.
    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = (&String, &Kept<V>)> {
        self.objects.get(namespace).into_iter().flatten()
    }

    pub(super) fn insert(&mut self, namespace: &str, name: &str, kept: Kept<V>) {
        self.remove(namespace, name);
        for key in &kept.keys {
            let keys = self.names.entry(namespace.to_owned()).or_default();
            keys.entry(key.clone()).or_default().insert(name.to_owned());
        }
        let objects = self.objects.entry(namespace.to_owned()).or_default();
        objects.insert(name.to_owned(), kept);
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> Option<Kept<V>> {
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
    pub(super) fn that_differ_from(&self, other: &Self) -> Vec<Touched> {
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
