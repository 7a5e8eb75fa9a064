//! The guard's book: what the checks of each running permit have seen, in memory.
//!
//! Lost with the process and built again from polls; the soak goes on from what the status recorded. Folding and
//! judging are `domain::breach`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::check::Signal;
use crate::api::vocabulary::RevocationReason;
use crate::domain::breach::{
    Consequence, Memory, Soak, Verdict, consequence, describe, fold, shown_value,
};
use crate::domain::check::GuardCheck;
use crate::domain::reading::Reading;
use crate::domain::world::{CheckFact, Due, Health};

/// A check is due this much before its interval is over: the polls come at steady times, and each answer comes a little
/// after its poll. Without it a check of one interval of polls would be asked at every second poll only.
const LEEWAY: Duration = Duration::from_millis(500);

/// What is remembered of every running permit.
#[derive(Debug, Default)]
pub struct GuardBook(Mutex<BTreeMap<String, Page>>);

/// What is remembered of one.
#[derive(Debug, Default)]
struct Page {
    checks: BTreeMap<(String, String), Line>,
    soak: Soak,
    refusals: BTreeMap<String, u32>,
}

/// What is remembered of one check of one target.
#[derive(Debug)]
struct Line {
    memory: Memory,
    fact: CheckFact,
    due: Timestamp,
}

impl GuardBook {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the page of a permit, with the soak that its status recorded.
    pub(super) fn open(&self, uid: &str, recorded: Duration) {
        self.lock().entry(uid.to_owned()).or_insert_with(|| Page {
            soak: Soak::recorded(recorded),
            ..Page::default()
        });
    }

    /// Whether a check of a target is due.
    pub(super) fn is_due(&self, uid: &str, target: &str, check: &str, now: Timestamp) -> bool {
        let key = (target.to_owned(), check.to_owned());
        self.lock()
            .get(uid)
            .and_then(|p| p.checks.get(&key))
            .is_none_or(|line| now >= line.due)
    }

    /// Takes one reading of one check in; `started` is when the change was seen stored.
    pub(super) fn take(
        &self,
        about: &About<'_>,
        reading: &Reading,
        started: Timestamp,
        now: Timestamp,
    ) {
        let mut book = self.lock();
        let page = book.entry(about.uid.to_owned()).or_default();
        let key = (about.target.to_owned(), about.check.name.clone());
        let before = page
            .checks
            .remove(&key)
            .map_or_else(|| Memory::new(started, false), |line| line.memory);
        let memory = fold(before, reading, &about.check.rules, now);
        let fact = fact(about, &memory, reading);
        let pause = about.check.rules.interval.saturating_sub(LEEWAY);
        let due = now.checked_add(pause).unwrap_or(now);
        page.checks.insert(key, Line { memory, fact, due });
    }

    /// Moves a permit's soak clock by the worst verdict of its checks.
    pub(super) fn soak(&self, uid: &str, now: Timestamp, longest_gap: Duration) {
        let mut book = self.lock();
        if let Some(page) = book.get_mut(uid) {
            let worst = page
                .checks
                .values()
                .map(|l| l.memory.verdict())
                .fold(Verdict::Healthy, Verdict::worst);
            page.soak = page.soak.advance(worst, now, longest_gap);
        }
    }

    /// What the checks of a permit say.
    pub(super) fn facts(&self, uid: &str) -> Vec<CheckFact> {
        self.lock()
            .get(uid)
            .map(|p| p.checks.values().map(|l| l.fact.clone()).collect())
            .unwrap_or_default()
    }

    /// How long a permit's checks have been healthy.
    pub(super) fn healthy_for(&self, uid: &str) -> Duration {
        self.lock()
            .get(uid)
            .map(|p| p.soak.healthy())
            .unwrap_or_default()
    }

