//! Who may decide about a permit, and as whom.

use serde_json::{Value, json};

use crate::site::{PERMIT, REQUEST_ID, Site, approval};

fn review(operation: &str, object: Value, old: Value) -> Value {
    let user = object.pointer("/spec/submittedBy/username").cloned();
    let user = user.or_else(|| old.pointer("/spec/submittedBy/username").cloned());
    let mut review = json!({"uid": "r-3", "resource": {"group": "permits.dev", "version": "v1alpha1", "resource": "approvals"},
        "name": "checkout-1.bob", "namespace": "shop", "operation": operation,
        "userInfo": {"username": user, "groups": ["dev"]}});
    review["object"] = object;
    review["oldObject"] = old;
    review
}

fn create(object: Value) -> Value {
    review("CREATE", object, Value::Null)
}

#[tokio::test]
async fn who_holds_the_role_approves_what_stands_there_now() {
    let site = Site::issued().await;
    let mut sound = approval("bob", &site.digest());
    site.ask("/own", create(sound.clone())).await.is_allowed();
    sound["spec"]["permitRef"]["requestId"] = json!(REQUEST_ID);
    site.ask("/own", create(sound)).await.is_allowed();
}

#[tokio::test]
async fn an_approval_of_another_digest_or_another_request_is_refused() {
    let site = Site::issued().await;
    let stale = approval("bob", &format!("sha256:{}", "0".repeat(64)));
    let answer = site.ask("/own", create(stale)).await;
    answer.is_denied("DigestMismatch").tells(&site.digest());
    let mut unsaid = approval("bob", "");
    unsaid["spec"]["permitRef"] = json!({"name": "checkout-1"});
    site.ask("/own", create(unsaid))
        .await
        .is_denied("DigestMismatch");
    let mut another = approval("bob", &site.digest());
    another["spec"]["permitRef"]["requestId"] = json!("01JD8T6V0W6Z3YB1X2K3M4N5P7");
    site.ask("/own", create(another))
        .await
        .is_denied("PermitMismatch");
}

#[tokio::test]
async fn an_edit_that_the_cache_has_not_seen_makes_the_old_digest_stale() {
    let site = Site::issued().await;
    site.api
        .change(PERMIT, |p| p["spec"]["purpose"] = json!("something else"));
    let answer = site
        .ask("/own", create(approval("bob", &site.digest())))
        .await;
    answer.is_denied("DigestMismatch");
}

#[tokio::test]
async fn t32_who_does_not_hold_the_role_is_refused() {
    let site = Site::issued().await;
    site.api.grant("carol get permits");
    let answer = site
        .ask("/own", create(approval("carol", &site.digest())))
        .await;
    answer.is_denied("RoleNotHeld").tells("permits/tech-lead");
    site.api.break_reads("subjectaccessreviews");
    let answer = site
        .ask("/own", create(approval("bob", &site.digest())))
        .await;
    answer.response()["allowed"]
        .as_bool()
        .filter(|allowed| !allowed)
        .unwrap();
}

#[tokio::test]
async fn t34_the_requester_approves_nothing() {
    let site = Site::issued().await;
    site.api.grant("alice approve permits/tech-lead");
    let answer = site
        .ask("/own", create(approval("alice", &site.digest())))
        .await;
    answer.is_denied("SelfApprovalBlocked");
}

#[tokio::test]
async fn t35_a_service_account_is_never_an_approver() {
    let site = Site::issued().await;
    for account in [
        "system:serviceaccount:flux-system:flux",
        "system:node:worker-1",
    ] {
        site.api
            .grant(&format!("{account} approve permits/tech-lead"));
        let answer = site
            .ask("/own", create(approval(account, &site.digest())))
            .await;
        answer.is_denied("NotAPerson");
    }
}

