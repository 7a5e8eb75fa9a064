//! What people wrote and the operator cannot read: a configuration, and a template. Nothing is admitted by what is left
//! of it, and both are told by an Event and a figure.

use anyhow::{Result, ensure};
use permit_harness::{Operator, OperatorOptions, Output, Stage, User, eventually};

use crate::ground::{Ground, PATIENCE, figure, told};

/// A freeze that ends before it begins.
const BROKEN: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: permit-config, namespace: permit-system}
data:
  config.yaml: |
    freezes:
      - {name: year-end, reason: holidays, from: '2026-12-20T00:00:00Z', until: '2026-12-19T00:00:00Z'}
";

/// Emergencies, decided by a tech-lead; nothing is measured.
const HOTFIX: &str = "apiVersion: permits.dev/v1alpha1
kind: PermitTemplate
metadata: {name: hotfix}
spec:
  level: 2
  class: Emergency
  approval: {rules: [{roles: [tech-lead], count: 1}]}
  execution: {window: 1h, maxDuration: 5m}
  guard: {soak: 1s, checks: []}
";

/// Its window never comes: no admission of ours is there yet to refuse it.
const UNREADABLE: &str = "apiVersion: permits.dev/v1alpha1
kind: PermitTemplate
metadata: {name: broken}
spec:
  level: 4
  approval: {rules: [{roles: [tech-lead], count: 1}]}
  execution: {recurring: [{cron: 'never ever', duration: 1h}]}
";

/// A second workload, for the emergency.
const SECOND: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: none
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'shop/db:1'}]}
";

const URGENT: &str = "apiVersion: permits.dev/v1alpha1
kind: Permit
metadata: {name: urgent}
spec:
  template: hotfix
  purpose: stop the loss
  incident: INC-77
  targets: [{kind: StatefulSet, name: db, images: {db: 'shop/db:2'}}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_read_stops_all_but_the_baseline_and_emergencies()
-> Result<()> {
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = Stage::set(&ground.plane, "shop").await?;
        stage.apply(SECOND).await?;
        stage.enrol().await?;
        stage.apply(HOTFIX).await?;
        let alice = User::person("alice");
        // A change is under way, so that there is a baseline to go back to.
        stage.issue("one", "1.5.0").await?;
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        stage.reaches("one", "Validating").await?;
        stage.apply(BROKEN).await?;
        let denied = || async {
            let tried = stage.set_image(&alice, "1.6.0").await?;
            is_denied(
                &tried,
                &[
                    "GateUnavailable",
                    "freezes[0].until",
                    "kubectl permit config lint",
                ],
            )
        };
        eventually(PATIENCE, "the gate denies", denied).await?;
        is_told(
            &stage,
            &operator,
            ("ConfigurationUnreadable", "configuration"),
            "freezes[0].until",
        )
        .await?;
        stage.request(URGENT).await?;
        stage.approve("urgent", "bob").await?;
        stage.reaches("urgent", "Issued").await?;
        let image = ["set", "image", "sts/db", "db=shop/db:2"];
        stage.kubectl(&alice, &image, None).await?.ok()?;
        stage.set_image(&alice, "1.4.2").await?.ok()?;
        let delete = [
            "delete",
            "configmap",
            "permit-config",
            "-n",
            "permit-system",
        ];
        ground
            .plane
            .kubectl(&User::admin(), &delete, None)
            .await?
            .ok()?;
        let judged = || async {
            let tried = stage.set_image(&alice, "1.6.0").await?;
            ensure!(!tried.stderr.contains("GateUnavailable"), "{tried:?}");
            ensure!(figure(&operator, "permit_unreadable", "configuration").await? < 1.0);
            is_denied(&tried, &["Permit"])
        };
        eventually(PATIENCE, "the gate judges again", judged).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_cannot_be_read_still_governs_by_its_level() -> Result<()> {
    let ground = Ground::prepare().await?;
    let apply = ["apply", "--server-side", "-f", "-"];
    ground
        .plane
        .kubectl(&User::admin(), &apply, Some(UNREADABLE))
        .await?
        .ok()?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = ground.enrolled("shop").await?;
        stage.issue("one", "1.5.0").await?;
        let alice = User::person("alice");
        let tried = stage.set_image(&alice, "1.5.0").await?;
        is_denied(
            &tried,
            &["PermitScope", "`broken` (level 4)", "cannot be read"],
        )?;
        is_told(
            &stage,
            &operator,
            ("TemplateUnreadable", "template"),
            "spec.execution.recurring[0]",
        )
        .await?;
        let lint = ["permit", "template", "lint"];
        let found = stage.plane().kubectl(&User::admin(), &lint, None).await?;
        ensure!(
            found.status == 1 && found.stdout.contains("unreadable"),
            "{found:?}"
        );
        let delete = ["delete", "permittemplate", "broken"];
        ground
            .plane
            .kubectl(&User::admin(), &delete, None)
            .await?
            .ok()?;
        let admitted = || async { stage.set_image(&alice, "1.5.0").await?.ok().map(drop) };
        eventually(PATIENCE, "the permit admits", admitted).await
    })
    .await
}

fn is_denied(tried: &Output, words: &[&str]) -> Result<()> {
    ensure!(!tried.is_success(), "admitted: {}", tried.stdout);
    for word in words {
        ensure!(tried.stderr.contains(word), "no `{word}`: {}", tried.stderr);
    }
    Ok(())
}

/// Waits for the Event and the figure.
async fn is_told(
    stage: &Stage<'_>,
    operator: &Operator,
    (reason, what): (&str, &str),
    why: &str,
) -> Result<()> {
    let shown = || async {
        let get = ["get", "events", "-A", "-o", "json", "--field-selector"];
        let field = format!("reason={reason}");
        let all: Vec<&str> = get.iter().copied().chain([field.as_str()]).collect();
        let found = stage
            .plane()
            .kubectl(&User::admin(), &all, None)
            .await?
            .ok()?;
        ensure!(found.contains(why), "no Event {reason} yet: {found}");
        let figure = figure(operator, "permit_unreadable", what).await?;
        ensure!(
            (figure - 1.0).abs() < f64::EPSILON,
            "the figure is {figure}"
        );
        Ok(())
    };
    eventually(PATIENCE, reason, shown).await
}
