//! t20: nobody changes the operator's webhook configurations but the operator; its policies come back when they are
//! edited or deleted, and that is on record.

use anyhow::{Result, ensure};
use permit_harness::{User, eventually};
use permit_operator::cluster::policies::NAMES;
use serde_json::Value;

use crate::ground::{Ground, PATIENCE, alone, shared, told};

const WEBHOOKS: [&str; 2] = [
    "validatingwebhookconfiguration/gate.permits.dev",
    "mutatingwebhookconfiguration/gate.permits.dev",
];
const BINDING: &str = "validatingadmissionpolicybinding/configurations.gate.permits.dev";

#[tokio::test]
async fn t20_cluster_admin_is_refused_while_the_binding_stands() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let admin = User::admin();
        let said = "the gate's webhook configurations are the operator's alone";
        let ignore = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
        for what in WEBHOOKS {
            let mut narrowed = ground.get(what).await?;
            narrowed["webhooks"] = serde_json::json!([]);
            for (line, stdin) in [
                (format!("patch {what} --type=json -p {ignore}"), None),
                (format!("delete {what}"), None),
                (format!("delete {what} --dry-run=server"), None),
                ("replace -f -".to_owned(), Some(narrowed.to_string())),
            ] {
                let what = (line.as_str(), stdin.as_deref());
                ground.refuses(&admin, what, said).await?;
            }
            // Whoever takes the operator's name has no credential of the operator's.
            let posing = format!(
                "--as=system:serviceaccount:permit-system:permit-operator patch {what} --type=json -p {ignore}"
            );
            ground.refuses(&admin, (&posing, None), said).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t20_a_binding_that_was_deleted_is_made_again_and_the_next_step_is_refused_again()
-> Result<()> {
    told(async {
        let (ground, _turn) = alone().await?;
        let before = ground.records().await?.len();
        let uid = uid(&ground.get(BINDING).await?);
        ground
            .passes(&User::admin(), &format!("delete {BINDING}"), None)
            .await?;
        came_back(ground, BINDING, &uid).await?;
        recorded(
            ground,
            before,
            ("ValidatingAdmissionPolicyBinding", "Deleted", ""),
        )
        .await?;
        ground.caught_up().await?;
        let delete = format!("delete {}", WEBHOOKS[0]);
        ground
            .refuses(&User::admin(), (&delete, None), "PermitGuard: ")
            .await
    })
    .await
}

#[tokio::test]
async fn t20_every_policy_and_binding_that_is_deleted_or_loosened_is_repaired() -> Result<()> {
    told(async {
        let (ground, _turn) = alone().await?;
        let admin = User::admin();
        for name in NAMES {
            let policy = format!("validatingadmissionpolicy/{name}");
            let binding = format!("validatingadmissionpolicybinding/{name}");
            let before = ground.records().await?.len();
            for (what, patch) in [
                (&policy, r#"{"spec":{"failurePolicy":"Ignore"}}"#),
                (&binding, r#"{"spec":{"validationActions":["Audit"]}}"#),
            ] {
                let wanted = ground.get(what).await?["spec"].clone();
                let line = format!("patch {what} --type=merge -p {patch}");
                ground.passes(&admin, &line, None).await?;
                is_as_it_was(ground, what, &wanted).await?;
                let uid = uid(&ground.get(what).await?);
                ground
                    .passes(&admin, &format!("delete {what}"), None)
                    .await?;
                came_back(ground, what, &uid).await?;
                is_as_it_was(ground, what, &wanted).await?;
            }
            for kind in [
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
            ] {
                recorded(ground, before, (kind, "Edited", "kubectl-patch")).await?;
                recorded(ground, before, (kind, "Deleted", "")).await?;
            }
        }
        ground.caught_up().await
    })
    .await
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Waits until it stands again, as another object than before.
async fn came_back(ground: &Ground, what: &str, former: &str) -> Result<()> {
    let look = || async {
        let found = ground.get(what).await?;
        ensure!(uid(&found) != former, "it is still there");
        Ok(())
    };
    eventually(PATIENCE, &format!("{what} is made again"), look).await
}

async fn is_as_it_was(ground: &Ground, what: &str, wanted: &Value) -> Result<()> {
    let look = || async {
        let found = ground.get(what).await?["spec"].clone();
        ensure!(found == *wanted, "it says {found}");
        Ok(())
    };
    eventually(PATIENCE, &format!("{what} is as it was"), look).await
}

/// Waits until a drift is on record, after the first `before` records.
async fn recorded(
    ground: &Ground,
    before: usize,
    (kind, change, manager): (&str, &str, &str),
) -> Result<()> {
    let look = || async {
        let records = ground.records().await?;
        let detail = |record: &permit_operator::domain::audit::Record, key: &str| {
            record.details.get(key).cloned().unwrap_or_default()
        };
        let is_told = records.iter().skip(before).any(|record| {
            record.subject.kind == kind
                && detail(record, "change") == change
                && detail(record, "manager") == manager
                && (change == "Deleted" || !detail(record, "fields").is_empty())
        });
        ensure!(is_told, "not on record");
        Ok(())
    };
    eventually(PATIENCE, &format!("{kind} {change} is recorded"), look).await
}
