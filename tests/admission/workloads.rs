//! Changes to workloads in an enforced namespace.

use permit_operator::webhook::handover::Handover;
use serde_json::{Value, json};

use crate::site::{APPROVAL, PERMIT, Site, deployment, permit, rollout};

fn revocation() -> Value {
    json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Approval",
        "metadata": {"name": "checkout-1.revoked", "namespace": "shop", "creationTimestamp": "2026-11-21T21:25:00Z"},
        "spec": {"permitRef": {"name": "checkout-1"}, "decision": "Revoke", "role": "tech-lead", "reason": "Incident",
            "reasoning": "the other region burns", "submittedBy": {"username": "bob"}}})
}

#[tokio::test]
async fn what_was_permitted_is_admitted_and_handed_over() {
    let mut site = Site::issued().await;
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer
        .is_allowed()
        .tells("permit checkout-1: may start until");
    let annotations = &answer.response()["auditAnnotations"];
    assert_eq!(annotations["permit"], "checkout-1");
    assert_eq!(annotations["decision"], "admit");
    let handover = site.handovers.try_recv().unwrap();
    let Handover::Permitted {
        permit_uid,
        username,
        ..
    } = handover
    else {
        panic!("it is under a permit: {handover:?}")
    };
    assert_eq!((permit_uid.as_str(), username.as_str()), ("p-1", "alice"));
}

#[tokio::test]
async fn an_admission_reads_permit_and_approvals_once_and_asks_each_right_once() {
    let site = Site::issued().await;
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_allowed();
    let mut asked = site.api.asked();
    asked.sort();
    let namespace = "/apis/permits.dev/v1alpha1/namespaces/shop";
    assert_eq!(
        asked,
        [
            &format!("GET {namespace}/approvals"),
            &format!("GET {namespace}/permits/checkout-1"),
            "REVIEW alice get permits",
            "REVIEW alice use permittemplates",
            "REVIEW bob approve permits/nobody-is-ever-granted-this-role",
            "REVIEW bob approve permits/tech-lead",
        ]
    );
}

#[tokio::test]
async fn a_change_without_a_permit_is_denied_with_what_to_do() {
    let site = Site::with(|api| api.remove(PERMIT)).await;
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer
        .is_denied("PermitRequired")
        .tells("kubectl permit request deploy/checkout --image checkout=shop/checkout:1.5.0");
    assert_eq!(
        site.api.asked(),
        [""; 0],
        "a denial without a permit reads nothing"
    );
}

