//! What people may write into permits and templates, and what stamps it.

use serde_json::{Value, json};

use crate::site::{Site, permit, template_spec};

/// The patch of an answer; its wire form is read by the type that Kubernetes itself uses for bytes.
fn decoded(patch: &Value) -> Value {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(patch.clone()).unwrap();
    serde_json::from_slice(&bytes.0).unwrap()
}

fn write(operation: &str, object: Value, old: Value) -> Value {
    let mut review = json!({"uid": "r-2", "resource": {"group": "permits.dev", "version": "v1alpha1", "resource": "permits"},
        "name": "checkout-1", "namespace": "shop", "operation": operation,
        "userInfo": {"username": "alice", "groups": ["dev"]}});
    review["object"] = object;
    review["oldObject"] = old;
    review
}

fn create(object: Value) -> Value {
    write("CREATE", object, Value::Null)
}

/// A permit that may still be edited.
fn requested() -> Value {
    let mut permit = permit();
    permit["metadata"]["uid"] = json!("p-9");
    permit["status"]["phase"] = json!("InReview");
    permit
}

#[tokio::test]
async fn a_sound_permit_is_admitted() {
    let site = Site::issued().await;
    site.ask("/own", create(permit())).await.is_allowed();
}

#[tokio::test]
async fn every_mistake_is_reported_at_once_with_its_path() {
    let site = Site::issued().await;
    let mut wrong = permit();
    wrong["spec"]["purpose"] = json!(" ");
    wrong["spec"]["targets"][0]["namespace"] = json!("elsewhere");
    wrong["spec"]["schedule"] =
        json!({"earliestStart": "2026-11-21T23:00:00Z", "latestStart": "2026-11-21T22:00:00Z"});
    let answer = site.ask("/own", create(wrong)).await;
    answer
        .is_denied("InvalidPermit")
        .tells("3 mistake(s)")
        .tells("spec.purpose")
        .tells("spec.targets[0].namespace")
        .tells("spec.schedule.latestStart")
        .tells("the window ends before it starts");
}

#[tokio::test]
async fn mistakes_without_end_are_told_in_bounds() {
    let site = Site::issued().await;
    let mut wrong = permit();
    let target = json!({"kind": "Deployment", "name": "x".repeat(200), "namespace": "elsewhere"});
    wrong["spec"]["targets"] = Value::Array(vec![target; 300]);
    site.ask("/own", create(wrong))
        .await
        .is_denied("InvalidPermit");
}

#[tokio::test]
async fn a_template_that_is_not_there_or_not_for_the_requester_is_refused() {
    let site = Site::issued().await;
    let mut unknown = permit();
    unknown["spec"]["template"] = json!("slow");
    let answer = site.ask("/own", create(unknown)).await;
    answer
        .is_denied("TemplateNotFound")
        .tells("there are: quick");
    site.api.withdraw("alice use permittemplates");
    let answer = site.ask("/own", create(permit())).await;
    answer
        .is_denied("TemplateNotPermitted")
        .tells("`use` on permittemplates/quick");
    site.api.break_reads("subjectaccessreviews");
    site.ask("/own", create(permit()))
        .await
        .is_denied("GateUnavailable");
}

#[tokio::test]
async fn an_unknown_field_or_word_is_refused() {
    let site = Site::issued().await;
    let mut unknown = permit();
    unknown["spec"]["targets"][0]["onlyOnWeekends"] = json!(true);
    let answer = site.ask("/own", create(unknown)).await;
    answer
        .is_denied("InvalidObject")
        .tells("spec.targets[0].onlyOnWeekends");
    let mut unknown = permit();
    unknown["spec"]["targets"][0]["operations"] = json!(["Levitate"]);
    site.ask("/own", create(unknown))
        .await
        .is_denied("InvalidObject");
}

#[tokio::test]
async fn t37_a_stamp_that_is_not_the_sender_is_refused() {
    let site = Site::issued().await;
    for stamp in [
        Value::Null,
        json!({"username": "bob", "groups": ["dev"]}),
        json!({"username": "alice", "groups": ["dev", "system:masters"]}),
        json!({"username": "alice"}),
        json!({"username": "alice", "groups": ["dev"], "uid": "7"}),
    ] {
        let mut forged = permit();
        forged["spec"]["requestedBy"] = stamp;
        site.ask("/own", create(forged))
            .await
            .is_denied("IdentityMismatch");
    }
    let mut nameless = permit();
    nameless["spec"]["requestId"] = Value::Null;
    site.ask("/own", create(nameless))
        .await
        .is_denied("IdentityMismatch")
        .tells("requestId");
}

