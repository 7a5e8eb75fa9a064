//! Verdicts in words, with the numbers that they rest on.
//!
//! Decides nothing. Does not know where the words are shown.

use promql_parser::util::display_duration;

use super::{CheckRules, Reading, Verdict, Why};
use crate::domain::quantity::Billionths;
use crate::domain::reading::Observed;

/// The measured value as a plain decimal; none where nothing was measured.
pub fn shown_value(reading: &Reading) -> Option<String> {
    match reading.observed {
        Observed::Value(value) => Billionths::measured(value).map(|value| value.to_string()),
        Observed::Missing
        | Observed::SeveralSeries
        | Observed::QueryError
        | Observed::PartialData
        | Observed::SourceDown => None,
    }
}

/// Why a verdict is what it is.
pub fn describe(verdict: Verdict, reading: &Reading, rules: &CheckRules) -> String {
    let words = match verdict {
        Verdict::Healthy => format!("{} is within {}", value(reading), rules.max),
        Verdict::Breached if exceeds(reading, rules) => {
            format!("{} is over {}", value(reading), rules.max)
        }
        Verdict::Breached => format!("it was over {} in this execution", rules.max),
        Verdict::Unknown(why) => unknown(why, reading, rules),
    };
    let note = &reading.note;
    if note.is_empty() {
        words
    } else {
        format!("{words}: {note}")
    }
}

fn value(reading: &Reading) -> String {
    let value = shown_value(reading).unwrap_or_else(|| "the value".into());
    match reading.total {
        Some(total) if total.is_finite() => format!("{value} of {total:.0} requests"),
        _ => value,
    }
}

fn exceeds(reading: &Reading, rules: &CheckRules) -> bool {
    matches!(reading.observed, Observed::Value(value) if Billionths::measured(value) > Some(rules.max))
}

fn unknown(why: Why, reading: &Reading, rules: &CheckRules) -> String {
    match why {
        Why::TooEarly => {
            let due = rules.window.saturating_add(rules.scrape_interval);
            format!(
                "too early: the first verdict falls due {} after the start",
                display_duration(&due)
            )
        }
        Why::Tolerated => format!(
            "{} is over {}, tolerated {} times by failureLimit",
            value(reading),
            rules.max,
            rules.failure_limit
        ),
        Why::SourceDown => "Prometheus could not be asked".into(),
        Why::Recovering => "Prometheus was away, and the window is not filled again".into(),
        Why::TooFewRequests => format!(
            "too few requests: {:.0} of {} in {}",
            reading.total.unwrap_or_default(),
            rules.min_samples.unwrap_or_default(),
            display_duration(&rules.window)
        ),
        Why::NotNumber => "the value is no number".into(),
        Why::SeveralSeries => "several series where one is due".into(),
        Why::PartialData => "the answer is partial".into(),
        Why::QueryError => "Prometheus refused the query".into(),
        Why::Stale => match reading.sampled {
            Some(at) => format!("stale: last sampled {at:.0}"),
            None => "stale".into(),
        },
        Why::Missing => "no series".into(),
    }
}
