//! t09, t10, t12, t55, t56: what controllers derive is written by them alone, and they are in nobody's way.

use anyhow::{Context, Result, ensure};
use permit_harness::{Stage, User, eventually};
use serde_json::{Value, json};

use crate::ground::{Ground, PATIENCE, shared, told};

const STATEFUL: &str = include_str!("stateful.yaml");

/// Every derived object by hand, in a namespace with the rolled out workload `checkout` and the StatefulSet `ledger`.
pub(crate) async fn by_ways_are_shut(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let namespace = stage.namespace();
    let said =
        format!("in {namespace} are written by their controller; change the workload instead");
    let rs = first(stage, "replicasets", "checkout-").await?;
    let pod = first(stage, "pods", "checkout-").await?;
    let revision = first(stage, "controllerrevisions", "ledger-").await?;
    let name = |object: &Value| {
        object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    for user in [User::person("mallory"), User::admin()] {
        for line in [
            "run evil --image=evil".to_owned(),
            format!("set image pod/{} checkout=evil", name(&pod)),
            format!("set image rs/{} checkout=evil", name(&rs)),
            format!("scale rs/{} --replicas=7", name(&rs)),
            format!("label --overwrite rs/{} app=adopted", name(&rs)),
            format!(
                r#"patch controllerrevision {} --type=merge -p {{"revision":77}}"#,
                name(&revision)
            ),
        ] {
            let line = format!("{line} -n {namespace}");
            ground.refuses(&user, (&line, None), &said).await?;
        }
        for object in [
            copy(&rs, true),
            copy(&rs, false),
            copy(&pod, true),
            copy(&revision, true),
        ] {
            let yaml = object.to_string();
            ground
                .refuses(&user, ("create -f -", Some(&yaml)), &said)
                .await?;
        }
    }
    // A controller's name without its credential, and its credential without an owner of its kind.
    let posing = "--as=system:serviceaccount:kube-system:replicaset-controller create -f -";
    let yaml = copy(&pod, true).to_string();
    ground
        .refuses(&User::admin(), (posing, Some(&yaml)), &said)
        .await?;
    let real = User::new(
        "system:serviceaccount:kube-system:replicaset-controller",
        &[],
    );
    let yaml = copy(&pod, false).to_string();
    ground
        .refuses(&real, ("create -f -", Some(&yaml)), &said)
        .await?;
    // Nothing is stored by a dry run, so it may show what would be.
    let dry = format!("run evil --image=evil -n {namespace} --dry-run=server");
    ground
        .passes(&User::person("mallory"), &dry, None)
        .await
        .map(drop)
}

/// The first object of a kind whose name begins so.
async fn first(stage: &Stage<'_>, kind: &str, prefix: &str) -> Result<Value> {
    let all = stage.get(kind).await?;
    let items = all["items"].as_array().context("no list")?;
    let named = |object: &&Value| {
        object["metadata"]["name"]
            .as_str()
            .is_some_and(|name| name.starts_with(prefix))
    };
    items
        .iter()
        .find(named)
        .cloned()
        .with_context(|| format!("no {kind} of {prefix}"))
}

/// The same under another name, its owner kept or not.
fn copy(object: &Value, owned: bool) -> Value {
    let mut copy = object.clone();
    let owners = copy["metadata"]["ownerReferences"].clone();
    copy["metadata"] = json!({
        "name": "by-hand",
        "namespace": object["metadata"]["namespace"],
        "labels": object["metadata"]["labels"],
    });
    if owned {
        copy["metadata"]["ownerReferences"] = owners;
    }
    if let Some(map) = copy.as_object_mut() {
        map.remove("status");
    }
    copy
}

/// The StatefulSet, the DaemonSet and the CronJob beside the stage's Deployment.
pub(crate) async fn set_beside(stage: &Stage<'_>) -> Result<()> {
    stage
        .apply(&STATEFUL.replace("NAMESPACE", stage.namespace()))
        .await?;
    for what in ["sts/ledger", "ds/agent"] {
        rolled_out(stage, what).await?;
    }
    Ok(())
}

pub(crate) async fn rolled_out(stage: &Stage<'_>, what: &str) -> Result<()> {
    let status = ["rollout", "status", what, "--timeout=170s"];
    stage
        .kubectl(&User::admin(), &status, None)
        .await?
        .ok()
        .map(drop)
}

/// Everything that controllers do for the workloads of a namespace, each to its end.
pub(crate) async fn controllers_go_on(stage: &Stage<'_>) -> Result<()> {
    let mallory = User::person("mallory");
    for (line, what) in [
        (
            "set image deploy/checkout checkout=shop/checkout:1.5.0",
            "deploy/checkout",
        ),
        ("rollout undo deploy/checkout", "deploy/checkout"),
        ("rollout restart deploy/checkout", "deploy/checkout"),
        ("scale deploy/checkout --replicas=4", "deploy/checkout"),
        ("set image sts/ledger ledger=shop/ledger:2", "sts/ledger"),
        ("rollout undo sts/ledger", "sts/ledger"),
        ("scale sts/ledger --replicas=3", "sts/ledger"),
        ("set image ds/agent agent=shop/agent:2", "ds/agent"),
        ("rollout undo ds/agent", "ds/agent"),
        ("delete pods -l app=checkout", "deploy/checkout"),
        (
            "delete sts ledger --cascade=orphan --timeout=60s",
            "deploy/checkout",
        ),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = stage.kubectl(&mallory, &words, None).await?;
        output.ok().with_context(|| line.to_owned())?;
        rolled_out(stage, what)
            .await
            .with_context(|| line.to_owned())?;
    }
    // The orphans are adopted by who comes after.
    set_beside(stage).await?;
    let ran = || async {
        let jobs = stage.get("jobs").await?;
        let items = jobs["items"].as_array().context("no list")?;
        let is_done = |job: &Value| {
            job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
                && job["status"]["succeeded"] == 1
        };
        ensure!(items.iter().any(is_done), "{} jobs, none done", items.len());
        Ok(())
    };
    eventually(PATIENCE, "the CronJob's Job has run", ran).await
}

#[tokio::test]
async fn t09_derived_objects_are_not_written_by_hand() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = Stage::set(ground.plane, "by-hand").await?;
        set_beside(&stage).await?;
        stage.enrol().await?;
        by_ways_are_shut(ground, &stage).await?;
        // Where the gate only warns, the policies are not in the way.
        let lower = "label --overwrite namespace by-hand permits.dev/gate=warn";
        ground.passes(&User::admin(), lower, None).await?;
        let run = "run plain --image=plain -n by-hand";
        let passes = || async {
            ground
                .passes(&User::person("mallory"), run, None)
                .await
                .map(drop)
        };
        eventually(PATIENCE, "a pod by hand passes there", passes).await
    })
    .await
}

#[tokio::test]
async fn a_permitted_rollout_and_its_undoing_are_carried_out_by_the_controllers() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = ground.enrolled("carried-out").await?;
        stage.issue("one", "1.5.0").await?;
        let alice = User::person("alice");
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        stage.await_rollout().await?;
        ensure!(stage.image().await? == "shop/checkout:1.5.0");
        let undo = ["rollout", "undo", "deploy/checkout"];
        stage.kubectl(&User::admin(), &undo, None).await?.ok()?;
        stage.await_rollout().await?;
        ensure!(stage.image().await? == "shop/checkout:1.4.2");
        Ok(())
    })
    .await
}
