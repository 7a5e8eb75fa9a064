//! `permit-config` and recurring windows on the real API server: a freeze of one namespace, the way for emergencies, an
//! exemption of one account, and a template that is open at night only.
//!
//! One test owns the configuration of the whole site; what it freezes and exempts is in namespaces of its own.

use anyhow::{Result, ensure};
use jiff::tz::TimeZone;
use permit_harness::{Output, Stage, User, eventually, stage};
use permit_operator::clock::{Clock as _, SystemClock};

use crate::kinds::{PLAIN_TEMPLATE, manifest, with};
use crate::site::{enrolled, told};

const CONFIG: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: permit-config, namespace: permit-system}
data:
  config.yaml: |
    freezes:
      - name: stocktaking
        reason: the shelves are counted
        namespaces: [stocktaking]
        from: '2026-01-01T00:00:00Z'
        until: '2099-01-01T00:00:00Z'
    exemptions:
      - username: system:serviceaccount:exempted:scaler
        kind: Deployment
        operations: [Scale]
        namespaces: [exempted]
        reason: scales by the queue
";

/// Emergencies of the frozen namespace.
const HOTFIX: &str = "apiVersion: permits.dev/v1alpha1
kind: PermitTemplate
metadata: {name: stocktaking-hotfix}
spec:
  level: 2
  class: Emergency
  appliesTo: {namespaces: [stocktaking]}
  approval: {rules: [{roles: [tech-lead], count: 1}]}
  execution: {window: 1h, maxDuration: 5m}
  guard: {soak: 1s, checks: []}
";

/// What the exempt account may do by RBAC: more than it is exempt for.
const SCALER: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: scaler, namespace: exempted}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-developer}
subjects: [{kind: ServiceAccount, name: scaler, namespace: exempted}]
";

fn permit(name: &str, template: &str, target: &str) -> String {
    format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {{name: {name}}}\nspec:\n  template: {template}\n  \
         purpose: show it\n  incident: INC-77\n  targets: [{target}]\n"
    )
}

fn is_denied(tried: &Output, words: &[&str]) -> Result<()> {
    ensure!(!tried.is_success(), "admitted: {}", tried.stdout);
    for word in words {
        ensure!(tried.stderr.contains(word), "no `{word}`: {}", tried.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_freeze_and_an_exemption_hold_exactly_where_the_configuration_says() -> Result<()> {
    told(async {
        let frozen = with(
            "stocktaking",
            &[manifest(("StatefulSet", "apps/v1"), "shop/app:1")],
        )
        .await?;
        let exempted = enrolled("exempted").await?;
        frozen.apply(HOTFIX).await?;
        exempted.apply(SCALER).await?;
        frozen.issue("one", "1.5.0").await?;
        let alice = User::person("alice");
        frozen.apply(CONFIG).await?;
        let denied = || async {
            let tried = frozen.set_image(&alice, "1.5.0").await?;
            let told = [
                "FreezeActive",
                "until 2099-01-01T00:00:00Z",
                "stocktaking",
                "the shelves are counted",
            ];
            is_denied(&tried, &told)
        };
        eventually(stage::PATIENCE, "the freeze denies", denied).await?;
        let target = "{kind: StatefulSet, name: statefulset, images: {app: 'shop/app:2'}}";
        frozen
            .request(&permit("urgent", "stocktaking-hotfix", target))
            .await?;
        frozen.approve("urgent", "bob").await?;
        frozen.reaches("urgent", "Issued").await?;
        let image = ["set", "image", "sts/statefulset", "app=shop/app:2"];
        frozen.kubectl(&alice, &image, None).await?.ok()?;
        is_exempt(&exempted).await?;
        let lint = ["permit", "config", "lint"];
        let found = frozen.kubectl(&User::admin(), &lint, None).await?.ok()?;
        ensure!(
            found.contains("frozen   stocktaking until 2099-01-01T00:00:00Z"),
            "{found}"
        );
        ensure!(
            found.contains("system:serviceaccount:exempted:scaler may Scale Deployment"),
            "{found}"
        );
        let delete = [
            "delete",
            "configmap",
            "permit-config",
            "-n",
            "permit-system",
        ];
        frozen
            .plane()
            .kubectl(&User::admin(), &delete, None)
            .await?
            .ok()?;
        let admitted = || async { frozen.set_image(&alice, "1.5.0").await?.ok().map(drop) };
        eventually(stage::PATIENCE, "the change is admitted", admitted).await
    })
    .await
}

/// Of the exempt account its scale alone passes, and nobody else's does.
async fn is_exempt(stage: &Stage<'_>) -> Result<()> {
    let scaler = User::new("system:serviceaccount:exempted:scaler", &[]);
    let scale = ["scale", "deploy/checkout", "--replicas=3"];
    let tried = stage.kubectl(&User::person("alice"), &scale, None).await?;
    is_denied(&tried, &["PermitRequired"])?;
    stage.kubectl(&scaler, &scale, None).await?.ok()?;
    let tried = stage.set_image(&scaler, "1.5.0").await?;
    is_denied(&tried, &["PermitRequired"])?;
    let both = r#"{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"checkout","image":"evil:1"}]}}}}"#;
    let patch = ["patch", "deploy/checkout", "-p", both];
    let tried = stage.kubectl(&scaler, &patch, None).await?;
    is_denied(&tried, &["PermitRequired"])
}

#[tokio::test]
async fn outside_of_its_recurring_window_a_permit_does_not_admit() -> Result<()> {
    told(async {
        let stage = enrolled("nightly").await?;
        let hour = (SystemClock.now().to_zoned(TimeZone::UTC).hour() + 12) % 24;
        let recurring =
            format!("recurring: [{{cron: '0 {hour} * * *', duration: 1h}}], window: 20h");
        let template = PLAIN_TEMPLATE
            .replace("name: plain", "name: nightly")
            .replace("window: 1h", &recurring);
        stage.apply(&template).await?;
        let target = "{name: checkout, images: {checkout: 'shop/checkout:1.5.0'}}";
        stage.request(&permit("one", "nightly", target)).await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        let tried = stage.set_image(&User::person("alice"), "1.5.0").await?;
        let opens = format!("T{hour:02}:00:00Z");
        is_denied(&tried, &["PermitWindow", "its window opens", &opens])
    })
    .await
}