#[tokio::test]
async fn t33_who_holds_every_role_holds_none_from_level_2() {
    let site = Site::issued().await;
    site.api.grant("root approve permits/*");
    site.api.grant("root get permits");
    let mut wild = approval("root", &site.digest());
    site.ask("/own", create(wild.clone()))
        .await
        .is_denied("WildcardHolder");
    // Members of system:masters pass every access review, this one as well.
    site.api.withdraw("root approve permits/*");
    site.api.grant("root approve permits/tech-lead");
    wild["spec"]["submittedBy"]["groups"] = json!(["system:masters"]);
    let mut master = create(wild);
    master["userInfo"]["groups"] = json!(["system:masters"]);
    site.ask("/own", master).await.is_denied("WildcardHolder");
}

#[tokio::test]
async fn t37_nobody_decides_in_anothers_name() {
    let site = Site::issued().await;
    for (pointer, value) in [
        ("/spec/submittedBy", json!({"username": "bob"})),
        (
            "/spec/submittedBy",
            json!({"username": "carol", "groups": ["dev"]}),
        ),
        ("/spec/submittedBy", Value::Null),
        ("/spec/approver/username", json!("carol")),
    ] {
        let mut forged = create(approval("bob", &site.digest()));
        *forged["object"].pointer_mut(pointer).unwrap() = value;
        site.ask("/own", forged).await.is_denied("IdentityMismatch");
    }
}

#[tokio::test]
async fn nothing_of_a_permit_is_told_to_who_may_not_get_it() {
    let site = Site::issued().await;
    site.api.withdraw("bob get permits");
    let stale = site.ask("/own", create(approval("bob", "sha256:0"))).await;
    let mut elsewhere = approval("bob", "sha256:0");
    elsewhere["spec"]["permitRef"]["name"] = json!("checkout-7");
    let absent = site.ask("/own", create(elsewhere)).await;
    stale.is_denied("PermitNotFound").hides(&site.digest());
    let told = absent
        .is_denied("PermitNotFound")
        .message()
        .replace("checkout-7", "checkout-1");
    assert_eq!(stale.message(), told, "there and not there sound the same");
}

#[tokio::test]
async fn only_people_give_peoples_reasons_and_only_the_requester_cancels() {
    let site = Site::issued().await;
    let mut revoke = approval("bob", &site.digest());
    revoke["spec"]["decision"] = json!("Revoke");
    revoke["spec"]["reason"] = json!("SafetyViolation");
    site.ask("/own", create(revoke.clone()))
        .await
        .is_denied("InvalidReason");
    revoke["spec"]["reason"] = json!("Incident");
    site.ask("/own", create(revoke)).await.is_allowed();
    for (who, may) in [("bob", false), ("alice", true)] {
        let mut cancel = approval(who, &site.digest());
        cancel["spec"]["decision"] = json!("Cancel");
        let answer = site.ask("/own", create(cancel)).await;
        assert_eq!(answer.response()["allowed"], may, "{}", answer.text);
    }
}

#[tokio::test]
async fn the_operator_revokes_under_its_own_name_and_does_nothing_else() {
    let site = Site::issued().await;
    let operator = "system:serviceaccount:permit-system:permit-operator";
    site.ask("/own", create(approval(operator, &site.digest())))
        .await
        .is_denied("NotAPerson");
}

#[tokio::test]
async fn a_decision_stays_as_it_was_made() {
    let site = Site::issued().await;
    let made = approval("bob", &site.digest());
    let mut altered = made.clone();
    altered["spec"]["reasoning"] = json!("on second thought");
    site.ask("/own", review("UPDATE", altered, made.clone()))
        .await
        .is_denied("ApprovalFrozen");
    let mut labelled = made.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    site.ask("/own", review("UPDATE", labelled, made.clone()))
        .await
        .is_allowed();
    site.ask("/own", review("DELETE", Value::Null, made))
        .await
        .is_denied("ApprovalProtected");
}

#[tokio::test]
async fn an_approval_is_not_judged_without_the_permit() {
    let site = Site::issued().await;
    site.api.break_reads("/permits/");
    let answer = site
        .ask("/own", create(approval("bob", &site.digest())))
        .await;
    answer.is_denied("GateUnavailable");
}
