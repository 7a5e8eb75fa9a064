//! Verdicts from readings, and what follows from them, poll by poll.

use super::*;
use crate::domain::quantity;
use crate::domain::reading::instant;
use proptest::prelude::*;

const START: f64 = 1_000_000.0;
/// The first poll whose window lies after the change: window and scrape interval are 75 s together.
const DUE: f64 = START + 75.0;

fn at(seconds: f64) -> Timestamp {
    instant(seconds).expect("an instant")
}

fn rules() -> CheckRules {
    CheckRules {
        signal: Signal::ErrorRate,
        max: quantity::ratio("0.01").expect("a ratio"),
        window: Duration::from_mins(1),
        interval: Duration::from_secs(10),
        scrape_interval: Duration::from_secs(15),
        failure_limit: 0,
        min_samples: Some(20),
        unknown_deadline: Duration::from_mins(1),
        on_breach: Remedy::RollBack,
        on_unknown: Remedy::RollBack,
    }
}

fn reading(observed: Observed, now: f64) -> Reading {
    let (sampled, evaluated) = (instant(now - 5.0), instant(now));
    Reading {
        observed,
        total: Some(100.0),
        sampled,
        evaluated,
        note: String::new(),
    }
}

fn started() -> Memory {
    Memory::new(at(START), false)
}

/// Folds one poll every ten seconds, from the moment at which the first verdict falls due.
fn polled(memory: Memory, rules: &CheckRules, observed: &[Observed]) -> Memory {
    let mut now = DUE;
    observed.iter().fold(memory, |memory, observed| {
        let next = fold(memory, &reading(*observed, now), rules, at(now));
        now += 10.0;
        next
    })
}

const GOOD: Observed = Observed::Value(0.001);
const BAD: Observed = Observed::Value(0.5);

#[test]
fn a_reading_is_judged_by_itself() {
    let cases = [
        (Observed::Value(0.01), Verdict::Healthy),
        (Observed::Value(0.0101), Verdict::Breached),
        (Observed::Value(f64::NAN), Verdict::Unknown(Why::NotNumber)),
        (
            Observed::Value(f64::INFINITY),
            Verdict::Unknown(Why::NotNumber),
        ),
        (Observed::Value(-1.0), Verdict::Unknown(Why::NotNumber)),
        (Observed::Missing, Verdict::Unknown(Why::Missing)),
        (
            Observed::SeveralSeries,
            Verdict::Unknown(Why::SeveralSeries),
        ),
        (Observed::QueryError, Verdict::Unknown(Why::QueryError)),
        (Observed::PartialData, Verdict::Unknown(Why::PartialData)),
        (Observed::SourceDown, Verdict::Unknown(Why::SourceDown)),
    ];
    for (observed, verdict) in cases {
        assert_eq!(
            assess(&reading(observed, DUE), &rules()),
            verdict,
            "{observed:?}"
        );
    }
}

#[test]
fn one_error_in_three_requests_is_no_breach() {
    for total in [Some(3.0), Some(19.9), Some(f64::NAN), None] {
        let few = Reading {
            total,
            ..reading(Observed::Value(0.33), DUE)
        };
        assert_eq!(
            assess(&few, &rules()),
            Verdict::Unknown(Why::TooFewRequests),
            "{total:?}"
        );
    }
    let enough = Reading {
        total: Some(20.0),
        ..reading(Observed::Value(0.33), DUE)
    };
    assert_eq!(assess(&enough, &rules()), Verdict::Breached);
}

#[test]
fn no_request_at_all_is_too_few_before_it_is_no_number() {
    let none = Reading {
        total: Some(0.0),
        ..reading(Observed::Value(f64::NAN), DUE)
    };
    assert_eq!(
        assess(&none, &rules()),
        Verdict::Unknown(Why::TooFewRequests)
    );
}

#[test]
fn a_sample_older_than_three_scrapes_is_stale() {
    let aged = |age| Reading {
        sampled: instant(DUE - age),
        ..reading(GOOD, DUE)
    };
    assert_eq!(assess(&aged(45.0), &rules()), Verdict::Healthy);
    assert_eq!(assess(&aged(45.1), &rules()), Verdict::Unknown(Why::Stale));
    let never = Reading {
        sampled: None,
        ..reading(GOOD, DUE)
    };
    assert_eq!(assess(&never, &rules()), Verdict::Unknown(Why::Stale));
}

