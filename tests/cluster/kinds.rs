//! Kinds: no kind of workload is a way round the gate, and each can be changed under a permit.
//!
//! Decides what an object of each kind looks like. Does not know the ways round, which are in files of their own.

mod byways;
mod pods;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use permit_harness::{Stage, User};

use crate::site::{enrolled, site, told};

/// A template for every kind that is not measured.
pub(crate) const PLAIN_TEMPLATE: &str = "apiVersion: permits.dev/v1alpha1
kind: PermitTemplate
metadata: {name: plain}
spec:
  description: Any change of a workload that is not measured.
  level: 2
  approval: {rules: [{roles: [tech-lead], count: 1}]}
  execution: {window: 1h, maxDuration: 5m}
  guard: {soak: 1s, checks: []}
";

/// Kinds that make pods, as kubectl is told of them.
const KINDS: [(&str, &str); 4] = [
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("ReplicationController", "v1"),
    ("CronJob", "batch/v1"),
];

/// An object of the kind, named like its kind, with one container `app` of this image.
pub(crate) fn manifest((kind, version): (&str, &str), image: &str) -> String {
    let name = kind.to_lowercase();
    let labels = format!("labels: {{app: {name}}}");
    let pod = format!("containers: [{{name: app, image: '{image}'}}]");
    let spec = match kind {
        "Pod" => pod,
        "Job" => format!("{{template: {{spec: {{restartPolicy: Never, {pod}}}}}}}"),
        "CronJob" => format!(
            "{{schedule: '0 0 1 1 *', jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, {pod}}}}}}}}}}}"
        ),
        "ReplicationController" => {
            format!(
                "{{replicas: 1, selector: {{app: {name}}}, template: {{metadata: {{{labels}}}, spec: {{{pod}}}}}}}"
            )
        }
        _ => {
            let own = match kind {
                "StatefulSet" => "replicas: 2, serviceName: none, ",
                "DaemonSet" => "",
                _ => "replicas: 1, ",
            };
            format!(
                "{{{own}selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{{labels}}}, spec: {{{pod}}}}}}}"
            )
        }
    };
    let spec = if kind == "Pod" {
        format!("{{{spec}}}")
    } else {
        spec
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, {labels}}}\nspec: {spec}\n"
    )
}

/// A stage on which the administrator made a workload of the kind before it was enrolled.
pub(crate) async fn with(namespace: &str, objects: &[String]) -> Result<Stage<'static>> {
    let stage = Stage::set(site().await?.plane, namespace).await?;
    for object in objects {
        let apply = ["apply", "-f", "-"];
        stage
            .kubectl(&User::admin(), &apply, Some(object))
            .await?
            .ok()?;
    }
    stage.enrol().await?;
    stage.apply(PLAIN_TEMPLATE).await?;
    Ok(stage)
}

/// alice asks for `outcome` of one object, bob approves; returns when it is issued.
pub(crate) async fn issue(
    stage: &Stage<'_>,
    (permit, kind, name): (&str, &str, &str),
    outcome: &str,
) -> Result<()> {
    let yaml = format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {{name: {permit}}}\nspec:\n  template: plain\n  \
         purpose: show {kind}\n  targets:\n  - {{kind: {kind}, name: {name}, {outcome}}}\n"
    );
    stage.request(&yaml).await?;
    stage.approve(permit, "bob").await?;
    stage.reaches(permit, "Issued").await.map(drop)
}

/// What alice is told when it is refused, or an error if it was admitted.
pub(crate) async fn refused(
    stage: &Stage<'_>,
    args: &[&str],
    stdin: Option<&str>,
) -> Result<String> {
    let tried = stage.kubectl(&User::person("alice"), args, stdin).await?;
    ensure!(
        !tried.is_success(),
        "admitted: kubectl {args:?}: {}",
        tried.stdout
    );
    ensure!(
        tried.stderr.contains("Permit"),
        "not by the gate: {args:?}: {}",
        tried.stderr
    );
    Ok(tried.stderr)
}

/// alice does it, and it is admitted.
pub(crate) async fn admitted(
    stage: &Stage<'_>,
    args: &[&str],
    stdin: Option<&str>,
) -> Result<String> {
    stage
        .kubectl(&User::person("alice"), args, stdin)
        .await?
        .ok()
}

const APPLY: [&str; 3] = ["apply", "-f", "-"];

