//! Breaches: from readings to a verdict, and from verdicts to what has to follow.
//!
//! Three values, the worst wins, and nothing turns a lack of knowledge into health. Does not know queries, permits or
//! how a change is undone.

mod soak;
mod words;

use std::time::Duration;

use jiff::Timestamp;

pub use self::soak::Soak;
pub use self::words::{describe, shown_value};
use super::check::CheckRules;
use super::quantity::Billionths;
use super::reading::{Observed, Reading};
use crate::api::check::{Remedy, Signal};
use crate::api::vocabulary::RevocationReason;

/// How many scrapes may be lacking before a sample is stale.
const SCRAPES_UNTIL_STALE: u32 = 3;
/// How many intervals may lie between two polls before the time between them counts as unwatched.
const INTERVALS_UNTIL_UNWATCHED: u32 = 3;

/// Why a check cannot be judged, from the lightest to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The window still reaches back beyond the change.
    TooEarly,
    /// Outside the limit, no more often than `failureLimit` tolerates.
    Tolerated,
    /// Prometheus could not be asked.
    SourceDown,
    /// Prometheus answers again, but the window reaches back into the time when it could not be asked.
    Recovering,
    /// The window holds fewer requests than `minSamples`.
    TooFewRequests,
    /// NaN, infinite or negative.
    NotNumber,
    /// More than one series where one is due.
    SeveralSeries,
    /// Prometheus warned that data is lacking.
    PartialData,
    /// Prometheus answered that the query failed.
    QueryError,
    /// The newest sample is too old.
    Stale,
    /// There is no series.
    Missing,
}

/// What a check says. Worse is greater, so that the worst of several is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Fresh, enough requests, inside the limit.
    #[default]
    Healthy,
    /// Nothing can be said.
    Unknown(Why),
    /// Fresh, enough requests, outside the limit.
    Breached,
}

impl Verdict {
    /// The worse of both.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Why a rollout is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// It was outside the limit before the change already: undoing the change would restore what was broken.
    BreachedBefore,
    /// It is outside the limit, and the template wants a person to decide.
    Breached,
    /// It could not be judged for longer than `unknownDeadline`.
    Unknown(Why),
}

/// What has to follow from a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consequence {
    /// The soak goes on.
    GoOn,
    /// The soak stands, until the check can be judged.
    Wait,
    /// A person decides.
    Hold(HoldReason),
    /// The permit is revoked for this reason, and the change undone.
    RollBack(RevocationReason),
}

/// Smallest and largest value and their number, since the last summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The smallest value.
    pub min: Option<Billionths>,
    /// The largest value.
    pub max: Option<Billionths>,
    /// How many values there were.
    pub count: u32,
}

/// What is remembered of one check of one target of one execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    started: Timestamp,
    breached_before: bool,
    breaches: u32,
    counted: Option<Timestamp>,
    down: Option<Timestamp>,
    last: Option<(Timestamp, Verdict)>,
    unjudged: Duration,
    absent: Duration,
    /// Values since the last summary; whoever records it puts an empty one in its place.
    pub summary: Summary,
}

impl Memory {
    /// Nothing is known yet. `breached_before` says that the check was outside its limit before the change.
    pub const fn new(started: Timestamp, breached_before: bool) -> Self {
        Self {
            started,
            breached_before,
            breaches: 0,
            counted: None,
            down: None,
            last: None,
            unjudged: Duration::ZERO,
            absent: Duration::ZERO,
            summary: Summary {
                min: None,
                max: None,
                count: 0,
            },
        }
    }

    /// The same, once it is known whether the check was outside its limit before the change.
    #[must_use]
    pub const fn knowing(mut self, breached_before: bool) -> Self {
        self.breached_before = breached_before;
        self
    }

    /// The verdict; before the first poll nothing is known.
    pub fn verdict(&self) -> Verdict {
        self.last
            .map_or(Verdict::Unknown(Why::TooEarly), |(_, verdict)| verdict)
    }
}

/// What one reading says by itself: no tolerance, no time of the change.
pub fn assess(reading: &Reading, rules: &CheckRules) -> Verdict {
    let why = match reading.observed {
        Observed::SourceDown => Why::SourceDown,
        Observed::QueryError => Why::QueryError,
        Observed::PartialData => Why::PartialData,
        Observed::SeveralSeries => Why::SeveralSeries,
        Observed::Missing => Why::Missing,
        Observed::Value(_) if !is_fresh(reading, rules) => Why::Stale,
        Observed::Value(_) if has_too_few_requests(reading, rules) => Why::TooFewRequests,
        Observed::Value(value) => match Billionths::measured(value) {
            Some(value) if value > rules.max => return Verdict::Breached,
            Some(_) => return Verdict::Healthy,
            None => Why::NotNumber,
        },
    };
    Verdict::Unknown(why)
}

fn is_fresh(reading: &Reading, rules: &CheckRules) -> bool {
    let longest = rules.scrape_interval.saturating_mul(SCRAPES_UNTIL_STALE);
    reading
        .sampled
        .zip(reading.evaluated)
        .is_some_and(|(sampled, evaluated)| elapsed(sampled, evaluated) <= longest)
}

/// A number of requests that is not known, or is NaN, is too few.
fn has_too_few_requests(reading: &Reading, rules: &CheckRules) -> bool {
    rules
        .min_samples
        .is_some_and(|min| !reading.total.is_some_and(|total| total >= f64::from(min)))
}