#[test]
fn nothing_is_judged_before_the_window_lies_after_the_change() {
    let early = fold(started(), &reading(BAD, DUE - 0.1), &rules(), at(DUE - 0.1));
    assert_eq!(early.verdict(), Verdict::Unknown(Why::TooEarly));
    assert_eq!(consequence(&early, &rules()), Consequence::Wait);
    assert_eq!(
        fold(early, &reading(BAD, DUE), &rules(), at(DUE)).verdict(),
        Verdict::Breached
    );
}

#[test]
fn a_clock_of_prometheus_that_lags_does_not_let_the_past_be_judged() {
    let lagging = fold(started(), &reading(BAD, DUE - 30.0), &rules(), at(DUE));
    assert_eq!(lagging.verdict(), Verdict::Unknown(Why::TooEarly));
    let leading = fold(
        started(),
        &reading(BAD, DUE + 30.0),
        &rules(),
        at(DUE - 30.0),
    );
    assert_eq!(leading.verdict(), Verdict::Unknown(Why::TooEarly));
}

#[test]
fn the_first_breach_rolls_back_with_the_reason_of_its_signal() {
    let memory = polled(started(), &rules(), &[GOOD, BAD]);
    assert_eq!(
        consequence(&memory, &rules()),
        Consequence::RollBack(RevocationReason::SafetyViolation)
    );
    let latency = CheckRules {
        signal: Signal::Latency,
        ..rules()
    };
    assert_eq!(
        consequence(&memory, &latency),
        Consequence::RollBack(RevocationReason::PerformanceDegradation)
    );
}

#[test]
fn a_breach_holds_where_the_template_says_so() {
    let rules = CheckRules {
        on_breach: Remedy::Hold,
        ..rules()
    };
    let memory = polled(started(), &rules, &[BAD]);
    assert_eq!(
        consequence(&memory, &rules),
        Consequence::Hold(HoldReason::Breached)
    );
}

#[test]
fn a_breach_stays_a_breach_when_the_value_recovers_or_the_source_goes() {
    for then in [GOOD, Observed::SourceDown, Observed::Missing] {
        assert_eq!(
            polled(started(), &rules(), &[BAD, then]).verdict(),
            Verdict::Breached,
            "{then:?}"
        );
    }
}

#[test]
fn failures_up_to_the_limit_are_tolerated_and_are_not_health() {
    let rules = CheckRules {
        failure_limit: 2,
        ..rules()
    };
    let tolerated = polled(started(), &rules, &[BAD, GOOD, BAD]);
    assert_eq!(tolerated.verdict(), Verdict::Unknown(Why::Tolerated));
    assert_eq!(consequence(&tolerated, &rules), Consequence::Wait);
    assert_eq!(
        polled(started(), &rules, &[BAD, GOOD, BAD, GOOD]).verdict(),
        Verdict::Healthy
    );
    assert_eq!(
        polled(started(), &rules, &[BAD, GOOD, BAD, GOOD, BAD]).verdict(),
        Verdict::Breached
    );
}

#[test]
fn one_sample_seen_twice_is_one_failure() {
    let rules = CheckRules {
        failure_limit: 1,
        ..rules()
    };
    let bad = reading(BAD, DUE);
    let twice = fold(
        fold(started(), &bad, &rules, at(DUE)),
        &bad,
        &rules,
        at(DUE + 1.0),
    );
    assert_eq!(twice.verdict(), Verdict::Unknown(Why::Tolerated));
}

#[test]
fn what_was_broken_before_the_change_is_held_never_rolled_back() {
    let before = Memory::new(at(START), true);
    let held = Consequence::Hold(HoldReason::BreachedBefore);
    assert_eq!(
        consequence(&polled(before.clone(), &rules(), &[BAD]), &rules()),
        held
    );
    assert_eq!(
        consequence(&polled(before.clone(), &rules(), &[GOOD, BAD]), &rules()),
        held
    );
    let missing = polled(before, &rules(), &[Observed::Missing; 7]);
    assert_eq!(
        consequence(&missing, &rules()),
        Consequence::Hold(HoldReason::Unknown(Why::Missing))
    );
}

#[test]
fn series_missing_until_the_deadline_do_what_the_template_says() {
    let waiting = polled(started(), &rules(), &[Observed::Missing; 6]);
    assert_eq!(consequence(&waiting, &rules()), Consequence::Wait);
    let missing = polled(started(), &rules(), &[Observed::Missing; 7]);
    assert_eq!(
        consequence(&missing, &rules()),
        Consequence::RollBack(RevocationReason::SafetyViolation)
    );
    let hold = CheckRules {
        on_unknown: Remedy::Hold,
        ..rules()
    };
    assert_eq!(
        consequence(&missing, &hold),
        Consequence::Hold(HoldReason::Unknown(Why::Missing))
    );
}

