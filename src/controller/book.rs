//! The guard's book: what the checks of each running permit have seen, in memory.
//!
//! Lost with the process and built again from polls; only then the start and the soak go on from what the status
//! recorded, which is otherwise put right by it. Folding and judging are `domain::breach`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::api::check::Signal;
use crate::api::permit::Execution;
use crate::api::vocabulary::RevocationReason;
use crate::domain::breach::{
    Consequence, HoldReason, Memory, Soak, Verdict, Why, assess, consequence, describe, fold,
    shown_value,
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
    /// When its change was seen stored.
    started: Option<Timestamp>,
    /// Whether nothing had changed a moment before.
    is_exact: bool,
    checks: BTreeMap<(String, String), Line>,
    /// Whether a check of a target was outside its limit before the change, once that is known.
    before: BTreeMap<(String, String), bool>,
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

    /// Opens a new page for a change that begins now; nothing is taken from a status.
    pub(super) fn begin(&self, uid: &str, started: Timestamp, is_exact: bool) {
        let page = Page {
            started: Some(started),
            is_exact,
            ..Page::default()
        };
        self.lock().insert(uid.to_owned(), page);
    }

    /// Opens the page of a change that began before this process led, as its status recorded it; answers with the
    /// start that counts, which is that of the page if it is open already.
    pub(super) fn open(&self, uid: &str, started: Timestamp, soaked: Duration) -> Timestamp {
        let mut book = self.lock();
        let page = book.entry(uid.to_owned()).or_default();
        *page.started.get_or_insert_with(|| {
            page.soak = Soak::recorded(soaked);
            started
        })
    }

    /// The start of a change, where this process saw it begin.
    pub(super) fn exact_start(&self, uid: &str) -> Option<Timestamp> {
        let book = self.lock();
        book.get(uid).filter(|p| p.is_exact)?.started
    }

    /// Whether this process knows of a change under the permit that began.
    pub(super) fn has_begun(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|p| p.started.is_some())
    }

    /// Puts right what a status says of a running change and this process knows itself.
    pub(super) fn correct(&self, uid: &str, execution: &mut Execution) {
        let book = self.lock();
        let Some((page, started)) = book.get(uid).and_then(|p| Some((p, p.started?))) else {
            return;
        };
        let healthy = i64::try_from(page.soak.healthy().as_secs()).unwrap_or(i64::MAX);
        execution.started_time = Some(Time(started));
        execution.healthy_seconds = execution.healthy_seconds.clamp(0, healthy);
    }

    /// Whether a check of a target is due.
    pub(super) fn is_due(&self, uid: &str, target: &str, check: &str, now: Timestamp) -> bool {
        let key = (target.to_owned(), check.to_owned());
        self.lock()
            .get(uid)
            .and_then(|p| p.checks.get(&key))
            .is_none_or(|line| now >= line.due)
    }

    /// Whether it is known how a check of a target stood before the change.
    pub(super) fn knows_before(&self, uid: &str, target: &str, check: &str) -> bool {
        let key = (target.to_owned(), check.to_owned());
        let book = self.lock();
        book.get(uid).is_some_and(|p| p.before.contains_key(&key))
    }

    /// Takes in how a check stood before the change. Where nobody could be asked it stays open, and is asked again.
    pub(super) fn note_before(&self, about: &About<'_>, reading: &Reading) {
        let breached = match assess(reading, &about.check.rules) {
            Verdict::Unknown(Why::SourceDown | Why::QueryError) => return,
            verdict => verdict == Verdict::Breached,
        };
        let mut book = self.lock();
        let page = book.entry(about.uid.to_owned()).or_default();
        page.before.insert(about.key(), breached);
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
        let key = about.key();
        let breached = page.before.get(&key).copied().unwrap_or(false);
        let known = page.checks.remove(&key).map(|line| line.memory);
        let known = known.unwrap_or_else(|| Memory::new(started, breached));
        let memory = fold(known.knowing(breached), reading, &about.check.rules, now);
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

    /// Forgets what the checks of a permit saw: a person has ended its hold.
    pub(super) fn forgive(&self, uid: &str) {
        if let Some(page) = self.lock().get_mut(uid) {
            page.checks.clear();
        }
    }

    /// Forgets a permit: it is at rest.
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

impl About<'_> {
    fn key(&self) -> (String, String) {
        (self.target.to_owned(), self.check.name.clone())
    }
}

