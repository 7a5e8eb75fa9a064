//! Checks, read: from the wire to limits, spans and parsed queries.
//!
//! Names every mistake of a check with its field, all at once. Does not know who is watched, or what was measured.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::quantity::{self, Billionths, QuantityError};
use super::query::{Query, QueryError, Terms};
use crate::api::check::{Check, PartialResponse, Remedy, Signal};

/// How many requests a window must hold, where the template does not say.
const MIN_SAMPLES: u32 = 20;
/// The shortest interval between two polls.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The window by which queries are read for their mistakes, where the check's own cannot be read.
const ANY_WINDOW: Duration = Duration::from_mins(1);

/// A mistake in one field of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    /// The field, as it is spelled on the wire.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// By which rules the readings of a check are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRules {
    /// What is measured.
    pub signal: Signal,
    /// The highest healthy value.
    pub max: Billionths,
    /// How far back a query looks.
    pub window: Duration,
    /// How often the check is asked.
    pub interval: Duration,
    /// How often the series are sampled.
    pub scrape_interval: Duration,
    /// How many samples outside the limit are tolerated.
    pub failure_limit: u32,
    /// How many requests the window must hold, where they are counted.
    pub min_samples: Option<u32>,
    /// How long it may be Unknown.
    pub unknown_deadline: Duration,
    /// What a breach does.
    pub on_breach: Remedy,
    /// What missing or stale series do after the deadline.
    pub on_unknown: Remedy,
}

/// A check that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardCheck {
    /// Its name in the template.
    pub name: String,
    /// How its readings are judged.
    pub rules: CheckRules,
    value: Query,
    total: Option<Query>,
    partial: PartialResponse,
    namespace_label: String,
    workload_label: String,
}

/// The queries of one check about all namespaces that are watched: equal ones are asked once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolvedCheck {
    /// What is measured.
    pub signal: Signal,
    /// When the series of each selector were last sampled.
    pub freshness: BTreeSet<String>,
    /// The measured value, or the failed requests.
    pub value: String,
    /// All requests of the window.
    pub total: Option<String>,
    /// What an answer with warnings is worth.
    pub partial: PartialResponse,
    /// The label that holds the namespace.
    pub namespace_label: String,
    /// The label that holds the workload's name.
    pub workload_label: String,
    /// The instant that is asked about; none is now.
    pub at: Option<Timestamp>,
}

impl ResolvedCheck {
    /// The same queries about another instant.
    #[must_use]
    pub const fn at(mut self, instant: Timestamp) -> Self {
        self.at = Some(instant);
        self
    }
}

impl GuardCheck {
    /// Reads a check; all of its mistakes are told.
    pub fn parse(check: &Check) -> Result<Self, Vec<CheckError>> {
        let mut mistakes = Mistakes(Vec::new());
        let rules = rules(check, &mut mistakes);
        // A query is read even where its window is not: both mistakes are told.
        let window = quantity::span(&check.window).unwrap_or(ANY_WINDOW);
        let queries = queries(check, window, &mut mistakes);
        match (rules, queries) {
            (Some(rules), Some((value, total))) if mistakes.0.is_empty() => Ok(Self {
                name: check.name.clone(),
                rules,
                value,
                total,
                partial: check.partial_response,
                namespace_label: check.namespace_label.clone(),
                workload_label: check.workload_label.clone(),
            }),
            _ => Err(mistakes.0),
        }
    }

    /// Whether one query can answer both checks, whatever their limits are.
    pub fn asks_like(&self, other: &Self) -> bool {
        self.rules.signal == other.rules.signal
            && self.partial == other.partial
            && self.value == other.value
            && self.total == other.total
    }

    /// The queries about these namespaces.
    pub fn about(&self, namespaces: &BTreeSet<String>) -> Result<ResolvedCheck, QueryError> {
        // Requests are what an error rate is made of; a latency is as fresh as its own series.
        let sampled = match (self.rules.signal, &self.total) {
            (Signal::ErrorRate, Some(total)) => total,
            _ => &self.value,
        };
        Ok(ResolvedCheck {
            signal: self.rules.signal,
            freshness: sampled.freshness(namespaces)?,
            value: self.value.about(namespaces)?,
            total: self
                .total
                .as_ref()
                .map(|total| total.about(namespaces))
                .transpose()?,
            partial: self.partial,
            namespace_label: self.namespace_label.clone(),
            workload_label: self.workload_label.clone(),
            at: None,
        })
    }
}

