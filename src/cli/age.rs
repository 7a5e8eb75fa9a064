//! How long ago, and how long from now, in the few characters kubectl uses.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// The age of something made at `since`, or `<unknown>`.
pub(super) fn age(since: Option<&Time>, now: Timestamp) -> String {
    since.map_or_else(
        || "<unknown>".to_owned(),
        |time| span(now.as_second() - time.0.as_second()),
    )
}

/// A span of seconds in its two largest units at most: `14m`, `3h20m`, `2d`.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=3599 => format!("{minutes}m"),
        3600..=86_399 if minutes % 60 == 0 => format!("{hours}h"),
        3600..=86_399 => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d"),
    }
}

/// How far `time` lies ahead or back: `in 1h15m`, `3m ago`.
pub(super) fn distance(time: &Time, now: Timestamp) -> String {
    let ahead = time.0.as_second() - now.as_second();
    if ahead >= 0 {
        format!("in {}", span(ahead))
    } else {
        format!("{} ago", span(-ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_short_as_kubectls() {
        let spans = [
            (0, "0s"),
            (119, "119s"),
            (840, "14m"),
            (3600, "1h"),
            (12_000, "3h20m"),
            (200_000, "2d"),
        ];
        for (seconds, text) in spans {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_time_ahead_and_a_time_back_are_told_apart() {
        let now: Timestamp = "2026-11-21T21:15:00Z".parse().unwrap();
        let time = |text: &str| Time(text.parse().unwrap());
        assert_eq!(distance(&time("2026-11-21T22:30:00Z"), now), "in 1h15m");
        assert_eq!(distance(&time("2026-11-21T21:12:00Z"), now), "3m ago");
    }

    #[test]
    fn what_has_no_time_has_an_unknown_age() {
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
