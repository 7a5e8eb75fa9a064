//! The desk: what this process did last to each permit: the version it wrote, and its failures in a row.
//!
//! A decision on what was just replaced would be a decision about the past, and a failure that repeats is tried less
//! and less often. Lost with the process; nothing rests on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;

/// The pause after a first failure; each further one doubles it, up to the longest.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(8);

/// How long a watch may take to bring what was written. After that a version that seems past is believed: a restored
/// etcd counts from an earlier number.
const LATEST: Duration = Duration::from_secs(10);

/// How long a status stays as it was written while nothing but its numbers moves (`decisions.md` 33).
const REFRESH: Duration = Duration::from_mins(1);

/// What was done last, by the permit's UID.
#[derive(Debug, Default)]
pub struct Desk(Mutex<BTreeMap<String, Sheet>>);

#[derive(Debug, Default)]
struct Sheet {
    written: Option<(u64, Instant)>,
    failures: u32,
    waited: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sheet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the version that a write of the status made.
    pub(super) fn wrote(&self, uid: &str, version: Option<&str>) {
        let mut desk = self.lock();
        let sheet = desk.entry(uid.to_owned()).or_default();
        sheet.written = Some((number(version), Instant::now()));
    }

    /// Whether a version is older than what was written since. Versions of one object compare as numbers (KEP-5504).
    pub(super) fn is_past(&self, uid: &str, version: Option<&str>) -> bool {
        self.is_past_at(uid, version, Instant::now())
    }

    fn is_past_at(&self, uid: &str, version: Option<&str>, now: Instant) -> bool {
        let desk = self.lock();
        let written = desk.get(uid).and_then(|sheet| sheet.written);
        written.is_some_and(|(written, at)| {
            number(version) < written && now.saturating_duration_since(at) < LATEST
        })
    }

    /// Whether a status that holds no news may be written once more.
    pub(super) fn may_refresh(&self, uid: &str) -> bool {
        self.may_refresh_at(uid, Instant::now())
    }

    fn may_refresh_at(&self, uid: &str, now: Instant) -> bool {
        let desk = self.lock();
        let written = desk.get(uid).and_then(|sheet| sheet.written);
        written.is_none_or(|(_, at)| now.saturating_duration_since(at) >= REFRESH)
    }

    /// Remembers that a permit was issued and its change not begun when this process looked.
    pub(super) fn saw_it_wait(&self, uid: &str) {
        self.lock().entry(uid.to_owned()).or_default().waited = true;
    }

    /// Whether this process saw a permit wait for its change: only then it also saw when the change began.
    pub(super) fn has_seen_it_wait(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|sheet| sheet.waited)
    }

    /// Counts a failure; answers with the pause until the next try, a little of it by chance so that permits that
    /// failed together do not come together again.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        let mut desk = self.lock();
        let sheet = desk.entry(uid.to_owned()).or_default();
        let doubled = SHORTEST
            .saturating_mul(1 << sheet.failures.min(8))
            .min(LONGEST);
        sheet.failures = sheet.failures.saturating_add(1);
        doubled.mul_f64(rand::rng().random_range(0.8..1.0))
    }

    /// Forgets the failures of a permit.
    pub(super) fn succeeded(&self, uid: &str) {
        if let Some(sheet) = self.lock().get_mut(uid) {
            sheet.failures = 0;
        }
    }

    /// Forgets every permit but these, and of these whatever is of no use any more.
    pub(super) fn keep(&self, living: &BTreeSet<Arc<str>>) {
        self.keep_at(living, Instant::now());
    }

    fn keep_at(&self, living: &BTreeSet<Arc<str>>, now: Instant) {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < LATEST;
        self.lock().retain(|uid, sheet| {
            sheet.written = sheet.written.filter(|(_, at)| is_recent(at));
            let is_of_use = sheet.written.is_some() || sheet.failures > 0;
            is_of_use && living.contains(uid.as_str())
        });
    }
}

fn number(version: Option<&str>) -> u64 {
    version.and_then(|v| v.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_is_past_and_what_replaced_it_is_not() {
        let desk = Desk::default();
        assert!(!desk.is_past("a", Some("7")));
        desk.wrote("a", Some("10"));
        assert!(desk.is_past("a", Some("9")));
        assert!(!desk.is_past("a", Some("10")) && !desk.is_past("a", Some("11")));
        assert!(!desk.is_past("b", Some("9")));
        let much_later = Instant::now() + LATEST;
        assert!(
            !desk.is_past_at("a", Some("9"), much_later),
            "an etcd that was restored"
        );
    }

    #[test]
    fn a_status_without_news_is_written_once_a_minute() {
        let desk = Desk::default();
        assert!(desk.may_refresh("a"), "nothing is known of it");
        desk.wrote("a", Some("10"));
        assert!(!desk.may_refresh("a"));
        assert!(desk.may_refresh_at("a", Instant::now() + REFRESH));
    }

    #[test]
    fn a_failure_that_repeats_is_tried_less_often_until_something_succeeds() {
        let desk = Desk::default();
        let first = desk.failed("a");
        assert!(first <= SHORTEST);
        let later = (0..20).map(|_| desk.failed("a")).last().unwrap();
        assert!(later > LONGEST / 2 && later <= LONGEST);
        desk.succeeded("a");
        assert!(desk.failed("a") <= SHORTEST);
    }

    #[test]
    fn a_permit_that_nothing_is_to_be_remembered_of_takes_no_room() {
        let (desk, living) = (Desk::default(), BTreeSet::from(["a".into(), "b".into()]));
        desk.wrote("a", Some("10"));
        desk.failed("b");
        desk.keep(&living);
        assert_eq!(desk.lock().len(), 2);
        desk.keep_at(&living, Instant::now() + LATEST);
        assert_eq!(desk.lock().keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let desk = Desk::default();
        desk.wrote("a", Some("10"));
        desk.keep(&BTreeSet::new());
        assert!(!desk.is_past("a", Some("9")));
    }
}