#[test]
fn what_cannot_be_judged_for_another_reason_holds_whatever_the_template_says() {
    for observed in [
        Observed::QueryError,
        Observed::PartialData,
        Observed::SeveralSeries,
        Observed::Value(f64::NAN),
    ] {
        let memory = polled(started(), &rules(), &[observed; 7]);
        assert!(
            matches!(
                consequence(&memory, &rules()),
                Consequence::Hold(HoldReason::Unknown(_))
            ),
            "{observed:?}"
        );
    }
}

#[test]
fn series_that_were_missing_only_at_the_end_do_not_roll_back() {
    let mut polls = vec![Observed::QueryError; 6];
    polls.extend([Observed::Missing; 2]);
    let memory = polled(started(), &rules(), &polls);
    assert_eq!(
        consequence(&memory, &rules()),
        Consequence::Hold(HoldReason::Unknown(Why::Missing))
    );
}

#[test]
fn a_source_that_is_down_waits_however_long_and_rolls_nothing_back() {
    let down = polled(started(), &rules(), &[Observed::SourceDown; 1000]);
    assert_eq!(consequence(&down, &rules()), Consequence::Wait);
    assert_eq!(
        polled(started(), &rules(), &[Observed::SourceDown, GOOD]).verdict(),
        Verdict::Healthy
    );
}

#[test]
fn a_source_that_comes_back_without_series_is_given_the_time_to_see_them_again() {
    let mut polls = vec![GOOD, Observed::SourceDown];
    polls.extend([Observed::Missing; 7]);
    let recovering = polled(started(), &rules(), &polls);
    assert_eq!(
        recovering.verdict(),
        Verdict::Unknown(Why::Recovering),
        "and no soak either"
    );
    polls.push(Observed::Missing);
    let missing = polled(started(), &rules(), &polls);
    assert_eq!(missing.verdict(), Verdict::Unknown(Why::Missing));
    polls.extend([Observed::SourceDown, GOOD]);
    let healthy = polled(started(), &rules(), &polls);
    assert_eq!(healthy.verdict(), Verdict::Healthy);
}

#[test]
fn an_outage_neither_counts_towards_the_deadline_nor_is_forgiven() {
    let mut polls = vec![Observed::Missing; 4];
    polls.extend([Observed::SourceDown; 50]);
    // Seven polls until the window is filled again: a source that was started anew has no series yet.
    polls.extend([Observed::Missing; 7]);
    polls.extend([Observed::Missing; 3]);
    let waiting = polled(started(), &rules(), &polls);
    assert_eq!(consequence(&waiting, &rules()), Consequence::Wait);
    polls.push(Observed::Missing);
    let missing = polled(started(), &rules(), &polls);
    assert_eq!(
        consequence(&missing, &rules()),
        Consequence::RollBack(RevocationReason::SafetyViolation)
    );
}

#[test]
fn health_starts_the_deadline_anew() {
    let mut polls = vec![Observed::Missing; 6];
    polls.push(GOOD);
    polls.extend([Observed::Missing; 6]);
    assert_eq!(
        consequence(&polled(started(), &rules(), &polls), &rules()),
        Consequence::Wait
    );
}

#[test]
fn time_in_which_nobody_polled_does_not_run_down_the_deadline() {
    let missing = |memory, now| fold(memory, &reading(Observed::Missing, now), &rules(), at(now));
    let memory = missing(missing(started(), DUE), DUE + 3600.0);
    assert_eq!(consequence(&memory, &rules()), Consequence::Wait);
}

#[test]
fn a_summary_has_the_smallest_and_largest_judged_value() {
    let memory = polled(
        started(),
        &rules(),
        &[
            Observed::Value(0.002),
            GOOD,
            Observed::Missing,
            Observed::Value(0.003),
        ],
    );
    let shown = |value: Option<Billionths>| value.map(|value| value.to_string());
    let summary = memory.summary;
    assert_eq!(
        (shown(summary.min), shown(summary.max), summary.count),
        (Some("0.001".into()), Some("0.003".into()), 3)
    );
}

