//! Calendar: which stretches of time are meant, once or again and again, and is one of them now?
//!
//! A recurring stretch begins when its cron expression says so, on the clock of its IANA zone, and lasts as long as its
//! duration: an hour that the clock skips or repeats there neither shortens nor doubles it. One code for freezes and
//! for recurring windows. Does not know what is frozen or opened.

use std::str::FromStr as _;
use std::time::Duration;

use croner::Cron;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::tz::TimeZone;

use super::quantity;
use crate::api::calendar::Recurrence;

/// The longest that one occurrence may last: longer is no recurrence any more.
const LONGEST: Duration = Duration::from_hours(31 * 24);
/// How many occurrences that run into each other are followed to tell when they end.
const FOLLOWED: usize = 64;

/// How far ahead windows are looked at.
const YEAR: Duration = Duration::from_hours(366 * 24);
/// How many openings and closings are looked at.
const EXAMINED: usize = 1024;

/// A stretch of time.
#[derive(Clone, Debug)]
pub enum Stretch {
    /// From one time until before another.
    Once {
        /// When it begins.
        from: Timestamp,
        /// When it is over.
        until: Timestamp,
    },
    /// Again and again.
    Recurring(Box<Recurring>),
}

/// A stretch that comes again.
#[derive(Clone, Debug)]
pub struct Recurring {
    wire: Recurrence,
    cron: Cron,
    duration: Duration,
    zone: TimeZone,
}

impl Recurring {
    /// Reads a recurrence; says what is wrong with it.
    pub fn parse(wire: &Recurrence) -> Result<Self, String> {
        let cron = Cron::from_str(&wire.cron)
            .map_err(|why| format!("cron `{}` cannot be read: {why}", wire.cron))?;
        let duration = quantity::duration(&wire.duration)
            .map_err(|why| format!("duration `{}` cannot be read: {why}", wire.duration))?;
        if duration.is_zero() || duration > LONGEST {
            return Err(format!(
                "duration `{}` must be more than nothing and at most 744h",
                wire.duration
            ));
        }
        let zone = wire.zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("zone `{zone}` is no IANA time zone; write one such as `Europe/Berlin`")
        })?;
        let read = Self {
            wire: wire.clone(),
            cron,
            duration,
            zone,
        };
        match read.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(read),
            None => Err(format!("cron `{}` never comes", wire.cron)),
        }
    }

    /// The end of the occurrence that `now` lies in, of those that run into each other the last one's.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        let zoned = now.to_zoned(self.zone.clone());
        let began = self.cron.find_previous_occurrence(&zoned, true).ok()?;
        let mut end = began.timestamp().checked_add(self.duration).ok()?;
        if end <= now {
            return None;
        }
        for _ in 0..FOLLOWED {
            let at_end = end.to_zoned(self.zone.clone());
            let last = self.cron.find_previous_occurrence(&at_end, true).ok()?;
            let later = last.timestamp().checked_add(self.duration).ok()?;
            if later <= end {
                break;
            }
            end = later;
        }
        Some(end)
    }

    /// When the next occurrence begins, after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let zoned = now.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&zoned, false).ok()?;
        Some(next.timestamp())
    }
}

/// Two are the same when they are written so.
impl PartialEq for Recurring {
    fn eq(&self, other: &Self) -> bool {
        self.wire == other.wire
    }
}

impl Stretch {
    /// When it is over, if it is now.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= now && now < *until).then_some(*until),
            Self::Recurring(recurring) => recurring.ends(now),
        }
    }

    /// When it begins next, after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, .. } => Some(*from).filter(|from| *from > now),
            Self::Recurring(recurring) => recurring.next(now),
        }
    }
}

/// What windows that open again and again say of a moment; without any it is always open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// No window narrows it.
    Always,
    /// Open until then.
    Until(Timestamp),
    /// Closed; opens then, if ever again.
    From(Option<Timestamp>),
}

/// Whether one of the windows is open.
pub fn opening(windows: &[Recurring], now: Timestamp) -> Opening {
    if windows.is_empty() {
        return Opening::Always;
    }
    let ends = windows.iter().filter_map(|window| window.ends(now)).max();
    let next = || windows.iter().filter_map(|window| window.next(now)).min();
    ends.map_or_else(|| Opening::From(next()), Opening::Until)
}

