//! Who made which change: what the gate handed over, kept until the permit's execution names it.
//!
//! A memory, not a record: a loss is told by an execution without an executor, never made up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::world::Admitted;

/// The most permits that are remembered; each is forgotten when it comes to rest.
const CAPACITY: usize = 4096;

/// Admitted changes by the permit's UID.
#[derive(Debug, Default)]
pub struct AdmittedBook(Mutex<BTreeMap<String, Admitted>>);

impl AdmittedBook {
    /// Keeps who made a change under a permit; the first one stays. False: there was no room.
    pub fn note(&self, permit_uid: &str, admitted: Admitted) -> bool {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= CAPACITY && !book.contains_key(permit_uid) {
            return false;
        }
        book.entry(permit_uid.to_owned()).or_insert(admitted);
        true
    }

    /// Who made the change under a permit.
    pub fn of(&self, permit_uid: &str) -> Option<Admitted> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(permit_uid)
            .cloned()
    }

    /// Forgets every permit but these.
    pub fn keep(&self, living: &BTreeSet<Arc<str>>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid, _| living.contains(uid.as_str()));
    }

    /// Forgets a permit that came to rest.
    pub fn forget(&self, permit_uid: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(permit_uid);
    }
}
