//! Shelf: what one watch keeps of its kind, found by name and by what it speaks of.
//!
//! Follows the events of a watch in their order; a new list marks what is unchanged, and drops what is gone, so that no
//! list is held twice. Does not know what the values mean.

mod content;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};
use tokio::sync::watch;

use content::{Content, Kept};

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
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) keys: Vec<Arc<str>>,
}

/// The values of one kind.
pub(super) struct Shelf<V> {
    current: RwLock<Content<V>>,
    incoming: Mutex<Incoming<V>>,
    filled: watch::Sender<bool>,
}

/// A list that is not complete yet: what of it is not known in its version. What is known is marked with the round.
struct Incoming<V> {
    round: u32,
    content: Content<V>,
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            incoming: Mutex::new(Incoming {
                round: 0,
                content: Content::default(),
            }),
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
                let round = self.incoming().round;
                vec![self.exchange(&object, kept(read(&object), version(&object), round))]
            }
            Event::Delete(object) => vec![self.exchange(&object, None)],
            Event::Init => {
                let mut incoming = self.incoming();
                incoming.round = incoming.round.wrapping_add(1);
                incoming.content = Content::default();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.list(&object, read);
                Vec::new()
            }
            Event::InitDone => self.complete(),
        }
    }

    fn exchange(&self, object: &impl Resource, kept: Option<Kept<V>>) -> Touched {
        let mut current = self.write();
        let place = current.place(&object.namespace().unwrap_or_default());
        current.exchange((place, object.name_any().into()), kept)
    }

    /// Takes in one object of a list; one that is known in this version is not read again.
    fn list<K: Resource>(&self, object: &K, read: impl Fn(&K) -> Read<V>) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let version = version(object);
        let mut incoming = self.incoming();
        let mut current = self.write();
        if let Some(known) = current.get_mut(&namespace, &name)
            && version.is_some()
            && known.version == version
        {
            known.round = incoming.round;
            return;
        }
        drop(current);
        if let Some(kept) = kept(read(object), version, incoming.round) {
            let place = incoming.content.place(&namespace);
            let _ = incoming.content.exchange((place, name.into()), Some(kept));
        }
    }

    /// The list is whole: what it did not name is gone. Touched is what differs.
    fn complete(&self) -> Vec<Touched> {
        let (round, listed) = {
            let mut incoming = self.incoming();
            (incoming.round, std::mem::take(&mut incoming.content))
        };
        let gone = self.not_seen_in(round, &listed);
        let mut current = self.write();
        let gone = gone.into_iter().map(|place| current.exchange(place, None));
        let mut touched: Vec<_> = gone.collect();
        if current.is_empty() {
            *current = listed;
            let all = current.all().map(|(namespace, name, kept)| Touched {
                namespace: Arc::clone(namespace),
                name: Arc::clone(name),
                keys: kept.keys.to_vec(),
            });
            touched.extend(all);
        } else {
            let new = listed.into_all();
            touched.extend(new.map(|(place, kept)| current.exchange(place, Some(kept))));
        }
        drop(current);
        self.filled.send_replace(true);
        touched
    }

    /// What is known and was neither seen in this round nor listed anew.
    fn not_seen_in(&self, round: u32, listed: &Content<V>) -> Vec<(Arc<str>, Arc<str>)> {
        let current = self.read();
        let all = current.all();
        let gone = all.filter(|(namespace, name, kept)| {
            kept.round != round && listed.get(namespace, name).is_none()
        });
        gone.map(|(namespace, name, _)| (Arc::clone(namespace), Arc::clone(name)))
            .collect()
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming<V>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Content<V>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content<V>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of an object; objects outside namespaces have an empty one.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<V> {
        let current = self.read();
        current.get(namespace, name).map(|kept| kept.value.clone())
    }

    /// The values that are looked up by a key, ordered by name.
    pub(super) fn of(&self, namespace: &str, key: &str) -> Vec<V> {
        let all = self.named(namespace, key);
        all.into_iter().map(|(_, value)| value).collect()
    }

    /// The values that are looked up by a key, with their names and in their order.
    pub(super) fn named(&self, namespace: &str, key: &str) -> Vec<(Arc<str>, V)> {
        let current = self.read();
        let names = current.names(namespace, key);
        let kept = |name: &Arc<str>| {
            let kept = current.get(namespace, name)?;
            Some((Arc::clone(name), kept.value.clone()))
        };
        names.filter_map(kept).collect()
    }

    /// Every value of a namespace, with its name, ordered by name.
    pub(super) fn all_in(&self, namespace: &str) -> Vec<(Arc<str>, V)> {
        let current = self.read();
        let mut all: Vec<_> = current
            .of(namespace)
            .map(|(name, kept)| (Arc::clone(name), kept.value.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Shows every value, with its namespace and its name, in no order. The shelf stands still meanwhile.
    pub(super) fn each(&self, mut see: impl FnMut(&Arc<str>, &Arc<str>, &V)) {
        for (namespace, name, kept) in self.read().all() {
            see(namespace, name, &kept.value);
        }
    }
}

fn kept<V>(read: Read<V>, version: Option<u64>, round: u32) -> Option<Kept<V>> {
    let value = read.value?;
    Some(Kept {
        version,
        round,
        keys: read.keys.into_iter().map(Into::into).collect(),
        value,
    })
}

/// The version of an object. Versions are numbers (KEP-5504); what is none is as if it were always new.
fn version(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests;
