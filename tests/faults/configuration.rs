//! F25, F26: somebody who stole the operator's credential edits or deletes its webhook configurations; nobody else can.
//! Each is repaired, counted and told.

use anyhow::{Context, Result, ensure};
use permit_harness::{Operator, OperatorOptions, User, eventually};
use permit_operator::domain::audit::RecordType;
use serde_json::Value;

use crate::ground::{Ground, PATIENCE, figure, told};
use crate::records::verified;

const VALIDATING: &str = "validatingwebhookconfiguration/gate.permits.dev";
const MUTATING: &str = "mutatingwebhookconfiguration/gate.permits.dev";
const REPAIRS: &str = "permit_configuration_repairs_total";

/// The operator itself may delete nothing.
pub(crate) const DELETER: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: deleter}\nrules:\n\
    - {apiGroups: [admissionregistration.k8s.io], resources: ['*'], verbs: [delete]}\n---\n\
    apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: deleter}\n\
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deleter}\nsubjects:\n\
    - {kind: ServiceAccount, name: permit-operator, namespace: permit-system}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_f26_a_configuration_that_was_edited_or_deleted_is_repaired_and_counted() -> Result<()>
{
    let ground = Ground::prepare().await?;
    let operator = ground.operator(OperatorOptions::default()).await?;
    told(&operator, async {
        let stage = ground.enrolled("shop").await?;
        stage.apply(DELETER).await?;
        let ignored = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
        let blinded =
            r#"[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"Cg=="}]"#;
        let narrowed = r#"[{"op":"replace","path":"/webhooks/0/rules","value":[]}]"#;
        for (what, which) in [(VALIDATING, "validating"), (MUTATING, "mutating")] {
            let wanted = webhooks(&ground, what).await?;
            for patch in [ignored, blinded, narrowed] {
                let edit = ["patch", what, "--type=json", "-p", patch];
                struck(&ground, &operator, (what, which), (&edit, &wanted)).await?;
            }
            struck(
                &ground,
                &operator,
                (what, which),
                (&["delete", what], &wanted),
            )
            .await?;
        }
        let log = std::fs::read_to_string(operator.log())?;
        ensure!(
            log.contains("was changed by somebody else"),
            "not told in the log"
        );
        let records = verified(operator.data_dir()).await?;
        let drifts: Vec<_> = records
            .iter()
            .filter(|record| record.kind == RecordType::Configuration)
            .collect();
        let told = |key: &str, value: &str| {
            drifts
                .iter()
                .any(|record| record.details.get(key).is_some_and(|v| v == value))
        };
        ensure!(
            told("change", "Deleted") && told("manager", "kubectl-patch"),
            "not on record: {drifts:#?}"
        );
        let judged = || async {
            let denied = stage.set_image(&User::person("alice"), "1.5.0").await?;
            ensure!(
                !denied.is_success() && denied.stderr.contains("PermitRequired"),
                "{denied:?}"
            );
            Ok(())
        };
        eventually(PATIENCE, "the gate judges", judged).await
    })
    .await
}

/// Strikes once with kubectl and the operator's credential; returns when the entries are as they were and the repair is counted.
async fn struck(
    ground: &Ground,
    operator: &Operator,
    (what, which): (&str, &str),
    (strike, wanted): (&[&str], &Value),
) -> Result<()> {
    let labels = format!("configuration=\"{which}\"");
    let thief = User::new("system:serviceaccount:permit-system:permit-operator", &[]);
    let before = figure(operator, REPAIRS, &labels).await?;
    ground.plane.kubectl(&thief, strike, None).await?.ok()?;
    let repaired = || async {
        let found = webhooks(ground, what).await?;
        ensure!(found == *wanted, "{what} is not as it was: {found}");
        let repairs = figure(operator, REPAIRS, &labels).await?;
        ensure!(repairs > before, "the repair of {what} is not counted");
        Ok(())
    };
    eventually(
        PATIENCE,
        &format!("{what} is repaired after {strike:?}"),
        repaired,
    )
    .await
}

async fn webhooks(ground: &Ground, what: &str) -> Result<Value> {
    let get = ["get", what, "-o", "json"];
    let found: Value = serde_json::from_str(
        &ground
            .plane
            .kubectl(&User::admin(), &get, None)
            .await?
            .ok()?,
    )?;
    found.get("webhooks").cloned().context("no entries")
}
