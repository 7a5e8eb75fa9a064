//! Readings: what one poll of Prometheus said about each workload.
//!
//! Turns vectors into one reading a workload, and never into a number where none was measured. Does not know limits,
//! deadlines, or how the vectors were fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::check::{PartialResponse, Signal};

/// What was measured, or why nothing was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observed {
    /// A number, which may still be NaN, infinite or stale.
    Value(f64),
    /// No series.
    Missing,
    /// More than one series where one is due.
    SeveralSeries,
    /// Prometheus answered that the query failed.
    QueryError,
    /// Prometheus warned that data is lacking.
    PartialData,
    /// Prometheus could not be asked.
    SourceDown,
}

/// What one poll said about one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was measured.
    pub observed: Observed,
    /// How many requests the window holds, where that was asked.
    pub total: Option<f64>,
    /// When the oldest of its series was last sampled, by Prometheus' clock.
    pub sampled: Option<Timestamp>,
    /// When the query was evaluated, by Prometheus' clock.
    pub evaluated: Option<Timestamp>,
    /// What Prometheus said about it, for people. May be empty.
    pub note: String,
}

/// One series of a vector; an absent label is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The namespace that its label names.
    pub namespace: String,
    /// The workload that its label names.
    pub workload: String,
    /// Its value.
    pub value: f64,
}

/// The answer to one instant query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vector {
    /// When it was evaluated; none where the vector is empty.
    pub evaluated: Option<Timestamp>,
    /// Its series.
    pub series: Vec<Series>,
    /// The first warning, if there was any.
    pub warning: Option<String>,
}

/// The answers to all queries of one check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// When each selector's series were last sampled, one vector a selector.
    pub freshness: Vec<Vector>,
    /// The measured value, or the failed requests.
    pub value: Vector,
    /// All requests of the window, where that was asked.
    pub total: Option<Vector>,
}

/// The readings of every workload that one check watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    found: BTreeMap<(String, String), Reading>,
    otherwise: Reading,
}

impl Readings {
    /// The same for every workload: nothing was measured.
    pub fn none(observed: Observed, note: impl Into<String>) -> Self {
        let otherwise = Reading {
            observed,
            total: None,
            sampled: None,
            evaluated: None,
            note: note.into(),
        };
        Self {
            found: BTreeMap::new(),
            otherwise,
        }
    }

    /// What was said about one workload; one that nothing was said about is missing.
    pub fn of(&self, namespace: &str, workload: &str) -> &Reading {
        self.found
            .get(&(namespace.to_owned(), workload.to_owned()))
            .unwrap_or(&self.otherwise)
    }

    /// The same readings with one workload's replaced.
    #[must_use]
    pub fn with(mut self, namespace: &str, workload: &str, reading: Reading) -> Self {
        self.found
            .insert((namespace.to_owned(), workload.to_owned()), reading);
        self
    }

    /// Works out each workload's reading.
    pub fn read(signal: Signal, answers: &Answers, partial: PartialResponse) -> Self {
        if let (Some(warning), PartialResponse::Unknown) = (answers.warning(), partial) {
            return Self::none(Observed::PartialData, warning);
        }
        let mut readings = Self::none(Observed::Missing, "");
        for (namespace, workload) in answers.sampled_workloads() {
            let reading = answers.reading(signal, namespace, workload);
            readings = readings.with(namespace, workload, reading);
        }
        readings
    }
}

impl Answers {
    fn warning(&self) -> Option<&str> {
        let others = [Some(&self.value), self.total.as_ref()]
            .into_iter()
            .flatten();
        self.freshness
            .iter()
            .chain(others)
            .find_map(|vector| vector.warning.as_deref())
    }

    /// Whoever has any sample. A workload without one is missing, whatever else was answered.
    fn sampled_workloads(&self) -> BTreeSet<(&str, &str)> {
        let series = self.freshness.iter().flat_map(|vector| &vector.series);
        series
            .map(|series| (series.namespace.as_str(), series.workload.as_str()))
            .collect()
    }

    fn reading(&self, signal: Signal, namespace: &str, workload: &str) -> Reading {
        let find = |vector: &Vector| one(vector, namespace, workload);
        let sampled: Vec<One> = self.freshness.iter().map(find).collect();
        let value = find(&self.value);
        let total = self.total.as_ref().map(find);
        let several = sampled
            .iter()
            .chain([&value])
            .chain(total.as_ref())
            .any(|one| *one == One::Several);
        let total = total.and_then(One::value);
        let observed = match (value.value(), total) {
            _ if several => Observed::SeveralSeries,
            _ if sampled.contains(&One::Absent) => Observed::Missing,
            // The one place where no series means a number: no series of failed requests beside requests.
            (failed, Some(total)) if signal == Signal::ErrorRate => {
                Observed::Value(failed.unwrap_or(0.0) / total)
            }
            (Some(value), _) if signal == Signal::Latency => Observed::Value(value),
            _ => Observed::Missing,
        };
        Reading {
            observed,
            total,
            sampled: sampled
                .into_iter()
                .filter_map(One::value)
                .filter_map(instant)
                .min(),
            evaluated: self.freshness.iter().find_map(|vector| vector.evaluated),
            note: self.warning().unwrap_or_default().to_owned(),
        }
    }
}