#[tokio::test]
async fn more_than_was_permitted_is_denied() {
    let site = Site::issued().await;
    site.ask("/gate", rollout("alice", "1.6.0"))
        .await
        .is_denied("PermitScope");
    let mut review = rollout("alice", "1.5.0");
    review["object"]["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "TOKEN", "value": "hunter2"}]);
    let answer = site.ask("/gate", review).await;
    answer.is_denied("PermitScope").hides("hunter2");
}

#[tokio::test]
async fn somebody_else_may_not_make_the_change() {
    let site = Site::issued().await;
    site.api.grant("bob get permits");
    site.ask("/gate", rollout("bob", "1.5.0"))
        .await
        .is_denied("PermitSubject");
}

#[tokio::test]
async fn t29_the_cache_says_issued_and_the_live_permit_is_revoked() {
    let site = Site::issued().await;
    site.api
        .change(PERMIT, |p| p["status"]["phase"] = json!("Revoked"));
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("PermitRevoked");
}

#[tokio::test]
async fn t29_a_revocation_that_the_cache_has_not_seen_denies() {
    let site = Site::issued().await;
    site.api.put(revocation());
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer.is_denied("PermitRevoked").tells("Incident");
}

#[tokio::test]
async fn t29_a_permit_that_is_gone_or_made_anew_admits_nothing() {
    let site = Site::issued().await;
    site.api
        .change(PERMIT, |p| p["metadata"]["uid"] = json!("p-2"));
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("PermitRequired");
    site.api.remove(PERMIT);
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("PermitRequired");
}

#[tokio::test]
async fn t30_a_status_that_was_undone_does_not_bring_a_revoked_permit_back() {
    let site =
        Site::with(|api| api.change(PERMIT, |p| p["status"]["phase"] = json!("Revoked"))).await;
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("PermitRevoked");
    let site = Site::with(|api| api.put(revocation())).await;
    site.api
        .change(PERMIT, |p| p["status"] = json!({"phase": "Issued"}));
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("PermitRevoked");
}

#[tokio::test]
async fn t30_a_status_that_says_issued_is_no_approval() {
    let site = Site::issued().await;
    site.api.remove(APPROVAL);
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer.is_denied("PermitPending").tells("1 of tech-lead");
}

#[tokio::test]
async fn an_approval_without_the_right_counts_no_more() {
    for (lost, gained, word) in [
        ("bob approve permits/tech-lead", "", "PermitPending"),
        ("", "bob approve permits/*", "PermitPending"),
        ("alice use permittemplates", "", "PermitRevoked"),
    ] {
        let site = Site::issued().await;
        site.api.withdraw(lost);
        site.api.grant(gained);
        let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
        answer.is_denied(word);
    }
}

#[tokio::test]
async fn t19_a_live_read_that_fails_denies_and_is_counted() {
    for broken in ["/permits/", "/approvals"] {
        let site = Site::issued().await;
        site.api.break_reads(broken);
        site.ask("/gate", rollout("alice", "1.5.0"))
            .await
            .is_denied("GateUnavailable");
        assert_eq!(site.metrics.gate_errors.get(), 1, "{broken}");
    }
}

#[tokio::test]
async fn t19_a_right_that_cannot_be_asked_is_no_right() {
    let site = Site::issued().await;
    site.api.break_reads("subjectaccessreviews");
    let answer = site.ask("/gate", rollout("alice", "1.5.0")).await;
    answer.is_denied("PermitRequired");
    assert!(!answer.message().contains("checkout-1"));
}

#[tokio::test]
async fn t21_an_api_server_that_is_silent_is_a_denial_before_the_callers_deadline() {
    let site = Site::issued().await;
    site.api.silence_reads("/approvals");
    let answer = site
        .ask("/gate?timeout=1s", rollout("alice", "1.5.0"))
        .await;
    answer.is_denied("GateUnavailable").tells("in time");
}

#[tokio::test]
async fn an_approval_that_cannot_be_read_whole_denies() {
    let site = Site::issued().await;
    site.api
        .change(APPROVAL, |a| a["spec"]["onlyOnWeekends"] = json!(true));
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("GateUnavailable");
    let site = Site::issued().await;
    site.api
        .change(PERMIT, |p| p["spec"]["onlyOnWeekends"] = json!(true));
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_denied("GateUnavailable");
}

#[tokio::test]
async fn nothing_of_a_permit_is_told_to_who_may_not_get_it() {
    for (user, image) in [("mallory", "1.5.0"), ("mallory", "1.6.0")] {
        let site = Site::issued().await;
        let answer = site.ask("/gate", rollout(user, image)).await;
        answer.is_denied("PermitRequired");
        assert!(!answer.message().contains("checkout-1"));
        // The audit log is not theirs to read.
        let audited = &answer.response()["auditAnnotations"]["permit"];
        assert_eq!(audited, "checkout-1");
    }
    let site = Site::with(|api| {
        api.change(PERMIT, |p| p["spec"]["executors"] = json!(["mallory"]));
    })
    .await;
    let admitted = site.ask("/gate", rollout("mallory", "1.5.0")).await;
    assert!(
        !admitted
            .is_allowed()
            .warnings()
            .concat()
            .contains("checkout-1")
    );
}

#[tokio::test]
async fn a_permit_that_is_not_issued_is_told_with_what_it_waits_for() {
    let site = Site::with(|api| {
        let mut other = permit();
        other["metadata"]["name"] = json!("checkout-2");
        other["metadata"]["uid"] = json!("p-2");
        other["spec"]["targets"][0]["images"]["checkout"] = json!("shop/checkout:1.6.0");
        other["status"] = json!({"phase": "InReview"});
        api.put(other);
    })
    .await;
    let answer = site.ask("/gate", rollout("alice", "1.6.0")).await;
    answer
        .is_denied("PermitPending")
        .tells("checkout-2")
        .tells("1 of tech-lead");
}

#[tokio::test]
async fn many_ended_permits_cost_no_read() {
    let site = Site::with(|api| {
        for n in 0..100 {
            let mut ended = permit();
            ended["metadata"]["name"] = json!(format!("old-{n}"));
            ended["metadata"]["uid"] = json!(format!("old-{n}"));
            ended["status"] = json!({"phase": "Closed"});
            api.put(ended);
        }
    })
    .await;
    site.ask("/gate", rollout("alice", "1.5.0"))
        .await
        .is_allowed();
    assert_eq!(site.api.asked().len(), 6);
}

#[tokio::test]
async fn a_dry_run_is_told_the_verdict_and_admitted() {
    let mut site = Site::issued().await;
    for (tag, verdict) in [
        ("1.5.0", "would admit"),
        ("1.6.0", "would deny: PermitScope"),
    ] {
        let mut review = rollout("alice", tag);
        review["dryRun"] = json!(true);
        let answer = site.ask("/gate", review).await;
        let warnings = answer.is_allowed().warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains(verdict),
            "{warnings:?}"
        );
    }
    assert!(site.handovers.try_recv().is_err(), "nothing was changed");
    site.filled.set(false);
    let mut review = rollout("alice", "1.5.0");
    review["dryRun"] = json!(true);
    site.ask("/gate", review)
        .await
        .is_allowed()
        .tells("would deny: GateUnavailable");
}

