//! What sweeps saw last, in memory: since when something seems unpermitted, and as what each workload was in order.
//!
//! What controllers and collectors are about to put right is not told of at once. Lost with the process; what was told
//! is in the facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::sweep::{Found, Unpermitted};

/// How long a workload must stand so: the gate may have let it pass a moment ago.
const SHORTEST: Duration = Duration::from_millis(900);
/// How long what is derived must stand so: its owner may be about to be seen, or to be collected.
const LONGEST: Duration = Duration::from_secs(10);
/// How often everything is looked at, whether anything was stirred or not.
const WHOLE: Duration = Duration::from_mins(5);

/// What is remembered.
#[derive(Debug, Default)]
pub struct FindingBook(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    whole: Option<Instant>,
    places: BTreeMap<String, Page>,
}

/// What is remembered of one namespace.
#[derive(Debug, Default)]
struct Page {
    suspects: BTreeMap<String, (Unpermitted, Instant)>,
    in_order: BTreeMap<String, String>,
    is_restless: bool,
}

impl FindingBook {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything is to be looked at now.
    pub(super) fn is_whole_due(&self, now: Instant) -> bool {
        let mut pages = self.lock();
        let is_due = pages
            .whole
            .is_none_or(|last| now.saturating_duration_since(last) >= WHOLE);
        if is_due {
            pages.whole = Some(now);
        }
        is_due
    }

    /// The namespaces that are to be looked at again.
    pub(super) fn restless(&self) -> BTreeSet<String> {
        let pages = self.lock();
        let restless = pages
            .places
            .iter()
            .filter(|(_, page)| page.is_restless || !page.suspects.is_empty());
        restless.map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Says whether a namespace is to be looked at again, whatever happens there.
    pub(super) fn again(&self, namespace: &str, is_restless: bool) {
        self.lock()
            .places
            .entry(namespace.to_owned())
            .or_default()
            .is_restless = is_restless;
    }

    /// The digest of each workload as it was last in order.
    pub(super) fn in_order(&self, namespace: &str) -> BTreeMap<String, String> {
        let pages = self.lock();
        pages
            .places
            .get(namespace)
            .map(|page| page.in_order.clone())
            .unwrap_or_default()
    }

    /// Takes in what a sweep found and is not told yet; returns what stood so for long enough.
    pub(super) fn take(
        &self,
        namespace: &str,
        found: &Found,
        (is_told, now): (impl Fn(&str, &Unpermitted) -> bool, Instant),
    ) -> BTreeMap<String, Unpermitted> {
        let mut pages = self.lock();
        let page = pages.places.entry(namespace.to_owned()).or_default();
        page.in_order.extend(found.in_order.clone());
        let untold = found
            .unpermitted
            .iter()
            .filter(|(key, one)| !is_told(key, one));
        let mut suspects = BTreeMap::new();
        for (key, one) in untold {
            // What changes all the time has been wrong all the time.
            let is_alike = |before: &Unpermitted| before.wrong.may_pass() == one.wrong.may_pass();
            let before = page
                .suspects
                .get(key)
                .filter(|(before, _)| is_alike(before));
            let since = before.map_or(now, |(_, since)| *since);
            suspects.insert(key.clone(), (one.clone(), since));
        }
        page.suspects = suspects;
        let is_ripe = |one: &Unpermitted, since: Instant| {
            let wait = if one.wrong.may_pass() {
                LONGEST
            } else {
                SHORTEST
            };
            now.saturating_duration_since(since) >= wait
        };
        let ripe = page
            .suspects
            .iter()
            .filter(|(_, (one, since))| is_ripe(one, *since));
        ripe.map(|(key, (one, _))| (key.clone(), one.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sweep::Wrong;

    fn found(wrong: Wrong, digest: &str) -> Found {
        let one = Unpermitted {
            wrong,
            uid: "u".into(),
            digest: digest.into(),
            print: String::new(),
            of: "Deployment/a".into(),
        };
        Found {
            unpermitted: [("Deployment/a".to_owned(), one)].into(),
            ..Found::default()
        }
    }

    #[track_caller]
    fn is_ripe(book: &FindingBook, found: &Found, at: Instant) -> bool {
        !book
            .take("shop", found, (|_: &str, _: &Unpermitted| false, at))
            .is_empty()
    }

    #[test]
    fn what_may_pass_is_waited_for_longer_and_what_changes_all_the_time_is_told_of_too() {
        let (book, start) = (FindingBook::default(), Instant::now());
        assert!(!is_ripe(&book, &found(Wrong::Changed, "1"), start));
        assert!(is_ripe(
            &book,
            &found(Wrong::Changed, "2"),
            start + SHORTEST
        ));
        let owner = found(Wrong::NoOwner, "2");
        assert!(!is_ripe(&book, &owner, start + SHORTEST));
        assert!(!is_ripe(&book, &owner, start + LONGEST));
        assert!(is_ripe(&book, &owner, start + LONGEST + SHORTEST));
    }

    #[test]
    fn a_namespace_is_looked_at_again_while_something_is_suspect_there() {
        let (book, start) = (FindingBook::default(), Instant::now());
        is_ripe(&book, &found(Wrong::Changed, "1"), start);
        assert_eq!(book.restless().len(), 1);
        let told = |_: &str, _: &Unpermitted| true;
        assert!(
            book.take("shop", &found(Wrong::Changed, "1"), (told, start + LONGEST))
                .is_empty()
        );
        assert!(book.restless().is_empty());
    }

    #[test]
    fn everything_is_looked_at_once_at_the_start() {
        let (book, start) = (FindingBook::default(), Instant::now());
        assert!(
            book.is_whole_due(start)
                && !book.is_whole_due(start)
                && book.is_whole_due(start + WHOLE)
        );
    }
}
