//! What a Prometheus that works, fails or lies is read as, against a stub on loopback.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::*;
use crate::api::check::{PartialResponse, Signal};

type Answer = fn(&str) -> Response;

const NOW: f64 = 1_700_000_000.5;

fn check() -> ResolvedCheck {
    ResolvedCheck {
        signal: Signal::ErrorRate,
        freshness: BTreeSet::from(["fresh".to_owned()]),
        value: "errors".into(),
        total: Some("total".into()),
        partial: PartialResponse::Unknown,
        namespace_label: "namespace".into(),
        workload_label: "workload".into(),
        at: None,
    }
}

fn series(workload: &str, value: &str) -> serde_json::Value {
    json!({"metric": {"namespace": "shop", "workload": workload}, "value": [NOW, value]})
}

fn result(series: &[serde_json::Value]) -> serde_json::Value {
    json!({"status": "success", "data": {"resultType": "vector", "result": series}})
}

fn body(value: &serde_json::Value) -> Response {
    axum::Json(value.clone()).into_response()
}

/// A healthy answer to each of the three queries: 1 failed request of 100.
fn good(query: &str) -> Response {
    match query {
        "fresh" => body(&result(&[series("web", "1700000000")])),
        "errors" => body(&result(&[series("web", "1")])),
        _ => body(&result(&[series("web", "100")])),
    }
}

async fn answer(State(answer): State<Answer>, form: String) -> Response {
    let form = Url::parse(&format!("http://form/?{form}")).expect("a form");
    let field = |name: &str| {
        form.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let query = field("query").expect("a query");
    let shares_time =
        query == "fresh" || field("time").as_deref() == Some("2023-11-14T22:13:20.500Z");
    let is_bounded = field("timeout").is_some_and(|timeout| timeout.ends_with("ms"));
    if is_bounded && shares_time {
        answer(&query)
    } else {
        Status::IM_A_TEAPOT.into_response()
    }
}

/// Asks a stub that answers each query as told, about now.
async fn asked(answers: Answer) -> (Observed, String) {
    asked_at(answers, None).await
}

async fn asked_at(answers: Answer, at: Option<Timestamp>) -> (Observed, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!(
        "http://{}/prefix/",
        listener.local_addr().expect("its address")
    );
    let router = Router::new()
        .route("/prefix/api/v1/query", post(answer))
        .with_state(answers);
    let probe = Prometheus::new(&address, DEADLINE).expect("a probe");
    let check = ResolvedCheck { at, ..check() };
    let readings = tokio::select! {
        readings = probe.ask(&check) => readings,
        ended = async { axum::serve(listener, router).await } => panic!("the stub ended: {ended:?}"),
    };
    let reading = readings.of("shop", "web");
    (reading.observed, reading.note.clone())
}

#[tokio::test]
async fn three_queries_at_one_time_make_one_reading() {
    assert_eq!(asked(good).await.0, Observed::Value(0.01));
}

#[tokio::test]
async fn another_instant_is_asked_about_in_every_query() {
    let at: Answer = |query| good(query);
    let instant: Timestamp = "2023-11-14T22:13:20.500Z".parse().expect("an instant");
    let earlier = instant - Duration::from_mins(1);
    assert_eq!(asked_at(at, Some(instant)).await.0, Observed::Value(0.01));
    // The stub answers the queries of one instant alone.
    assert_eq!(
        asked_at(at, Some(earlier)).await.0,
        Observed::SourceDown,
        "the stub is asked about another instant"
    );
}

#[tokio::test]
async fn an_empty_vector_of_errors_is_no_error_and_of_anything_else_is_missing() {
    let no_errors: Answer = |query| {
        if query == "errors" {
            body(&result(&[]))
        } else {
            good(query)
        }
    };
    assert_eq!(asked(no_errors).await.0, Observed::Value(0.0));
    let no_total: Answer = |query| {
        if query == "total" {
            body(&result(&[]))
        } else {
            good(query)
        }
    };
    assert_eq!(asked(no_total).await.0, Observed::Missing);
    assert_eq!(asked(|_| body(&result(&[]))).await.0, Observed::Missing);
}

#[tokio::test]
async fn five_hundreds_html_and_redirects_are_a_source_that_is_down() {
    let answers: [Answer; 6] = [
        |_| Status::INTERNAL_SERVER_ERROR.into_response(),
        |_| {
            (
                Status::SERVICE_UNAVAILABLE,
                body(&json!({"status": "error", "error": "too busy"})),
            )
                .into_response()
        },
        |_| Html("<html>login</html>").into_response(),
        |_| (Status::BAD_REQUEST, Html("<html>no</html>")).into_response(),
        |_| axum::response::Redirect::temporary("/elsewhere").into_response(),
        |_| {
            (
                Status::UNAUTHORIZED,
                body(&json!({"status": "error", "error": "who?"})),
            )
                .into_response()
        },
    ];
    for (case, answer) in answers.into_iter().enumerate() {
        assert_eq!(asked(answer).await.0, Observed::SourceDown, "case {case}");
    }
}

#[tokio::test]
async fn one_query_of_three_that_is_not_answered_is_a_source_that_is_down() {
    let flaky: Answer = |query| {
        if query == "total" {
            Status::BAD_GATEWAY.into_response()
        } else {
            good(query)
        }
    };
    assert_eq!(asked(flaky).await.0, Observed::SourceDown);
}

#[tokio::test]
async fn nobody_listening_is_a_source_that_is_down_without_telling_its_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let probe = Prometheus::new(&format!("http://{address}"), DEADLINE).expect("a probe");
    let readings = probe.ask(&check()).await;
    let reading = readings.of("shop", "web");
    assert_eq!(
        (reading.observed, reading.note.as_str()),
        (Observed::SourceDown, "it cannot be connected to")
    );
}

