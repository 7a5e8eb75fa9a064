//! What is no review, or comes too big, too many or too slowly.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::site::{Site, rollout};

const JSON: &str = "application/json";

fn review(request: &Value) -> String {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string()
}

#[tokio::test]
async fn what_cannot_be_read_is_no_answer_at_any_door() {
    let site = Site::issued().await;
    let mut nameless = rollout("alice", "1.5.0");
    nameless["uid"] = json!("");
    let mut without = rollout("alice", "1.5.0");
    without.as_object_mut().unwrap().remove("uid");
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let twice =
        review(&rollout("alice", "1.5.0")).replacen('{', "{\"kind\":\"AdmissionReview\",", 1);
    let operation_twice = review(&rollout("alice", "1.5.0")).replace(
        "\"operation\":\"UPDATE\"",
        "\"operation\":\"CREATE\",\"operation\":\"UPDATE\"",
    );
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\"}".to_vec(),
        b"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"\xff\"}".to_vec(),
        review(&rollout("alice", "1.5.0"))
            .replace("io/v1\"", "io/v1beta1\"")
            .into_bytes(),
        review(&nameless).into_bytes(),
        review(&without).into_bytes(),
        deep.into_bytes(),
        twice.into_bytes(),
        operation_twice.into_bytes(),
    ];
    for path in ["/gate", "/gate/report", "/own", "/stamp"] {
        for body in &cases {
            let answer = site.send(path, JSON, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            assert_eq!(answer.code, StatusCode::BAD_REQUEST, "{path} {shown}");
            assert!(answer.text.len() < 300, "{}", answer.text);
        }
    }
    assert_eq!(site.api.asked(), [""; 0]);
}

#[tokio::test]
async fn only_json_is_read() {
    let site = Site::issued().await;
    let body = review(&rollout("alice", "1.5.0"));
    for kind in ["text/plain", "application/yaml", "application/jsonp", ""] {
        let answer = site.send("/gate", kind, body.clone()).await;
        assert_eq!(answer.code, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let answer = site
        .send("/gate", "application/json; charset=utf-8", body)
        .await;
    assert_eq!(answer.code, StatusCode::OK);
}

#[tokio::test]
async fn t25_eight_mebibytes_are_refused_whether_stated_or_not() {
    let site = Site::issued().await;
    let mut big = rollout("alice", "1.5.0");
    big["object"]["metadata"]["annotations"] = json!({"a": "x".repeat(8 << 20)});
    let body = review(&big);
    let stated = site.send("/gate", JSON, body.clone()).await;
    assert_eq!(stated.code, StatusCode::PAYLOAD_TOO_LARGE);
    let chunks: Vec<Result<Bytes, Infallible>> = body
        .into_bytes()
        .chunks(1 << 16)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    let unstated = Body::from_stream(futures::stream::iter(chunks));
    let unstated = site.stream("/gate", unstated).await;
    assert_eq!(unstated.code, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn t25_a_thousand_containers_are_judged() {
    let site = Site::issued().await;
    let mut big = rollout("alice", "1.5.0");
    let container =
        |n: usize| json!({"name": format!("c{n}"), "image": format!("shop/checkout:{n}")});
    big["object"]["spec"]["template"]["spec"]["containers"] = (0..1000).map(container).collect();
    site.ask("/gate", big).await.is_denied("PermitScope");
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let site = Site::issued().await;
    let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, Infallible>>());
    let answer = site.stream("/gate?timeout=1s", endless).await;
    assert_eq!(answer.code, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn what_cannot_be_judged_is_denied() {
    let site = Site::issued().await;
    let mut unknown = rollout("alice", "1.5.0");
    unknown["resource"]["resource"] = json!("levers");
    let mut foreign = rollout("alice", "1.5.0");
    foreign["resource"]["group"] = json!("extensions");
    let mut odd = rollout("alice", "1.5.0");
    odd["subResource"] = json!("ephemeralcontainers");
    let mut connect = rollout("alice", "1.5.0");
    connect["operation"] = json!("CONNECT");
    let mut cases = vec![unknown, foreign, odd, connect];
    for operation in ["CREATE", "UPDATE", "DELETE"] {
        let mut empty = rollout("alice", "1.5.0");
        empty["operation"] = json!(operation);
        empty["object"] = Value::Null;
        if operation != "UPDATE" {
            empty["oldObject"] = Value::Null;
        }
        cases.push(empty);
    }
    for case in cases {
        site.ask("/gate", case).await.is_denied("GateUnavailable");
    }
}

#[tokio::test]
async fn a_key_that_stands_twice_in_an_object_is_judged_by_what_counts() {
    let site = Site::issued().await;
    let image = |tag: &str| format!("\"image\":\"shop/checkout:{tag}\"");
    for (first, last, admits) in [("1.5.0", "1.6.0", false), ("1.6.0", "1.5.0", true)] {
        let twice = format!("{},{}", image(first), image(last));
        let body = review(&rollout("alice", "9")).replace(&image("9"), &twice);
        let answer = site.send("/gate", JSON, body).await;
        assert_eq!(answer.response()["allowed"], admits, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_gate_that_is_not_ready_denies() {
    let site = Site::issued().await;
    site.filled.set(false);
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer
        .is_denied("GateUnavailable")
        .tells("only just started");
    let mut own = rollout("alice", "1.5.0");
    own["resource"] = json!({"group": "permits.dev", "version": "v1alpha1", "resource": "permits"});
    site.ask("/own", own.clone())
        .await
        .is_denied("GateUnavailable");
    site.ask("/stamp", own).await.is_denied("GateUnavailable");
}

#[tokio::test]
async fn f4_what_is_over_is_denied_and_not_queued() {
    let site = Site::issued().await;
    site.api.silence_reads("/approvals");
    let asked = (0..300).map(|_| site.ask("/gate", rollout("alice", "1.5.0")));
    let answers = join_all(asked).await;
    for answer in &answers {
        answer.is_denied("GateUnavailable");
    }
    assert!(
        site.api.most_at_once() <= 256,
        "{} live reads ran at once",
        site.api.most_at_once()
    );
}
