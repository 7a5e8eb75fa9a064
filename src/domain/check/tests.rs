//! What a check is read as, and that every mistake is told with its field.

use super::*;

fn wire() -> Check {
    serde_json::from_value(serde_json::json!({
        "name": "error-rate",
        "signal": "ErrorRate",
        "query": "sum by (namespace, workload) (increase(http_requests_total{code=~\"5..\"}[{{ window }}]))",
        "total": "sum by (namespace, workload) (increase(http_requests_total[{{ window }}]))",
        "max": "0.01",
    }))
    .expect("a check of required fields alone")
}

fn mistakes(check: &Check) -> Vec<&'static str> {
    GuardCheck::parse(check)
        .err()
        .unwrap_or_default()
        .iter()
        .map(|error| error.field)
        .collect()
}

#[test]
fn a_check_without_options_has_the_documented_defaults() {
    let rules = GuardCheck::parse(&wire()).expect("a good check").rules;
    let expected = CheckRules {
        signal: Signal::ErrorRate,
        max: quantity::ratio("0.01").expect("a ratio"),
        window: Duration::from_mins(1),
        interval: Duration::from_secs(10),
        scrape_interval: Duration::from_secs(15),
        failure_limit: 0,
        min_samples: Some(20),
        unknown_deadline: Duration::from_mins(5),
        on_breach: Remedy::RollBack,
        on_unknown: Remedy::Hold,
    };
    assert_eq!(rules, expected);
}

#[test]
fn the_queries_are_about_the_watched_namespaces() {
    let check = GuardCheck::parse(&wire()).expect("a good check");
    let resolved = check
        .about(&BTreeSet::from(["shop".to_owned()]))
        .expect("resolved");
    assert!(resolved.value.contains(r#"namespace=~"shop""#));
    assert!(
        resolved
            .total
            .is_some_and(|total| total.contains(r#"namespace=~"shop""#))
    );
    let fresh =
        r#"max by (namespace, workload) (timestamp(http_requests_total{namespace=~"shop"}))"#;
    assert_eq!(resolved.freshness, BTreeSet::from([fresh.to_owned()]));
}

#[test]
fn every_mistake_is_told_at_once() {
    let check = Check {
        max: "1%".into(),
        interval: "often".into(),
        scrape_interval: "0s".into(),
        unknown_deadline: "5".into(),
        failure_limit: -1,
        ..wire()
    };
    assert_eq!(
        mistakes(&check),
        [
            "max",
            "interval",
            "scrapeInterval",
            "unknownDeadline",
            "failureLimit"
        ]
    );
    let check = Check {
        query: "sum(x".into(),
        total: None,
        max: "2".into(),
        namespace_label: "name space".into(),
        ..wire()
    };
    assert_eq!(
        mistakes(&check),
        ["max", "namespaceLabel", "query", "total"]
    );
}

#[test]
fn both_labels_are_two_labels() {
    assert_eq!(
        mistakes(&Check {
            workload_label: "namespace".into(),
            ..wire()
        })
        .first(),
        Some(&"workloadLabel")
    );
}

#[test]
fn a_window_holds_at_least_two_scrapes() {
    assert_eq!(
        mistakes(&Check {
            window: "29s".into(),
            ..wire()
        }),
        ["window"]
    );
    assert!(
        mistakes(&Check {
            window: "30s".into(),
            ..wire()
        })
        .is_empty()
    );
}

#[test]
fn a_check_is_asked_at_most_once_a_second() {
    assert_eq!(
        mistakes(&Check {
            interval: "999ms".into(),
            ..wire()
        }),
        ["interval"]
    );
}

#[test]
fn a_latency_is_limited_by_a_duration_and_needs_no_total() {
    let latency = Check {
        signal: Signal::Latency,
        query: "histogram_quantile(0.99, sum by (namespace, workload, le) (rate(b[{{ window }}])))"
            .into(),
        total: None,
        max: "500ms".into(),
        ..wire()
    };
    let check = GuardCheck::parse(&latency).expect("a good check");
    assert_eq!(
        (
            check.rules.max.to_string().as_str(),
            check.rules.min_samples
        ),
        ("0.5", None)
    );
    assert_eq!(
        mistakes(&Check {
            max: "0.5".into(),
            ..latency.clone()
        }),
        ["max"]
    );
    assert_eq!(
        mistakes(&Check {
            min_samples: Some(5),
            ..latency
        }),
        ["minSamples"]
    );
}

#[test]
fn checks_that_differ_in_their_limit_alone_are_asked_once() {
    let check = GuardCheck::parse(&wire()).expect("a good check");
    let stricter = GuardCheck::parse(&Check {
        max: "0.001".into(),
        ..wire()
    })
    .expect("a good check");
    let wider = GuardCheck::parse(&Check {
        window: "2m".into(),
        ..wire()
    })
    .expect("a good check");
    assert!(check.asks_like(&stricter));
    assert!(!check.asks_like(&wider));
}
