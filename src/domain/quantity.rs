//! Quantities that people write: durations and ratios, read exactly.
//!
//! Knows how they are spelled and how a measured number is held against them. Does not know what they limit.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// The longest duration that anything here may ask for.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// How many digits after the point are kept.
const DIGITS: usize = 9;
/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no {kind}: {why}; write it like {example}")]
pub struct QuantityError {
    text: String,
    kind: &'static str,
    why: &'static str,
    example: &'static str,
}

/// A ratio, or a number of seconds, in whole billionths: what people write fits exactly, and what is measured is
/// compared in the same precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Billionths(u128);

impl Billionths {
    /// A measured number, rounded; `None` for what is no amount: NaN, infinite or negative.
    pub fn measured(value: f64) -> Option<Self> {
        // A duration counts billionths of a second, and its conversion from floats is total: no cast is needed.
        Duration::try_from_secs_f64(value).ok().map(Self::of)
    }

    /// A duration, in seconds.
    pub const fn of(duration: Duration) -> Self {
        Self(duration.as_nanos())
    }
}

impl fmt::Display for Billionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % 1_000_000_000);
        let fraction = fraction.trim_end_matches('0');
        let whole = self.0 / 1_000_000_000;
        if fraction.is_empty() {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{fraction}")
        }
    }
}

/// Reads a duration such as `500ms`, `10s`, `1h30m`; zero is one.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let fail = |why| QuantityError {
        text: excerpt(text),
        kind: "duration",
        why,
        example: "`500ms`, `10s`, `1m`, `2h` or `7d`",
    };
    if text.is_empty() {
        return Err(fail("it is empty"));
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| !c.is_ascii_digit());
        rest = after;
        let number: u64 = match number {
            "" => return Err(fail("a unit stands without a whole number")),
            digits => digits.parse().map_err(|_| fail("it is too long"))?,
        };
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(fail(if unit.is_empty() {
                "the unit is missing"
            } else {
                "the unit is unknown"
            }));
        }
        let Some((_, size)) = units.find(|(name, _)| *name == unit) else {
            return Err(fail(
                "units stand from the longest to the shortest, each once",
            ));
        };
        millis = number
            .checked_mul(*size)
            .and_then(|n| millis.checked_add(n))
            .ok_or_else(|| fail("it is too long"))?;
    }
    let duration = Duration::from_millis(millis);
    if duration > LONGEST {
        Err(fail("it is longer than 366d"))
    } else {
        Ok(duration)
    }
}

/// Reads a duration that is longer than zero.
pub fn span(text: &str) -> Result<Duration, QuantityError> {
    let duration = duration(text)?;
    if duration.is_zero() {
        let (kind, example) = ("span of time", "`500ms`, `10s` or `1m`");
        return Err(QuantityError {
            text: excerpt(text),
            kind,
            why: "it is zero",
            example,
        });
    }
    Ok(duration)
}

/// Reads a ratio of at least 0 and less than 1, such as `0.0005`.
pub fn ratio(text: &str) -> Result<Billionths, QuantityError> {
    let fail = |why| QuantityError {
        text: excerpt(text),
        kind: "ratio",
        why,
        example: "`0.01` (one in a hundred) or `0.0005`",
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(fail("no digit follows the point")),
        Some(parts) => parts,
        None => (text, "0"),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return Err(fail("it is not written as plain decimal digits"));
    }
    if whole.bytes().any(|b| b != b'0') {
        return Err(fail("a share of 1 or more is never exceeded"));
    }
    if fraction.len() > DIGITS {
        return Err(fail("more than 9 digits follow the point"));
    }
    let digits = format!("{fraction:0<DIGITS$}");
    digits
        .parse()
        .map(Billionths)
        .map_err(|_| fail("it is not written as plain decimal digits"))
}

/// Splits off the longest beginning whose characters all match.
fn split(text: &str, matches: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !matches(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Enough of a text to recognise it, without what a terminal would obey.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        let cases = [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("1m1ms"), Ok(Duration::from_millis(60_001)));
    }

    #[test]
    fn a_wrong_duration_says_what_is_wrong_and_shows_a_right_one() {
        let cases = [
            ("", "it is empty"),
            ("10", "the unit is missing"),
            ("s", "a unit stands without a whole number"),
            ("-5s", "a unit stands without a whole number"),
            ("1.5h", "the unit is unknown"),
            ("10 s", "the unit is unknown"),
            ("5M", "the unit is unknown"),
            (
                "1m1h",
                "units stand from the longest to the shortest, each once",
            ),
            (
                "1m1m",
                "units stand from the longest to the shortest, each once",
            ),
            ("99999999999999999999d", "it is too long"),
            ("9999999999999999d", "it is too long"),
            ("367d", "it is longer than 366d"),
        ];
        for (text, why) in cases {
            let error = duration(text).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("`10s`"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_span_is_never_zero() {
        assert_eq!(span("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(
            span("0s").unwrap_err().to_string(),
            "`0s` is no span of time: it is zero; write it like `500ms`, `10s` or `1m`"
        );
    }

    #[test]
    fn ratios_are_read_exactly() {
        for (text, billionths) in [
            ("0", 0),
            ("0.01", 10_000_000),
            ("0.0005", 500_000),
            ("0.000000001", 1),
            ("00.5", 500_000_000),
        ] {
            assert_eq!(ratio(text), Ok(Billionths(billionths)), "{text}");
        }
    }

    #[test]
    fn a_wrong_ratio_says_what_is_wrong_and_shows_a_right_one() {
        let cases = [
            ("", "plain decimal digits"),
            ("1%", "plain decimal digits"),
            (".5", "plain decimal digits"),
            ("1e-3", "plain decimal digits"),
            ("-0.1", "plain decimal digits"),
            ("0,1", "plain decimal digits"),
            ("0.", "no digit follows the point"),
            ("1", "never exceeded"),
            ("1.0", "never exceeded"),
            ("0.0000000001", "more than 9 digits"),
        ];
        for (text, why) in cases {
            let error = ratio(text).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("`0.01`"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_not_measured() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, f64::MAX] {
            assert_eq!(Billionths::measured(value), None, "{value}");
        }
    }

    #[test]
    fn a_value_that_equals_its_limit_but_for_rounding_does_not_exceed_it() {
        assert!(
            Billionths::measured(1.034_482_758_620_689_7 / 103.448_275_862_068_97)
                <= ratio("0.01").ok()
        );
        assert!(Billionths::measured(0.010_001) > ratio("0.01").ok());
        assert_eq!(
            Billionths::measured(0.5),
            Some(Billionths::of(Duration::from_millis(500)))
        );
    }

    #[test]
    fn billionths_are_shown_as_a_plain_decimal() {
        for (value, shown) in [
            (0, "0"),
            (10_000_000, "0.01"),
            (1_500_000_000, "1.5"),
            (2_000_000_000, "2"),
        ] {
            assert_eq!(Billionths(value).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn a_shown_ratio_reads_back_as_itself(billionths in 0_u128..1_000_000_000) {
            prop_assert_eq!(ratio(&Billionths(billionths).to_string()), Ok(Billionths(billionths)));
        }

        #[test]
        fn no_text_breaks_the_parsers(text in ".{0,40}") {
            let _ = (duration(&text), ratio(&text));
        }
    }
}