    /// Counts a rollback that the API server refused.
    pub(super) fn note_refusal(&self, uid: &str, target: &str) {
        let mut book = self.lock();
        let count = book
            .entry(uid.to_owned())
            .or_default()
            .refusals
            .entry(target.to_owned())
            .or_default();
        *count = count.saturating_add(1);
    }

    /// How often the rollback of each target was refused.
    pub(super) fn refusals(&self, uid: &str) -> BTreeMap<String, u32> {
        self.lock()
            .get(uid)
            .map(|p| p.refusals.clone())
            .unwrap_or_default()
    }

    /// Forgets every permit but these.
    pub(super) fn keep(&self, living: &BTreeSet<Arc<str>>) {
        self.lock().retain(|uid, _| living.contains(uid.as_str()));
    }

    /// Forgets a permit: it is at rest, or a person has ended its hold.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

/// Which check of which target of which permit.
pub(super) struct About<'a> {
    pub(super) uid: &'a str,
    pub(super) target: &'a str,
    pub(super) check: &'a GuardCheck,
}

fn fact(about: &About<'_>, memory: &Memory, reading: &Reading) -> CheckFact {
    let rules = &about.check.rules;
    let by_signal = match rules.signal {
        Signal::ErrorRate => RevocationReason::SafetyViolation,
        Signal::Latency => RevocationReason::PerformanceDegradation,
    };
    let (due, reason) = match consequence(memory, rules) {
        Consequence::GoOn | Consequence::Wait => (Due::Nothing, by_signal),
        Consequence::Hold(_) => (Due::Hold, by_signal),
        Consequence::RollBack(reason) => (Due::RollBack, reason),
    };
    CheckFact {
        name: about.check.name.clone(),
        target: about.target.to_owned(),
        verdict: match memory.verdict() {
            Verdict::Healthy => Health::Healthy,
            Verdict::Breached => Health::Breached,
            Verdict::Unknown(_) => Health::Unknown,
        },
        because: describe(memory.verdict(), reading, rules),
        value: shown_value(reading),
        limit: rules.max.to_string(),
        reason,
        due,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::parse;
    use crate::domain::reading::{Observed, Readings};

    fn check(interval: &str) -> GuardCheck {
        let check = json!({"name": "errors", "signal": "ErrorRate", "max": "0.05", "window": "5s", "interval": interval,
            "scrapeInterval": "1s", "query": "sum by (namespace, workload) (increase(a[{{ window }}]))",
            "total": "sum by (namespace, workload) (increase(b[{{ window }}]))"});
        let rules = json!({"rules": [{"roles": ["tech-lead"]}]});
        let spec = json!({"level": 2, "approval": rules, "guard": {"checks": [check]}});
        let template = parse::template("t", "d", &serde_json::from_value(spec).unwrap()).unwrap();
        template.checks.into_iter().next().unwrap()
    }

    /// Whether the check is due `later` after an answer that came 30 ms after its poll.
    fn is_due_again(interval: &str, later: Duration) -> bool {
        let (book, check) = (GuardBook::default(), check(interval));
        let about = About {
            uid: "u",
            target: "Deployment/checkout",
            check: &check,
        };
        let poll: Timestamp = "2026-11-21T21:00:00Z".parse().unwrap();
        let answered = poll + Duration::from_millis(30);
        let nothing = Readings::none(Observed::SourceDown, "down");
        book.take(&about, nothing.of("shop", "checkout"), poll, answered);
        book.is_due(about.uid, about.target, "errors", poll + later)
    }

    #[test]
    fn a_check_of_one_second_is_asked_at_every_poll_however_late_its_answer_came() {
        assert!(is_due_again("1s", Duration::from_millis(999)));
    }

    #[test]
    fn a_check_is_not_asked_before_its_interval() {
        assert!(!is_due_again("1s", Duration::from_millis(100)));
        assert!(!is_due_again("5s", Duration::from_secs(4)));
        assert!(is_due_again("5s", Duration::from_secs(5)));
    }
}