#[test]
fn the_words_of_a_verdict_have_its_numbers() {
    let bad = reading(BAD, DUE);
    assert_eq!(
        describe(Verdict::Breached, &bad, &rules()),
        "0.5 of 100 requests is over 0.01"
    );
    assert_eq!(
        describe(Verdict::Healthy, &reading(GOOD, DUE), &rules()),
        "0.001 of 100 requests is within 0.01"
    );
    assert_eq!(
        describe(Verdict::Breached, &reading(GOOD, DUE), &rules()),
        "it was over 0.01 in this execution"
    );
    let few = Reading {
        total: Some(3.0),
        ..bad
    };
    let verdict = assess(&few, &rules());
    assert_eq!(
        describe(verdict, &few, &rules()),
        "too few requests: 3 of 20 in 1m"
    );
    let failed = Reading {
        note: "bad_data".into(),
        ..reading(Observed::QueryError, DUE)
    };
    assert_eq!(
        describe(Verdict::Unknown(Why::QueryError), &failed, &rules()),
        "Prometheus refused the query: bad_data"
    );
    let stale = describe(Verdict::Unknown(Why::Stale), &reading(GOOD, DUE), &rules());
    assert_eq!(stale, "stale: last sampled 1970-01-12T13:47:50Z");
    assert_eq!(shown_value(&failed), None);
}

#[test]
fn the_soak_runs_between_healthy_polls_alone() {
    let gap = Duration::from_secs(30);
    let polls = [
        (0.0, Verdict::Healthy),
        (10.0, Verdict::Healthy),
        (20.0, Verdict::Unknown(Why::SourceDown)),
        (30.0, Verdict::Healthy),
        (40.0, Verdict::Healthy),
        (50.0, Verdict::Breached),
        (60.0, Verdict::Healthy),
    ];
    let soak = polls.iter().fold(Soak::default(), |soak, (now, verdict)| {
        soak.advance(*verdict, at(START + now), gap)
    });
    assert_eq!(soak.healthy(), Duration::from_secs(20));
}

#[test]
fn the_soak_does_not_count_time_that_nobody_watched() {
    let gap = Duration::from_secs(30);
    let soak = Soak::recorded(Duration::from_secs(7));
    let soak = soak.advance(Verdict::Healthy, at(START), gap);
    assert_eq!(
        soak.healthy(),
        Duration::from_secs(7),
        "time since the record is not counted"
    );
    let soak = soak.advance(Verdict::Healthy, at(START + 3600.0), gap);
    assert_eq!(soak.healthy(), Duration::from_secs(37));
    let soak = soak.advance(Verdict::Healthy, at(START), gap);
    assert_eq!(
        soak.healthy(),
        Duration::from_secs(37),
        "a clock that goes back adds nothing"
    );
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Healthy),
        Just(Verdict::Breached),
        proptest::sample::select(vec![
            Why::TooEarly,
            Why::SourceDown,
            Why::NotNumber,
            Why::Stale,
            Why::Missing
        ])
        .prop_map(Verdict::Unknown),
    ]
}

fn observations() -> impl Strategy<Value = Observed> {
    prop_oneof![
        any::<f64>().prop_map(Observed::Value),
        Just(GOOD),
        Just(BAD),
        Just(Observed::Missing),
        Just(Observed::SourceDown),
        Just(Observed::QueryError),
    ]
}

proptest! {
    #[test]
    fn worst_of_is_a_lattice(a in verdicts(), b in verdicts(), c in verdicts()) {
        prop_assert_eq!(a.worst(b.worst(c)), a.worst(b).worst(c));
        prop_assert_eq!(a.worst(b), b.worst(a));
        prop_assert_eq!(a.worst(a), a);
        prop_assert_eq!(a.worst(Verdict::Healthy), a);
        prop_assert_eq!(a.worst(Verdict::Breached), Verdict::Breached);
    }

    #[test]
    fn only_a_measured_value_within_the_limit_is_healthy(polls in proptest::collection::vec(observations(), 1..20)) {
        let memory = polled(started(), &rules(), &polls);
        if memory.verdict() == Verdict::Healthy {
            let within = |o: &Observed| matches!(o, Observed::Value(value) if (0.0..0.010_000_001).contains(value));
            prop_assert!(polls.last().is_some_and(within));
        }
    }

    #[test]
    fn no_outage_ever_changes_what_follows_into_a_rollback(
        polls in proptest::collection::vec(observations(), 0..12),
        outage in 1_usize..200,
    ) {
        let before = consequence(&polled(started(), &rules(), &polls), &rules());
        let with_outage: Vec<Observed> =
            polls.iter().copied().chain(std::iter::repeat_n(Observed::SourceDown, outage)).collect();
        let after = consequence(&polled(started(), &rules(), &with_outage), &rules());
        let rolls_back = |c| matches!(c, Consequence::RollBack(_));
        prop_assert!(rolls_back(before) || !rolls_back(after));
    }
}