#[tokio::test]
async fn a_source_that_hangs_is_given_up_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    let probe = Prometheus::new(&address, Duration::from_millis(50)).expect("a probe");
    let readings = probe.ask(&check()).await;
    let reading = readings.of("shop", "web");
    assert_eq!(
        (reading.observed, reading.note.as_str()),
        (Observed::SourceDown, "it did not answer in time")
    );
}

#[tokio::test]
async fn a_refused_query_is_told_with_its_words_in_one_line() {
    let refused: Answer = |_| {
        let told = json!({"status": "error", "errorType": "bad_data", "error": "parse\nerror"});
        (Status::BAD_REQUEST, body(&told)).into_response()
    };
    assert_eq!(
        asked(refused).await,
        (Observed::QueryError, "parse error".into())
    );
}

#[tokio::test]
async fn what_is_no_vector_of_numbers_is_a_query_error() {
    let answers: [Answer; 4] = [
        |_| {
            body(
                &json!({"status": "success", "data": {"resultType": "scalar", "result": [NOW, "1"]}}),
            )
        },
        |_| body(&json!({"status": "success", "data": {"resultType": "matrix", "result": []}})),
        |_| body(&result(&[json!({"metric": {}, "histogram": [NOW, {}]})])),
        |_| body(&result(&[series("web", "many")])),
    ];
    for (case, answer) in answers.into_iter().enumerate() {
        assert_eq!(asked(answer).await.0, Observed::QueryError, "case {case}");
    }
}

#[tokio::test]
async fn warnings_are_partial_data_and_infos_are_not() {
    let warned: Answer = |query| match query {
        "total" => {
            let mut told = result(&[series("web", "100")]);
            told["warnings"] = json!(["a store did not answer"]);
            body(&told)
        }
        _ => good(query),
    };
    assert_eq!(
        asked(warned).await,
        (Observed::PartialData, "a store did not answer".into())
    );
    let informed: Answer = |query| match query {
        "total" => {
            let mut told = result(&[series("web", "100")]);
            told["infos"] = json!(["metric might not be a counter"]);
            body(&told)
        }
        _ => good(query),
    };
    assert_eq!(asked(informed).await.0, Observed::Value(0.01));
}

#[tokio::test]
async fn not_a_number_stays_none_and_several_series_are_told() {
    let nan: Answer = |query| {
        if query == "errors" {
            body(&result(&[series("web", "NaN")]))
        } else {
            good(query)
        }
    };
    assert!(matches!(asked(nan).await.0, Observed::Value(value) if value.is_nan()));
    let infinite: Answer = |query| {
        if query == "errors" {
            body(&result(&[series("web", "+Inf")]))
        } else {
            good(query)
        }
    };
    assert_eq!(asked(infinite).await.0, Observed::Value(f64::INFINITY));
    let several: Answer = |query| match query {
        "errors" => body(&result(&[series("web", "1"), series("web", "2")])),
        _ => good(query),
    };
    assert_eq!(asked(several).await.0, Observed::SeveralSeries);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let endless: Answer = |_| " ".repeat(LARGEST_ANSWER + 1).into_response();
    assert_eq!(asked(endless).await.0, Observed::QueryError);
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "prometheus:9090", "ftp://prometheus", "mailto:a@b"] {
        assert!(
            matches!(
                Prometheus::new(address, DEADLINE),
                Err(SetupError::Address(_))
            ),
            "{address}"
        );
    }
}

#[tokio::test]
async fn the_token_of_a_file_is_sent_as_it_is_at_that_moment() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    let guarded = |headers: HeaderMap, form: String| async move {
        let sent = headers.get("authorization").and_then(|v| v.to_str().ok());
        if sent == Some("Bearer second") {
            answer(State(good as Answer), form).await
        } else {
            Status::UNAUTHORIZED.into_response()
        }
    };
    let router = Router::new().route("/api/v1/query", post(guarded));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    let probe = Prometheus::new(&address, DEADLINE)
        .expect("a probe")
        .with_token(Some(file.clone()));
    let check = check();
    let asking = async {
        let mut observed = Vec::new();
        for token in [None, Some("first\n"), Some("second\n")] {
            if let Some(token) = token {
                std::fs::write(&file, token).expect("written");
            }
            observed.push(probe.ask(&check).await.of("shop", "web").observed);
        }
        observed
    };
    let observed = tokio::select! {
        observed = asking => observed,
        ended = async { axum::serve(listener, router).await } => panic!("the stub ended: {ended:?}"),
    };
    let down = Observed::SourceDown;
    assert_eq!(observed, [down, down, Observed::Value(0.01)]);
}
