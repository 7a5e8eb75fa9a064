//! What the gate let pass without a permit, kept until a sweep has put it on record.
//!
//! A memory: a loss is counted by who hands over, and shows as a change that nobody permitted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::domain::sweep::Granted;

/// The most changes that are remembered of one namespace; the newest stay.
const CAPACITY: usize = 512;
/// The most namespaces that are remembered.
const NAMESPACES: usize = 4096;

/// Granted changes by namespace, in their order.
#[derive(Debug, Default)]
pub struct GrantedBook(Mutex<BTreeMap<String, VecDeque<Granted>>>);

impl GrantedBook {
    /// Keeps one. False: there was no room.
    pub fn note(&self, namespace: &str, granted: Granted) -> bool {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= NAMESPACES && !book.contains_key(namespace) {
            return false;
        }
        let here = book.entry(namespace.to_owned()).or_default();
        here.push_back(granted);
        let is_full = here.len() > CAPACITY;
        if is_full {
            here.pop_front();
        }
        !is_full
    }

    /// What was let pass in a namespace.
    pub(super) fn of(&self, namespace: &str) -> Vec<Granted> {
        let book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = book.get(namespace);
        here.map(|here| here.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Forgets what led to what is on record now.
    pub(super) fn forget(&self, namespace: &str, on_record: &BTreeMap<String, String>) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = book.get_mut(namespace) else {
            return;
        };
        for (key, digest) in on_record {
            let last = here
                .iter()
                .rposition(|g| g.key == *key && g.after == *digest);
            let mut at = 0;
            here.retain(|g| {
                let is_older = last.is_some_and(|last| at <= last);
                at += 1;
                g.key != *key || !is_older
            });
        }
        if here.is_empty() {
            book.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(key: &str, before: &str, after: &str) -> Granted {
        Granted {
            key: key.into(),
            before: before.into(),
            after: after.into(),
        }
    }

    #[test]
    fn what_is_on_record_is_forgotten_with_what_led_there() {
        let book = GrantedBook::default();
        for (key, before, after) in [
            ("a", "1", "2"),
            ("b", "1", "2"),
            ("a", "2", "3"),
            ("a", "3", "4"),
        ] {
            assert!(book.note("shop", granted(key, before, after)));
        }
        book.forget("shop", &BTreeMap::from([("a".into(), "3".into())]));
        assert_eq!(
            book.of("shop"),
            [granted("b", "1", "2"), granted("a", "3", "4")]
        );
    }

    #[test]
    fn of_too_many_the_newest_stay_and_the_loss_is_told() {
        let book = GrantedBook::default();
        let all: Vec<_> = (0..=CAPACITY)
            .map(|n| book.note("shop", granted("a", "", &n.to_string())))
            .collect();
        assert_eq!(all.iter().filter(|is_kept| !**is_kept).count(), 1);
        assert_eq!(book.of("shop").len(), CAPACITY);
    }
}
