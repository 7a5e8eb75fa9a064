//! t20, t11: what came past the gate, or through it where it only reports, is found, whoever made it: once, on record,
//! and until it stands no more.

use anyhow::{Context, Result, ensure};
use permit_harness::{Operator, OperatorOptions, Stage, User, eventually};
use permit_operator::domain::audit::{Record, RecordType};
use serde_json::{Value, json};

use crate::configuration::DELETER;
use crate::ground::{Ground, PATIENCE, figure, told};
use crate::records::verified;

const FOUND: &str = "permit_unpermitted_changes_total";
const STANDING: &str = "permit_unpermitted_changes{";
const CONFIGURATION: &str = "validatingwebhookconfiguration/gate.permits.dev";

/// Grants settings without a person.
const SETTINGS: &str = "apiVersion: permits.dev/v1alpha1\nkind: PermitTemplate\nmetadata: {name: settings}\nspec:\n  \
    level: 0\n  grant: Automatic\n  appliesTo: {operations: [Configure]}\n";

const FREEZING: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: permit-config, namespace: permit-system}\n\
    data: {config.yaml: 'onUnpermitted: Freeze'}\n";

const REVOCATION: &str = "apiVersion: permits.dev/v1alpha1\nkind: Approval\nmetadata: {name: one-over}\nspec:\n  \
    permitRef: {name: one}\n  decision: Revoke\n  role: tech-lead\n  reason: Incident\n  reasoning: the other region burns\n";

/// What the ledger says of unpermitted changes to one object.
async fn recorded(operator: &Operator, kind: &str, name: &str) -> Result<Vec<Record>> {
    let records = verified(operator.data_dir()).await?;
    let is_meant = |record: &Record| {
        record.kind == RecordType::UnpermittedChange
            && record.subject.kind == kind
            && record.subject.name == name
    };
    Ok(records.into_iter().filter(is_meant).collect())
}

/// Waits until the ledger tells of an object for these reasons, in this order.
async fn is_recorded(
    operator: &Operator,
    what: (&str, &str),
    reasons: &[&str],
) -> Result<Vec<Record>> {
    let look = || async {
        let records = recorded(operator, what.0, what.1).await?;
        let told: Vec<_> = records.iter().filter_map(|r| r.reason.as_deref()).collect();
        ensure!(told == reasons, "{what:?}: {told:?}");
        Ok(records)
    };
    eventually(
        PATIENCE,
        &format!("{what:?} is on record as {reasons:?}"),
        look,
    )
    .await
}

/// Waits until a permit says so of what nobody permitted.
async fn says(stage: &Stage<'_>, permit: &str, status: &str) -> Result<()> {
    let look = || async {
        let permit = stage.get(&format!("permit/{permit}")).await?;
        let conditions = permit["status"]["conditions"]
            .as_array()
            .context("no conditions")?;
        let of_type = |c: &&Value| c["type"] == "UnpermittedChange";
        let found = conditions
            .iter()
            .find(of_type)
            .context("no such condition")?;
        ensure!(found["status"] == status, "{found}");
        Ok(())
    };
    eventually(PATIENCE, &format!("permit {permit} says {status}"), look).await
}

