//! What queries are refused, and that forcing a matcher changes nothing else.

use super::*;
use proptest::prelude::*;

const ERRORS: &str =
    r#"sum by (namespace, workload) (increase(http_requests_total{code=~"5.."}[{{ window }}]))"#;
const P99: &str = "histogram_quantile(0.99, sum by (namespace, workload, le) (rate(http_request_duration_seconds_bucket[{{ window }}])))";

fn terms(counts: bool) -> Terms<'static> {
    Terms {
        window: Duration::from_mins(1),
        namespace_label: "namespace",
        workload_label: "workload",
        counts,
    }
}

fn namespaces(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn refused(text: &str, counts: bool, because: &str) {
    let error = Query::parse(text, &terms(counts))
        .expect_err(text)
        .to_string();
    assert!(error.contains(because), "{text}: {error}");
}

#[test]
fn one_query_asks_about_all_namespaces_and_no_other() {
    let query = Query::parse(ERRORS, &terms(true)).expect("a good query");
    assert_eq!(
        query
            .about(&namespaces(&["shop", "pay"]))
            .expect("resolved"),
        r#"sum by (namespace, workload) (increase(http_requests_total{code=~"5..",namespace=~"pay|shop"}[1m]))"#
    );
}

#[test]
fn freshness_is_asked_of_each_different_selector() {
    let both = "sum by (namespace, workload) (rate(a[{{ window }}])) / sum by (namespace, workload) (rate(b[{{ window }}]) + rate(a[{{ window }}]))";
    let query = Query::parse(both, &terms(false)).expect("a good query");
    assert_eq!(
        query
            .freshness(&namespaces(&["shop"]))
            .expect("resolved")
            .into_iter()
            .collect::<Vec<_>>(),
        [
            r#"max by (namespace, workload) (timestamp(a{namespace=~"shop"}))"#,
            r#"max by (namespace, workload) (timestamp(b{namespace=~"shop"}))"#,
        ]
    );
}

#[test]
fn a_template_that_names_another_namespace_still_sees_only_the_watched_ones() {
    let text = r#"max by (namespace, workload) (p99_seconds{namespace="other"})"#;
    let query = Query::parse(text, &terms(false)).expect("a good query");
    assert_eq!(
        query.about(&namespaces(&["shop"])).expect("resolved"),
        r#"max by (namespace, workload) (p99_seconds{namespace="other",namespace=~"shop"})"#
    );
}

#[test]
fn nobody_to_ask_about_is_no_query() {
    let query = Query::parse(P99, &terms(false)).expect("a good query");
    assert_eq!(query.about(&BTreeSet::new()), Err(QueryError::NoNamespace));
    assert_eq!(
        query.freshness(&namespaces(&["", "shop"])),
        Err(QueryError::NoNamespace)
    );
}

#[test]
fn a_result_that_does_not_tell_workloads_apart_is_refused() {
    for text in [
        "sum(rate(a[{{ window }}]))",
        "sum by (namespace) (rate(a[{{ window }}]))",
        "sum by (namespace, workload, code) (rate(a[{{ window }}]))",
        "sum by (namespace, workload) (sum by (namespace) (rate(a[{{ window }}])))",
        "rate(a[{{ window }}])",
        "1 + 1",
        "histogram_quantile(0.99, sum by (namespace, workload, pod, le) (rate(a[{{ window }}])))",
    ] {
        refused(text, false, "needs exactly the labels namespace, workload");
    }
}

#[test]
fn whatever_evades_the_window_is_refused() {
    for (text, because) in [
        (
            "sum by (namespace, workload) (rate(a[5m]))",
            "a range of its own",
        ),
        (
            "sum by (namespace, workload) (rate(a[{{ window }}] offset 5m))",
            "`offset` or `@`",
        ),
        (
            "sum by (namespace, workload) (rate(a[{{ window }}] @ 0))",
            "`offset` or `@`",
        ),
        (
            "sum by (namespace, workload) (a offset -1h)",
            "`offset` or `@`",
        ),
        (
            "max by (namespace, workload) (max_over_time(a[{{ window }}:10s]))",
            "a subquery",
        ),
    ] {
        refused(text, false, because);
    }
}

#[test]
fn whatever_hides_moves_or_invents_series_is_refused() {
    for (text, because) in [
        (
            r#"sum by (namespace, workload) (a{x="1" or x="2"})"#,
            "`or` between matchers",
        ),
        ("sum by (namespace, workload) (a) > 5", "`>`"),
        (
            "sum by (namespace, workload) (a) or sum by (namespace, workload) (b)",
            "`or`",
        ),
        (
            "sum by (namespace, workload) (a) unless sum by (namespace, workload) (b)",
            "`unless`",
        ),
        (
            r#"sum by (namespace, workload) (label_replace(a, "namespace", "shop", "", ""))"#,
            "`label_replace`",
        ),
        ("sum by (namespace, workload) (vector(0))", "`vector`"),
        ("sum by (namespace, workload) (absent(a))", "`absent`"),
        ("topk by (namespace, workload) (1, a)", "`topk`"),
        ("sum without (pod) (a)", "`without`"),
        (
            "sum by (namespace, workload) (a * on (pod) group_left (workload) b)",
            "a join",
        ),
        (
            "quantile by (namespace, workload) (scalar(b), a)",
            "a computed parameter",
        ),
        (
            "sum by (namespace, workload) (clamp_max(a, 1 + 1))",
            "a computed parameter",
        ),
        (
            "sum by (namespace, workload) (a / sum by (namespace, workload) (a))",
            "two sides",
        ),
    ] {
        refused(text, false, because);
    }
}

#[test]
fn requests_are_counted_never_averaged() {
    refused(
        "sum by (namespace, workload) (rate(a[{{ window }}]))",
        true,
        "use `increase`",
    );
    refused("sum by (namespace, workload) (a)", true, "without a range");
}

#[test]
fn what_is_no_query_is_refused_with_the_place() {
    refused("sum by (namespace, workload", false, "not PromQL");
    refused("rate(a[{{ since }}])", false, "`since`");
    refused("rate(a[{{ window", false, "placeholder");
    refused(
        &format!("{}a{}", "(".repeat(200), ")".repeat(200)),
        false,
        "too large",
    );
    refused(&"-".repeat(1000), false, "too large");
    refused(&"a".repeat(2049), false, "too large");
    let many: Vec<String> = (0..5)
        .map(|n| format!("sum by (namespace, workload) (m{n})"))
        .collect();
    refused(&many.join(" + "), false, "too many different selectors");
}

#[test]
fn no_number_breaks_the_parser() {
    for number in [
        "1e999",
        "-1",
        "NaN",
        "Inf",
        "99999999999y",
        "0",
        "1e400",
        "0x1p99",
        "-1e300",
        "18446744073709551616",
    ] {
        for text in ["a[N]", "a offset N", "a @ N", "a[5m:N]", "a * N", "a[N:N]"] {
            let text = format!(
                "sum by (namespace, workload) (rate({}))",
                text.replace('N', number)
            );
            assert!(Query::parse(&text, &terms(false)).is_err(), "{text}");
        }
    }
}

#[test]
fn a_query_may_be_as_deep_as_it_may_be_large() {
    let deep = format!(
        "sum by (namespace, workload) ({}a{})",
        "(".repeat(126),
        ")".repeat(126)
    );
    let deep = Query::parse(&deep, &terms(false)).expect("a deep query");
    assert!(deep.about(&namespaces(&["shop"])).is_ok());
}

/// The tree with its matchers in one order, and how often the forced one was found and taken off.
fn without_matcher(text: &str, forced: &str) -> (Expr, usize, usize) {
    let mut tree = parser::parse(text).expect("what is asked parses");
    let (mut all, mut found) = (0, 0);
    for selector in selectors(&mut tree) {
        all += 1;
        let list = &mut selector.matchers.matchers;
        let is_forced =
            |m: &Matcher| m.name == "namespace" && m.value == forced && m.op.to_string() == "=~";
        if let Some(place) = list.iter().position(is_forced) {
            list.remove(place);
            found += 1;
        }
        list.sort_by_key(ToString::to_string);
    }
    (tree, all, found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_the_namespace_matcher_is_added_however_hostile_the_name(
        names in proptest::collection::btree_set(r#"[-a-z0-9"'`\\{}()\[\]|.*+?^$=~,# \n\t\r/%é]{1,20}"#, 1..4),
        text in proptest::sample::select(vec![
            ERRORS,
            P99,
            r#"sum by (namespace, workload) (increase(a{namespace="x",z!~"b|c",y=~"\\d+"}[{{ window }}]))"#,
            "100 * (sum by (namespace, workload) (-a) / -sum by (namespace, workload) (clamp_min(b, 0.5)) ^ 2) % 7",
            "quantile by (namespace, workload) (0.5, a) - count by (workload, namespace) (a)",
        ]),
    ) {
        let query = Query::parse(text, &terms(false)).expect("a good query");
        let asked = query.about(&names).expect("resolved");
        let forced: Vec<String> = names.iter().map(|name| escape(name)).collect();
        let (tree, all, found) = without_matcher(&asked, &forced.join("|"));
        let (template, ..) = without_matcher(&query.tree.to_string(), "no such matcher");
        prop_assert_eq!(all, found, "{}", asked);
        prop_assert_eq!(tree, template, "{}", asked);
    }

    #[test]
    fn the_matcher_lets_through_the_named_namespaces_alone(
        name in r#"[-a-z0-9"'\\{}()|.*+?^$ ]{1,12}"#,
        other in r#"[-a-z0-9"'\\{}()|.*+?^$ ]{0,12}"#,
    ) {
        let matcher = namespace_matcher("namespace", &BTreeSet::from([name.clone()])).expect("a matcher");
        prop_assert!(matcher.is_match(&name));
        prop_assert_eq!(matcher.is_match(&other), other == name);
    }

    #[test]
    fn no_text_breaks_the_parser(text in r#"[a-z0-9_(){}\[\]"'.,:@+*/^%=~!<> -]{0,60}"#) {
        let _ = Query::parse(&text, &terms(false));
    }
}