#[tokio::test]
async fn a_deletion_is_judged_whatever_the_review_carries() {
    let site = Site::issued().await;
    let mut review = rollout("alice", "1.5.0");
    review["operation"] = json!("DELETE");
    for object in [Value::Null, deployment("1.4.2")] {
        review["object"] = object;
        site.ask("/gate", review.clone())
            .await
            .is_denied("PermitScope");
    }
    // A deleted collection names its objects in the old object only.
    review["object"] = Value::Null;
    review["name"] = json!("");
    site.ask("/gate", review)
        .await
        .is_denied("PermitScope")
        .tells("shop/checkout");
}

#[tokio::test]
async fn t54_another_owner_of_known_uid_is_a_change() {
    let site = Site::with(|api| api.remove(PERMIT)).await;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"});
    let mut review = rollout("alice", "1.4.2");
    review["oldObject"]["metadata"]["ownerReferences"] = json!([owner]);
    review["object"]["metadata"]["ownerReferences"] = json!([owner]);
    site.ask("/gate", review.clone()).await.is_allowed();
    for (key, value) in [
        ("kind", json!("Secret")),
        ("name", json!("b")),
        ("controller", json!(true)),
        ("blockOwnerDeletion", json!(true)),
    ] {
        let mut review = review.clone();
        review["object"]["metadata"]["ownerReferences"][0][key] = value;
        site.ask("/gate", review).await.is_denied("PermitRequired");
    }
}

#[tokio::test]
async fn t1_a_scale_reads_its_workload_live() {
    let site = Site::with(|api| api.remove(PERMIT)).await;
    let mut review = rollout("alice", "1.4.2");
    review["subResource"] = json!("scale");
    for (key, count) in [("oldObject", json!({})), ("object", json!({"replicas": 3}))] {
        review[key] = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "checkout", "namespace": "shop"}, "spec": count});
    }
    site.ask("/gate", review.clone())
        .await
        .is_denied("PermitRequired");
    assert_eq!(
        site.api.asked(),
        ["GET /apis/apps/v1/namespaces/shop/deployments/checkout"]
    );
    site.api.break_reads("/deployments/");
    site.ask("/gate", review).await.is_denied("GateUnavailable");
}