async fn events(stage: &Stage<'_>, reason: &str) -> Result<Vec<String>> {
    let all = stage.get("events.events.k8s.io").await?;
    let items = all["items"].as_array().context("no list")?;
    let of_reason = items.iter().filter(|event| event["reason"] == reason);
    let about = |event: &Value| {
        event["regarding"]["kind"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Ok(of_reason.map(about).collect())
}

/// Takes the webhook configuration away with the operator's own stolen credential, while the operator is down.
async fn disarm(ground: &Ground) -> Result<()> {
    let thief = User::new("system:serviceaccount:permit-system:permit-operator", &[]);
    let delete = ["delete", CONFIGURATION];
    ground
        .plane
        .kubectl(&thief, &delete, None)
        .await?
        .ok()
        .map(drop)
}

/// Sets the image once the API server asks nobody any more.
async fn slips_through(stage: &Stage<'_>, tag: &str) -> Result<()> {
    let passes = || async {
        stage
            .set_image(&User::person("alice"), tag)
            .await?
            .ok()
            .map(drop)
    };
    eventually(PATIENCE, "the change passes", passes).await?;
    ensure!(stage.image().await? == format!("shop/checkout:{tag}"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn t20_a_change_made_while_nobody_judged_is_found_once_at_the_start_until_the_baseline_returns()
-> Result<()> {
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = ground.enrolled("shop").await?;
        stage.apply(DELETER).await?;
        stage.issue("one", "1.5.0").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        stage.reaches("one", "Validating").await?;
        stage
            .kubectl(
                &User::person("bob"),
                &["create", "-f", "-"],
                Some(REVOCATION),
            )
            .await?
            .ok()?;
        stage.reaches("one", "RolledBack").await?;
        says(&stage, "one", "False").await?;
        ensure!(
            figure(&operator, FOUND, "").await? < 1.0,
            "a permitted change and its undoing are told of"
        );
        operator.sigterm().await?;
        disarm(&ground).await?;
        slips_through(&stage, "6.6.6").await?;
        operator.restart().await?;
        let records = is_recorded(&operator, ("Deployment", "checkout"), &["Changed"]).await?;
        let details = &records.first().context("no record")?.details;
        ensure!(
            details["manager"] == "kubectl-set"
                && details["changedTime"] != "unknown"
                && details["fields"].contains("image"),
            "{details:?}"
        );
        says(&stage, "one", "True").await?;
        let told = || async {
            let about = events(&stage, "UnpermittedChange").await?;
            ensure!(
                about.iter().any(|kind| kind == "Deployment")
                    && about.iter().any(|kind| kind == "Permit"),
                "told on {about:?}"
            );
            ensure!(
                (figure(&operator, FOUND, "Deployment").await? - 1.0).abs() < 0.1,
                "not counted"
            );
            ensure!(
                figure(&operator, STANDING, "Deployment").await? > 0.0,
                "does not stand"
            );
            Ok(())
        };
        eventually(PATIENCE, "it is shown and counted", told).await?;
        // What is known stays known, and is not told twice.
        operator.sigterm().await?;
        operator.restart().await?;
        says(&stage, "one", "True").await?;
        ensure!(
            recorded(&operator, "Deployment", "checkout").await?.len() == 1,
            "told twice"
        );
        stage
            .set_image(&User::person("alice"), "1.4.2")
            .await?
            .ok()?;
        says(&stage, "one", "False").await?;
        is_recorded(&operator, ("Deployment", "checkout"), &["Changed", "Gone"]).await?;
        let derived = verified(operator.data_dir()).await?;
        let others = derived
            .iter()
            .filter(|r| r.kind == RecordType::UnpermittedChange);
        ensure!(
            others.count() == 2,
            "what was derived from it is told of, too"
        );
        Ok(())
    })
    .await
}

/// Puts the namespace in a mode of the gate.
async fn labelled(ground: &Ground, mode: &str) -> Result<()> {
    let label = format!("permits.dev/gate={mode}");
    let line = ["label", "--overwrite", "namespace", "shop", &label];
    ground
        .plane
        .kubectl(&User::admin(), &line, None)
        .await?
        .ok()
        .map(drop)
}

/// A ReplicaSet without an owner, that the Deployment adopts by its labels.
fn orphan(namespace: &str, replica_set: &Value) -> Value {
    let mut orphan = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": replica_set["spec"],
        "metadata": {"name": "orphan", "namespace": namespace, "labels": {"app": "checkout"}}});
    orphan["spec"]["replicas"] = json!(1);
    orphan["spec"]["selector"] = json!({"matchLabels": {"app": "checkout", "made": "by-hand"}});
    orphan["spec"]["template"]["metadata"]["labels"] =
        json!({"app": "checkout", "made": "by-hand"});
    orphan["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:1");
    orphan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_where_the_gate_only_reports_changes_and_adopted_orphans_are_found_and_what_it_grants_is_not()
-> Result<()> {
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = Stage::set(&ground.plane, "shop").await?;
        let alice = User::person("alice");
        stage.apply(SETTINGS).await?;
        labelled(&ground, "enforce").await?;
        stage.await_enrolment().await?;
        // Granted by a template: in order, and on record as such.
        let configured = || async {
            let set = ["set", "env", "deploy/checkout", "MODE=plain"];
            stage.kubectl(&alice, &set, None).await?.ok()?;
            stage.await_rollout().await
        };
        eventually(PATIENCE, "a setting is carried out", configured).await?;
        labelled(&ground, "audit").await?;
        let ran = || async {
            let run = ["run", "shell", "--image=shell:1"];
            stage.kubectl(&alice, &run, None).await?.ok().map(drop)
        };
        eventually(PATIENCE, "a pod by hand passes", ran).await?;
        is_recorded(&operator, ("Pod", "shell"), &["Created"]).await?;
        ensure!(
            recorded(&operator, "Deployment", "checkout")
                .await?
                .is_empty(),
            "a setting was granted"
        );
        let all = stage.get("replicasets").await?;
        let forged = orphan("shop", &all["items"][0]);
        let create = ["create", "-f", "-"];
        stage
            .kubectl(&alice, &create, Some(&forged.to_string()))
            .await?
            .ok()?;
        let adopted = || async {
            let records = recorded(&operator, "ReplicaSet", "orphan").await?;
            let is_it = |record: &Record| record.reason.as_deref() == Some("NotItsOwners");
            ensure!(records.iter().any(is_it), "{records:?}");
            Ok(())
        };
        eventually(PATIENCE, "the orphan that was adopted is found", adopted).await?;
        slips_through(&stage, "6.6.6").await?;
        is_recorded(&operator, ("Deployment", "checkout"), &["Changed"]).await?;
        frozen(&ground, &stage).await
    })
    .await
}

/// Where the configuration says so, a finding freezes the namespace until a person lifts that.
async fn frozen(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let (alice, admin) = (User::person("alice"), User::admin());
    stage.apply(FREEZING).await?;
    let find = || async {
        stage.set_image(&alice, "6.6.7").await?.ok()?;
        stage.set_image(&alice, "6.6.8").await?.ok()?;
        let get = [
            "get",
            "configmap",
            "permit-freeze-shop",
            "-n",
            "permit-system",
        ];
        ground
            .plane
            .kubectl(&admin, &get, None)
            .await?
            .ok()
            .map(drop)
    };
    eventually(PATIENCE, "the namespace is frozen", find).await?;
    labelled(ground, "enforce").await?;
    let is_told = |code: &'static str| {
        let alice = &alice;
        move || async move {
            let denied = stage.set_image(alice, "1.6.0").await?;
            ensure!(
                !denied.is_success() && denied.stderr.contains(code),
                "{denied:?}"
            );
            Ok(())
        }
    };
    eventually(
        PATIENCE,
        "nothing may change",
        is_told("until a person lifts it"),
    )
    .await?;
    let lift = [
        "delete",
        "configmap",
        "permit-freeze-shop",
        "-n",
        "permit-system",
    ];
    ground.plane.kubectl(&admin, &lift, None).await?.ok()?;
    eventually(PATIENCE, "the freeze is lifted", is_told("PermitRequired")).await
}