fn fact(about: &About<'_>, memory: &Memory, reading: &Reading) -> CheckFact {
    let rules = &about.check.rules;
    let by_signal = match rules.signal {
        Signal::ErrorRate => RevocationReason::SafetyViolation,
        Signal::Latency => RevocationReason::PerformanceDegradation,
    };
    let mut because = describe(memory.verdict(), reading, rules);
    let (due, reason) = match consequence(memory, rules) {
        Consequence::Hold(HoldReason::BreachedBefore) => {
            because.push_str("; it was before the change, too");
            (Due::Hold, by_signal)
        }
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
        because,
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

    /// What becomes of a change after `before` of what was asked about the time before it, and a breach since.
    fn breached_after(before: Option<Observed>) -> CheckFact {
        let (book, check) = (GuardBook::default(), check("1s"));
        let about = About {
            uid: "u",
            target: "Deployment/checkout",
            check: &check,
        };
        let start: Timestamp = "2026-11-21T21:00:00Z".parse().unwrap();
        let reading = |observed, at| Reading {
            observed,
            total: Some(100.0),
            sampled: Some(at),
            evaluated: Some(at),
            note: String::new(),
        };
        if let Some(observed) = before {
            book.note_before(&about, &reading(observed, start));
        }
        let later = start + Duration::from_mins(1);
        book.take(&about, &reading(Observed::Value(0.5), later), start, later);
        book.facts("u").remove(0)
    }

    #[test]
    fn what_was_broken_before_the_change_is_held_and_what_was_not_is_rolled_back() {
        let held = breached_after(Some(Observed::Value(0.5)));
        assert_eq!(held.due, Due::Hold);
        assert!(held.because.contains("before the change"), "{held:?}");
        for before in [Observed::Value(0.01), Observed::Missing] {
            assert_eq!(breached_after(Some(before)).due, Due::RollBack);
        }
        assert_eq!(breached_after(None).due, Due::RollBack);
    }

    #[test]
    fn a_status_that_says_otherwise_of_a_running_change_is_put_right() {
        let book = GuardBook::default();
        let start: Timestamp = "2026-11-21T21:00:00Z".parse().unwrap();
        let forged = Execution {
            started_time: Some(Time(start + Duration::from_hours(9))),
            healthy_seconds: 9_999,
            ..Execution::default()
        };
        let mut unknown = forged.clone();
        book.correct("u", &mut unknown);
        assert_eq!(unknown, forged, "nothing is known of it");
        book.begin("u", start, true);
        assert_eq!(book.exact_start("u"), Some(start));
        let later = start + Duration::from_hours(9);
        assert_eq!(book.open("u", later, Duration::from_hours(1)), start);
        let mut execution = forged;
        book.correct("u", &mut execution);
        assert_eq!(execution.started_time, Some(Time(start)));
        assert_eq!(execution.healthy_seconds, 0);
    }

    #[test]
    fn after_a_restart_a_change_goes_on_from_what_its_status_recorded() {
        let book = GuardBook::default();
        let start: Timestamp = "2026-11-21T21:00:00Z".parse().unwrap();
        let soaked = Duration::from_mins(3);
        assert_eq!(book.open("u", start, soaked), start);
        assert_eq!(book.exact_start("u"), None);
        assert_eq!(book.healthy_for("u"), soaked);
        book.forgive("u");
        assert_eq!(book.healthy_for("u"), soaked);
    }

    #[test]
    fn what_nobody_could_be_asked_about_is_asked_again() {
        let (book, check) = (GuardBook::default(), check("1s"));
        let about = About {
            uid: "u",
            target: "Deployment/checkout",
            check: &check,
        };
        for (observed, knows) in [(Observed::SourceDown, false), (Observed::Missing, true)] {
            let nothing = Readings::none(observed, "");
            book.note_before(&about, nothing.of("shop", "checkout"));
            assert_eq!(book.knows_before("u", about.target, "errors"), knows);
        }
    }

    #[test]
    fn a_check_is_not_asked_before_its_interval() {
        assert!(!is_due_again("1s", Duration::from_millis(100)));
        assert!(!is_due_again("5s", Duration::from_secs(4)));
        assert!(is_due_again("5s", Duration::from_secs(5)));
    }
}