#[tokio::test]
async fn t37_what_the_stamp_writes_the_gate_accepts() {
    let site = Site::issued().await;
    let mut bare = permit();
    let spec = bare["spec"].as_object_mut().unwrap();
    spec.remove("requestId");
    spec["requestedBy"] = json!({"username": "root"});
    let mut review = create(bare.clone());
    review["userInfo"] = json!({"username": "alice", "uid": "7", "groups": ["ops", "dev", "ops"], "extra": {"a": ["b"]}});
    let stamped = site.ask("/stamp", review.clone()).await;
    let patch: json_patch::Patch =
        serde_json::from_value(decoded(&stamped.is_allowed().response()["patch"])).unwrap();
    json_patch::patch(&mut bare, &patch).unwrap();
    assert_eq!(
        bare["spec"]["requestedBy"],
        json!({"username": "alice", "uid": "7", "groups": ["dev", "ops"]})
    );
    review["object"] = bare;
    site.ask("/own", review).await.is_allowed();
}

#[tokio::test]
async fn t37_an_update_restores_the_stamps_and_the_gate_refuses_others() {
    let site = Site::issued().await;
    for (field, forged) in [
        ("requestedBy", json!({"username": "bob"})),
        ("requestId", json!("01JD8T6V0W6Z3YB1X2K3M4N5P7")),
        ("requestedBy", Value::Null),
        ("requestId", Value::Null),
    ] {
        let mut object = requested();
        object["spec"][field] = forged;
        let review = write("UPDATE", object.clone(), requested());
        site.ask("/own", review.clone())
            .await
            .is_denied("IdentityMismatch")
            .tells(field);
        let stamped = site.ask("/stamp", review).await;
        let patch: json_patch::Patch =
            serde_json::from_value(decoded(&stamped.response()["patch"])).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        assert_eq!(object["spec"], requested()["spec"], "{field}");
    }
}

#[tokio::test]
async fn an_open_permit_is_edited_by_its_requester_alone() {
    let site = Site::issued().await;
    let mut edited = requested();
    edited["spec"]["purpose"] = json!("another fix");
    let mut review = write("UPDATE", edited, requested());
    site.ask("/own", review.clone()).await.is_allowed();
    review["userInfo"]["username"] = json!("bob");
    site.ask("/own", review).await.is_denied("NotTheRequester");
}

#[tokio::test]
async fn metadata_of_a_permit_is_anybodys() {
    let site = Site::issued().await;
    let mut labelled = permit();
    labelled["metadata"]["labels"] = json!({"team": "shop"});
    let mut review = write("UPDATE", labelled, permit());
    review["userInfo"]["username"] =
        json!("system:serviceaccount:flux-system:kustomize-controller");
    site.ask("/own", review).await.is_allowed();
}

#[tokio::test]
async fn an_issued_permit_stays_as_it_was_approved_whatever_its_status_says() {
    let site = Site::issued().await;
    for phase in ["Issued", "InReview"] {
        let (mut edited, mut old) = (permit(), permit());
        edited["spec"]["purpose"] = json!("another fix");
        old["status"]["phase"] = json!(phase);
        site.ask("/own", write("UPDATE", edited, old))
            .await
            .is_denied("PermitFrozen");
    }
    site.ask("/own", write("DELETE", Value::Null, permit()))
        .await
        .is_denied("PermitProtected");
    site.ask("/own", write("DELETE", Value::Null, requested()))
        .await
        .is_allowed();
}

#[tokio::test]
async fn an_object_that_is_missing_is_refused() {
    let site = Site::issued().await;
    for operation in ["CREATE", "UPDATE", "DELETE"] {
        let answer = site
            .ask("/own", write(operation, Value::Null, Value::Null))
            .await;
        answer.is_denied("InvalidObject");
    }
    site.ask("/own", write("CONNECT", permit(), Value::Null))
        .await
        .is_denied("GateUnavailable");
    let mut unknown = create(permit());
    unknown["resource"]["resource"] = json!("levers");
    site.ask("/own", unknown).await.is_denied("GateUnavailable");
}

#[tokio::test]
async fn a_template_with_mistakes_is_refused_with_all_of_them() {
    let site = Site::issued().await;
    let mut spec = template_spec();
    let write = |spec: &Value| {
        let object = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "PermitTemplate", "metadata": {"name": "quick"}, "spec": spec});
        let mut review = create(object);
        review["resource"]["resource"] = json!("permittemplates");
        review
    };
    site.ask("/own", write(&spec)).await.is_allowed();
    spec["execution"]["window"] = json!("soon");
    spec["guard"]["soak"] = json!("later");
    let answer = site.ask("/own", write(&spec)).await;
    answer
        .is_denied("InvalidTemplate")
        .tells("spec.execution.window")
        .tells("spec.guard.soak");
}