/// Collects mistakes, so that all of them are told at once.
struct Mistakes(Vec<CheckError>);

impl Mistakes {
    fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(CheckError {
            field,
            message: message.into(),
        });
    }

    fn keep<T, E: fmt::Display>(&mut self, field: &'static str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(field, error.to_string()))
            .ok()
    }

    fn count(&mut self, field: &'static str, number: i32) -> Option<u32> {
        self.keep(
            field,
            u32::try_from(number).map_err(|_| format!("`{number}` is negative; write 0 or more")),
        )
    }
}

fn rules(check: &Check, mistakes: &mut Mistakes) -> Option<CheckRules> {
    let max = mistakes.keep("max", limit(check));
    let window = mistakes.keep("window", quantity::span(&check.window));
    let interval = mistakes.keep("interval", quantity::span(&check.interval));
    let scrape_interval = mistakes.keep("scrapeInterval", quantity::span(&check.scrape_interval));
    let unknown_deadline =
        mistakes.keep("unknownDeadline", quantity::span(&check.unknown_deadline));
    let failure_limit = mistakes.count("failureLimit", check.failure_limit);
    let min_samples = match (check.min_samples, &check.total) {
        (Some(_), None) => {
            mistakes.add(
                "minSamples",
                "it counts the requests that `total` answers, and `total` is missing",
            );
            None
        }
        (Some(number), Some(_)) => mistakes.count("minSamples", number),
        (None, total) => total.as_ref().map(|_| MIN_SAMPLES),
    };
    if interval.is_some_and(|interval| interval < SHORTEST_INTERVAL) {
        mistakes.add(
            "interval",
            format!("`{}` is too often; write `1s` or more", check.interval),
        );
    }
    if let (Some(window), Some(scrape)) = (window, scrape_interval)
        && window < scrape.saturating_mul(2)
    {
        let message = format!(
            "`{}` holds fewer than two scrapes of every `{}`",
            check.window, check.scrape_interval
        );
        mistakes.add(
            "window",
            format!("{message}; write at least twice `scrapeInterval`"),
        );
    }
    Some(CheckRules {
        signal: check.signal,
        max: max?,
        window: window?,
        interval: interval?,
        scrape_interval: scrape_interval?,
        failure_limit: failure_limit?,
        min_samples,
        unknown_deadline: unknown_deadline?,
        on_breach: check.on_breach,
        on_unknown: check.on_unknown,
    })
}

fn limit(check: &Check) -> Result<Billionths, QuantityError> {
    match check.signal {
        Signal::ErrorRate => quantity::ratio(&check.max),
        Signal::Latency => quantity::span(&check.max).map(Billionths::of),
    }
}

fn queries(
    check: &Check,
    window: Duration,
    mistakes: &mut Mistakes,
) -> Option<(Query, Option<Query>)> {
    for (field, label) in [
        ("namespaceLabel", &check.namespace_label),
        ("workloadLabel", &check.workload_label),
    ] {
        if !is_label(label) {
            mistakes.add(
                field,
                format!("`{label}` is no label name; write letters, digits and `_`"),
            );
        }
    }
    if check.namespace_label == check.workload_label {
        mistakes.add(
            "workloadLabel",
            format!(
                "`{}` is the namespace's label already",
                check.workload_label
            ),
        );
    }
    let terms = |counts| Terms {
        window,
        namespace_label: &check.namespace_label,
        workload_label: &check.workload_label,
        counts,
    };
    let counted = check.signal == Signal::ErrorRate;
    let value = mistakes.keep("query", Query::parse(&check.query, &terms(counted)));
    let total = check
        .total
        .as_ref()
        .and_then(|total| mistakes.keep("total", Query::parse(total, &terms(true))));
    if counted && check.total.is_none() {
        mistakes.add(
            "total",
            "an ErrorRate check is two queries; write the one that counts all requests",
        );
    }
    Some((value?, total))
}

fn is_label(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