/// The longest time from one opening to the next in the year from `now`; `None`: they never open again.
pub fn longest_closed(windows: &[Recurring], now: Timestamp) -> Option<Duration> {
    let (mut at, mut longest) = (now, Duration::ZERO);
    let horizon = now.checked_add(YEAR).unwrap_or(now);
    for _ in 0..EXAMINED {
        match opening(windows, at) {
            Opening::Until(end) => at = end,
            Opening::From(Some(next)) => {
                let closed = Duration::try_from(next.duration_since(at)).unwrap_or_default();
                longest = longest.max(closed);
                at = next;
            }
            Opening::From(None) => return None,
            Opening::Always => break,
        }
        if at > horizon {
            break;
        }
    }
    Some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn recurring(cron: &str, duration: &str, zone: &str) -> Result<Recurring, String> {
        Recurring::parse(&Recurrence {
            cron: cron.into(),
            duration: duration.into(),
            zone: Some(zone.into()),
        })
    }

    #[test]
    fn a_window_is_open_from_its_beginning_until_before_its_end() {
        let night = recurring("0 22 * * *", "4h", "UTC").unwrap();
        for (now, ends) in [
            ("2026-11-25T21:59:59Z", None),
            ("2026-11-25T22:00:00Z", Some("2026-11-26T02:00:00Z")),
            ("2026-11-26T01:59:59Z", Some("2026-11-26T02:00:00Z")),
            ("2026-11-26T02:00:00Z", None),
        ] {
            assert_eq!(night.ends(at(now)), ends.map(at), "{now}");
        }
        assert_eq!(
            night.next(at("2026-11-26T02:00:00Z")),
            Some(at("2026-11-26T22:00:00Z"))
        );
    }

    #[test]
    fn the_clock_is_the_zones_and_a_changed_clock_neither_shortens_nor_doubles() {
        let evening = recurring("0 18 * * *", "2h", "Europe/Berlin").unwrap();
        // In summer at 16:00, in winter at 17:00 of UTC.
        assert!(evening.ends(at("2026-07-01T16:30:00Z")).is_some());
        assert!(evening.ends(at("2026-12-01T16:30:00Z")).is_none());
        // 2:30 comes twice on 25 October 2026, and not at all on 29 March.
        let night = recurring("30 2 * * *", "1h", "Europe/Berlin").unwrap();
        let ends = night.ends(at("2026-10-25T00:45:00Z"));
        assert_eq!(ends, Some(at("2026-10-25T01:30:00Z")));
        let skipped = night.next(at("2026-03-28T12:00:00Z")).unwrap();
        assert!(
            skipped > at("2026-03-29T00:00:00Z") && skipped < at("2026-03-30T02:00:00Z"),
            "{skipped}"
        );
    }

    #[test]
    fn windows_that_run_into_each_other_end_together() {
        let always = recurring("0 * * * *", "90m", "UTC").unwrap();
        let ends = always.ends(at("2026-11-25T10:10:00Z")).unwrap();
        assert!(ends > at("2026-11-27T00:00:00Z"), "{ends}");
    }

    #[test]
    fn a_mistake_says_what_is_wrong() {
        for (cron, duration, zone, told) in [
            ("every day", "1h", "UTC", "cron `every day`"),
            ("0 1 * * *", "soon", "UTC", "duration `soon`"),
            ("0 1 * * *", "0s", "UTC", "must be more than nothing"),
            ("0 1 * * *", "1000h", "UTC", "at most"),
            (
                "0 1 * * *",
                "1h",
                "Middle/Earth",
                "`Middle/Earth` is no IANA",
            ),
            ("0 0 31 2 *", "1h", "UTC", "never comes"),
        ] {
            let why = recurring(cron, duration, zone).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn the_longest_time_between_two_openings_is_found() {
        let now = at("2026-11-25T12:00:00Z");
        let longest = |windows: &[Recurring]| longest_closed(windows, now).map(|d| d.as_secs());
        let nightly = recurring("0 22 * * *", "4h", "UTC").unwrap();
        assert_eq!(longest(std::slice::from_ref(&nightly)), Some(20 * 3600));
        let weekdays = recurring("0 9 * * MON-FRI", "8h", "UTC").unwrap();
        // From Friday 17:00 to Monday 9:00.
        assert_eq!(longest(std::slice::from_ref(&weekdays)), Some(64 * 3600));
        assert_eq!(longest(&[nightly, weekdays]), Some(20 * 3600));
        assert_eq!(longest(&[]), Some(0));
    }

    #[test]
    fn a_stretch_tells_when_it_begins_next() {
        let once = Stretch::Once {
            from: at("2026-12-20T00:00:00Z"),
            until: at("2027-01-04T06:00:00Z"),
        };
        assert_eq!(
            once.next(at("2026-11-25T12:00:00Z")),
            Some(at("2026-12-20T00:00:00Z"))
        );
        assert_eq!(once.next(at("2026-12-20T00:00:00Z")), None);
    }

    #[test]
    fn of_several_windows_the_open_one_counts_and_else_the_next() {
        let windows = [
            recurring("0 9 * * *", "1h", "UTC").unwrap(),
            recurring("0 15 * * *", "1h", "UTC").unwrap(),
        ];
        let at_noon = opening(&windows, at("2026-11-25T12:00:00Z"));
        assert_eq!(at_noon, Opening::From(Some(at("2026-11-25T15:00:00Z"))));
        let at_nine = opening(&windows, at("2026-11-25T09:30:00Z"));
        assert_eq!(at_nine, Opening::Until(at("2026-11-25T10:00:00Z")));
        assert_eq!(opening(&[], at("2026-11-25T09:30:00Z")), Opening::Always);
    }
}
