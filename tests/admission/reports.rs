//! What is only reported is never denied; where the namespace is known to be enforced it is not only reported.

use serde_json::json;

use crate::site::{Site, rollout};

fn in_namespace(namespace: &str) -> serde_json::Value {
    let mut review = rollout("alice", "1.5.0");
    review["namespace"] = json!(namespace);
    review
}

#[tokio::test]
async fn warn_admits_with_the_reason_and_audit_admits_in_silence() {
    let site = Site::issued().await;
    let warned = site.ask("/gate/report", in_namespace("watched")).await;
    assert!(warned.is_allowed().warnings()[0].starts_with("PermitRequired: "));
    let audited = site.ask("/gate/report", in_namespace("plain")).await;
    assert!(audited.is_allowed().warnings().is_empty());
    assert_eq!(audited.response()["auditAnnotations"]["decision"], "deny");
}

#[tokio::test]
async fn a_report_that_cannot_be_made_admits_with_a_warning_and_is_counted() {
    let mut unknown = in_namespace("watched");
    unknown["resource"]["resource"] = json!("levers");
    let mut scale = in_namespace("watched");
    scale["subResource"] = json!("scale");
    let site = Site::issued().await;
    site.api.break_reads("/deployments/");
    for review in [unknown, scale] {
        let before = site.metrics.gate_errors.get();
        let answer = site.ask("/gate/report", review).await;
        assert!(answer.is_allowed().warnings()[0].starts_with("GateUnavailable: "));
        assert_eq!(site.metrics.gate_errors.get(), before + 1);
    }
    site.filled.set(false);
    let early = site.ask("/gate/report", in_namespace("watched")).await;
    assert!(early.is_allowed().warnings()[0].starts_with("GateUnavailable: "));
}

#[tokio::test]
async fn a_namespace_that_is_known_to_be_enforced_is_denied_at_any_door() {
    let site = Site::issued().await;
    site.ask("/gate/report", rollout("alice", "1.6.0"))
        .await
        .is_denied("PermitScope");
    site.filled.set(false);
    site.ask("/gate/report", rollout("alice", "1.5.0"))
        .await
        .is_denied("GateUnavailable");
}

#[tokio::test]
async fn the_path_enforces_whatever_the_cache_says_of_the_namespace() {
    let site = Site::issued().await;
    site.ask("/gate", in_namespace("watched"))
        .await
        .is_denied("PermitRequired");
    site.ask("/gate", in_namespace("never-heard-of"))
        .await
        .is_denied("PermitRequired");
}