/// Takes one reading into what is remembered.
#[must_use]
pub fn fold(memory: Memory, reading: &Reading, rules: &CheckRules, now: Timestamp) -> Memory {
    let said = if is_due(&memory, reading, rules, now) {
        assess(reading, rules)
    } else {
        Verdict::Unknown(Why::TooEarly)
    };
    let said = match said {
        // What it could not scrape while it was down is no absence of the workload.
        Verdict::Unknown(why) if is_absent(why) && is_recovering(&memory, rules, now) => {
            Verdict::Unknown(Why::Recovering)
        }
        said => said,
    };
    let mut next = memory;
    if said == Verdict::Unknown(Why::SourceDown) {
        next.down = Some(now);
    }
    if let (Verdict::Healthy | Verdict::Breached, Observed::Value(value)) = (said, reading.observed)
    {
        next.summary = next.summary.with(value);
    }
    // The same sample seen by two polls is one breach.
    if said == Verdict::Breached && reading.sampled > next.counted {
        next.breaches = next.breaches.saturating_add(1);
        next.counted = reading.sampled;
    }
    let (unjudged, absent) = unknown_for(&next, said, rules, now);
    let verdict = match said {
        // A breach stays one: what follows from it may not depend on who looks when.
        _ if next.breaches > rules.failure_limit => Verdict::Breached,
        Verdict::Breached => Verdict::Unknown(Why::Tolerated),
        Verdict::Healthy | Verdict::Unknown(_) => said,
    };
    Memory {
        unjudged,
        absent,
        last: Some((now, verdict)),
        ..next
    }
}

/// Whether the whole window lies after the change, by our clock and by Prometheus' own.
fn is_due(memory: &Memory, reading: &Reading, rules: &CheckRules, now: Timestamp) -> bool {
    let seen = reading
        .evaluated
        .map_or(now, |evaluated| evaluated.min(now));
    elapsed(memory.started, seen) >= rules.window.saturating_add(rules.scrape_interval)
}

/// Whether the window reaches back into the last time when the source was down.
fn is_recovering(memory: &Memory, rules: &CheckRules, now: Timestamp) -> bool {
    let refilled = rules.window.saturating_add(rules.scrape_interval);
    memory
        .down
        .is_some_and(|down| elapsed(down, now) <= refilled)
}

/// How long nothing could be judged, and how long series were missing or stale. Time in which Prometheus could not be
/// asked, or was asked too early, neither counts nor is forgiven.
fn unknown_for(
    memory: &Memory,
    said: Verdict,
    rules: &CheckRules,
    now: Timestamp,
) -> (Duration, Duration) {
    let Verdict::Unknown(why) = said else {
        return (Duration::ZERO, Duration::ZERO);
    };
    if !counts(why) {
        return (memory.unjudged, memory.absent);
    }
    let before = match memory.last {
        Some((at, Verdict::Unknown(before))) => Some((at, before)),
        _ => None,
    };
    let longest = rules.interval.saturating_mul(INTERVALS_UNTIL_UNWATCHED);
    let since = match before {
        Some((at, before)) if counts(before) => elapsed(at, now).min(longest),
        _ => Duration::ZERO,
    };
    let goes_on = before.is_none_or(|(_, before)| !counts(before) || is_absent(before));
    let absent = if is_absent(why) && goes_on {
        memory.absent.saturating_add(since)
    } else {
        Duration::ZERO
    };
    (memory.unjudged.saturating_add(since), absent)
}

/// Whether time in which a check is unknown for this reason runs down `unknownDeadline`.
const fn counts(why: Why) -> bool {
    !matches!(
        why,
        Why::TooEarly | Why::SourceDown | Why::Recovering | Why::Tolerated
    )
}

/// Whether there is no series that could be judged.
const fn is_absent(why: Why) -> bool {
    matches!(why, Why::Missing | Why::Stale)
}

/// What has to follow from what is remembered.
pub fn consequence(memory: &Memory, rules: &CheckRules) -> Consequence {
    match memory.verdict() {
        Verdict::Healthy => Consequence::GoOn,
        Verdict::Breached if memory.breached_before => {
            Consequence::Hold(HoldReason::BreachedBefore)
        }
        Verdict::Breached => remedy(rules.on_breach, HoldReason::Breached, rules.signal),
        Verdict::Unknown(why) if !counts(why) => Consequence::Wait,
        // A change is not undone for lack of what was out of order before it.
        Verdict::Unknown(why)
            if memory.absent >= rules.unknown_deadline && !memory.breached_before =>
        {
            remedy(rules.on_unknown, HoldReason::Unknown(why), rules.signal)
        }
        Verdict::Unknown(why) if memory.unjudged >= rules.unknown_deadline => {
            Consequence::Hold(HoldReason::Unknown(why))
        }
        Verdict::Unknown(_) => Consequence::Wait,
    }
}

const fn remedy(remedy: Remedy, held: HoldReason, signal: Signal) -> Consequence {
    match (remedy, signal) {
        (Remedy::Hold, _) => Consequence::Hold(held),
        (Remedy::RollBack, Signal::ErrorRate) => {
            Consequence::RollBack(RevocationReason::SafetyViolation)
        }
        (Remedy::RollBack, Signal::Latency) => {
            Consequence::RollBack(RevocationReason::PerformanceDegradation)
        }
    }
}

impl Summary {
    fn with(self, value: f64) -> Self {
        let value = Billionths::measured(value);
        Self {
            min: self.min.into_iter().chain(value).min(),
            max: self.max.max(value),
            count: self.count.saturating_add(1),
        }
    }
}

/// The time from one instant to a later one; none where it is not later.
fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