/// How many series a vector has of one workload.
#[derive(Clone, Copy, Debug, PartialEq)]
enum One {
    Absent,
    Single(f64),
    Several,
}

impl One {
    const fn value(self) -> Option<f64> {
        match self {
            Self::Single(value) => Some(value),
            Self::Absent | Self::Several => None,
        }
    }
}

fn one(vector: &Vector, namespace: &str, workload: &str) -> One {
    let mut series = vector
        .series
        .iter()
        .filter(|s| s.namespace == namespace && s.workload == workload);
    match (series.next(), series.next()) {
        (None, _) => One::Absent,
        (Some(series), None) => One::Single(series.value),
        (Some(_), Some(_)) => One::Several,
    }
}

/// A number of seconds since 1970 as an instant; none where it is none.
pub fn instant(seconds: f64) -> Option<Timestamp> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(since).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_000_000.0;

    fn vector(series: &[(&str, f64)]) -> Vector {
        let series = series.iter().map(|(workload, value)| Series {
            namespace: "shop".into(),
            workload: (*workload).into(),
            value: *value,
        });
        Vector {
            evaluated: instant(NOW),
            series: series.collect(),
            warning: None,
        }
    }

    fn answers(errors: &[(&str, f64)], total: &[(&str, f64)]) -> Answers {
        let freshness = vec![vector(&[("web", NOW - 3.0), ("api", NOW - 5.0)])];
        Answers {
            freshness,
            value: vector(errors),
            total: Some(vector(total)),
        }
    }

    fn error_rate(answers: &Answers) -> Readings {
        Readings::read(Signal::ErrorRate, answers, PartialResponse::Unknown)
    }

    #[test]
    fn an_error_rate_is_errors_by_total_for_each_workload() {
        let readings = error_rate(&answers(
            &[("web", 2.0), ("api", 1.0)],
            &[("web", 100.0), ("api", 10.0)],
        ));
        assert_eq!(readings.of("shop", "web").observed, Observed::Value(0.02));
        assert_eq!(readings.of("shop", "api").observed, Observed::Value(0.1));
        assert_eq!(readings.of("shop", "api").sampled, instant(NOW - 5.0));
        assert_eq!(readings.of("shop", "api").evaluated, instant(NOW));
    }

    #[test]
    fn no_series_of_errors_beside_requests_is_no_error() {
        let readings = error_rate(&answers(&[], &[("web", 100.0)]));
        assert_eq!(readings.of("shop", "web").observed, Observed::Value(0.0));
    }

    #[test]
    fn no_series_of_requests_is_missing_never_zero() {
        let readings = error_rate(&answers(&[("web", 0.0)], &[]));
        assert_eq!(readings.of("shop", "web").observed, Observed::Missing);
    }

    #[test]
    fn a_workload_that_nothing_is_said_about_is_missing() {
        let readings = error_rate(&answers(&[], &[("web", 100.0)]));
        assert_eq!(readings.of("shop", "other").observed, Observed::Missing);
        assert_eq!(readings.of("pay", "web").observed, Observed::Missing);
    }

    #[test]
    fn several_series_of_one_workload_are_not_judged() {
        for (errors, total) in [
            (vec![("web", 1.0), ("web", 0.0)], vec![("web", 9.0)]),
            (vec![], vec![("web", 9.0), ("web", 9.0)]),
        ] {
            let readings = error_rate(&answers(&errors, &total));
            assert_eq!(readings.of("shop", "web").observed, Observed::SeveralSeries);
        }
    }

    #[test]
    fn a_latency_without_a_series_is_missing() {
        let mut answers = answers(&[("web", 0.25)], &[("web", 100.0), ("api", 100.0)]);
        let readings = Readings::read(Signal::Latency, &answers, PartialResponse::Unknown);
        assert_eq!(readings.of("shop", "web").observed, Observed::Value(0.25));
        assert_eq!(readings.of("shop", "api").observed, Observed::Missing);
        answers.total = None;
        let readings = Readings::read(Signal::Latency, &answers, PartialResponse::Unknown);
        assert_eq!(readings.of("shop", "web").observed, Observed::Value(0.25));
    }

    #[test]
    fn the_oldest_selector_tells_the_freshness() {
        let mut answers = answers(&[("web", 1.0)], &[("web", 100.0)]);
        answers.freshness.push(vector(&[("web", NOW - 90.0)]));
        let readings = error_rate(&answers);
        assert_eq!(readings.of("shop", "web").sampled, instant(NOW - 90.0));
        assert_eq!(
            readings.of("shop", "api").observed,
            Observed::Missing,
            "one selector has no sample of it"
        );
    }

    #[test]
    fn a_warning_makes_every_workload_partial_unless_the_template_uses_it() {
        let mut answers = answers(&[("web", 1.0)], &[("web", 100.0)]);
        answers.value.warning = Some("store gone".into());
        let reading = error_rate(&answers).of("shop", "web").clone();
        assert_eq!(
            (reading.observed, reading.note.as_str()),
            (Observed::PartialData, "store gone")
        );
        let used = Readings::read(Signal::ErrorRate, &answers, PartialResponse::Use);
        assert_eq!(used.of("shop", "web").observed, Observed::Value(0.01));
    }
}
