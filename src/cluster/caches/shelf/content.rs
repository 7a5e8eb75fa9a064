//! Content: the values of one kind at one time, by name and by what they are looked up by.
//!
//! Both always agree. Every name lies here once and is shared by whoever asks. Does not know how the content came about.

use std::collections::HashMap;
use std::sync::Arc;

use super::Touched;

/// A value, with the version and the keys that it was read at, and the list that it was last seen in.
pub(super) struct Kept<V> {
    pub(super) version: Option<u64>,
    pub(super) round: u32,
    pub(super) keys: Box<[Arc<str>]>,
    pub(super) value: V,
}

/// By namespace, then by the name or key of an object.
type ByPlace<T> = HashMap<Arc<str>, HashMap<Arc<str>, T>>;

/// By name; and by key, to names in order.
pub(super) struct Content<V> {
    objects: ByPlace<Kept<V>>,
    names: ByPlace<Vec<Arc<str>>>,
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
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Kept<V>> {
        self.objects.get(namespace)?.get(name)
    }

    pub(super) fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut Kept<V>> {
        self.objects.get_mut(namespace)?.get_mut(name)
    }

    /// Names that are looked up by a key, in order.
    pub(super) fn names(&self, namespace: &str, key: &str) -> impl Iterator<Item = &Arc<str>> {
        let names = self.names.get(namespace).and_then(|keys| keys.get(key));
        names.into_iter().flatten()
    }

    /// Everything in a namespace, in no order.
    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = (&Arc<str>, &Kept<V>)> {
        self.objects.get(namespace).into_iter().flatten()
    }

    /// Everything with its namespace and its name, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Kept<V>)> {
        let places = self.objects.iter();
        places.flat_map(|(namespace, objects)| {
            let all = objects.iter();
            all.map(move |(name, kept)| (namespace, name, kept))
        })
    }

    /// The namespace as it lies here.
    pub(super) fn place(&self, namespace: &str) -> Arc<str> {
        let known = self.objects.get_key_value(namespace);
        known.map_or_else(|| namespace.into(), |(known, _)| Arc::clone(known))
    }

    /// Puts an object in the place of what was known of it, or nothing. Touched are the keys of both.
    pub(super) fn exchange(
        &mut self,
        (namespace, name): (Arc<str>, Arc<str>),
        kept: Option<Kept<V>>,
    ) -> Touched {
        let mut keys = kept.as_ref().map(|k| k.keys.to_vec()).unwrap_or_default();
        let before = self.remove(&namespace, &name);
        for key in before.map(|old| old.keys).unwrap_or_default() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if let Some(kept) = kept {
            self.insert(&namespace, &name, kept);
        }
        Touched {
            namespace,
            name,
            keys,
        }
    }

    fn insert(&mut self, namespace: &Arc<str>, name: &Arc<str>, kept: Kept<V>) {
        if !kept.keys.is_empty() {
            let by_key = self.names.entry(Arc::clone(namespace)).or_default();
            for key in &kept.keys {
                let names = by_key.entry(Arc::clone(key)).or_default();
                if let Err(at) = names.binary_search(name) {
                    // Most keys have one name for ever.
                    names.reserve_exact(usize::from(names.is_empty()));
                    names.insert(at, Arc::clone(name));
                }
            }
        }
        let objects = self.objects.entry(Arc::clone(namespace)).or_default();
        objects.insert(Arc::clone(name), kept);
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Kept<V>> {
        let objects = self.objects.get_mut(namespace)?;
        let kept = objects.remove(name)?;
        if objects.is_empty() {
            self.objects.remove(namespace);
        }
        if let Some(by_key) = self.names.get_mut(namespace) {
            for key in &kept.keys {
                if let Some(names) = by_key.get_mut(key) {
                    if let Ok(at) = names.binary_search_by(|known| (**known).cmp(name)) {
                        names.remove(at);
                    }
                    if names.is_empty() {
                        by_key.remove(key);
                    }
                }
            }
            if by_key.is_empty() {
                self.names.remove(namespace);
            }
        }
        Some(kept)
    }

    /// Takes everything out.
    pub(super) fn into_all(self) -> impl Iterator<Item = ((Arc<str>, Arc<str>), Kept<V>)> {
        let places = self.objects.into_iter();
        places.flat_map(|(namespace, objects)| {
            let all = objects.into_iter();
            all.map(move |(name, kept)| ((Arc::clone(&namespace), name), kept))
        })
    }
}