/// One kind from its creation to its deletion.
async fn lives(stage: &Stage<'_>, kind: (&str, &str)) -> Result<()> {
    let name = kind.0.to_lowercase();
    let object = format!("{name}/{name}");
    let told = refused(stage, &APPLY, Some(&manifest(kind, "shop/app:1"))).await?;
    ensure!(
        told.contains("PermitRequired") && told.contains(kind.0),
        "{told}"
    );

    let permit = format!("make-{name}");
    issue(
        stage,
        (&permit, kind.0, &name),
        "images: {app: 'shop/app:1'}",
    )
    .await?;
    let told = refused(stage, &APPLY, Some(&manifest(kind, "evil:1"))).await?;
    ensure!(told.contains("PermitScope"), "{told}");
    admitted(stage, &APPLY, Some(&manifest(kind, "shop/app:1"))).await?;
    stage.reaches(&permit, "Succeeded").await?;

    refused(stage, &["set", "image", &object, "app=evil:1"], None).await?;
    refused(stage, &["delete", &object], None).await?;
    // What was validated is the baseline.
    admitted(stage, &APPLY, Some(&manifest(kind, "shop/app:1"))).await?;

    let permit = format!("move-{name}");
    issue(
        stage,
        (&permit, kind.0, &name),
        "images: {app: 'shop/app:2'}",
    )
    .await?;
    admitted(stage, &["set", "image", &object, "app=shop/app:2"], None).await?;
    stage.reaches(&permit, "Succeeded").await?;
    Ok(())
}

#[tokio::test]
async fn t09_t14_every_kind_needs_a_permit_and_lives_under_one() -> Result<()> {
    told(async {
        let stage = enrolled("kinds").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        try_join_all(KINDS.map(|kind| lives(&stage, kind))).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t09_pods_and_replica_sets_are_their_controllers_with_a_permit_or_without() -> Result<()> {
    told(async {
        let stage = enrolled("by-hand").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        for kind in [("Pod", "v1"), ("ReplicaSet", "apps/v1")] {
            let name = kind.0.to_lowercase();
            refused(&stage, &APPLY, Some(&manifest(kind, "shop/app:1"))).await?;
            let outcome = "images: {app: 'shop/app:1'}";
            issue(&stage, (&format!("make-{name}"), kind.0, &name), outcome).await?;
            refused(&stage, &APPLY, Some(&manifest(kind, "shop/app:1"))).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_job_that_is_named_as_a_migration_runs_under_its_permit() -> Result<()> {
    told(async {
        let stage = enrolled("migrates").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        let job = manifest(("Job", "batch/v1"), "shop/migrate:1");
        refused(&stage, &APPLY, Some(&job)).await?;
        let outcome = "images: {app: 'shop/migrate:1'}, operations: [DatabaseMigration]";
        issue(&stage, ("migrate", "Job", "job"), outcome).await?;
        admitted(&stage, &APPLY, Some(&job)).await?;
        stage.reaches("migrate", "Succeeded").await?;
        refused(&stage, &["delete", "job/job"], None)
            .await
            .map(drop)
    })
    .await
}

#[tokio::test]
async fn what_controllers_make_of_an_admitted_workload_is_not_asked_about() -> Result<()> {
    told(async {
        let stage = enrolled("derives").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        let every_minute =
            manifest(("CronJob", "batch/v1"), "shop/app:1").replace("0 0 1 1 *", "* * * * *");
        issue(
            &stage,
            ("ticks", "CronJob", "cronjob"),
            "images: {app: 'shop/app:1'}",
        )
        .await?;
        admitted(&stage, &APPLY, Some(&every_minute)).await?;
        let made = || async {
            let jobs = stage.get("jobs").await?;
            let pods = stage.get("pods").await?;
            let owned = |list: &serde_json::Value, kind: &str| {
                let items = list["items"].as_array().cloned().unwrap_or_default();
                items.iter().any(|o| {
                    o.pointer("/metadata/ownerReferences/0/kind")
                        .is_some_and(|k| k == kind)
                })
            };
            ensure!(
                owned(&jobs, "CronJob") && owned(&pods, "Job"),
                "no job with its pod yet"
            );
            Ok(())
        };
        permit_harness::eventually(
            permit_harness::stage::PATIENCE,
            "the schedule makes a job",
            made,
        )
        .await
    })
    .await
}
