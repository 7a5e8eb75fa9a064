//! t18: a namespace does not leave the gate by its labels, by any endpoint, nor by its deletion.

use anyhow::{Result, ensure};
use permit_harness::{User, eventually};
use serde_json::{Value, json};

use crate::ground::{Ground, PATIENCE, shared, thief, told};

const GUARD: &str = "PermitGuard: ";
const NEEDS: &str = "needs the verb unenrol on namespaces/gate";

/// Every way to write a namespace's labels so that it would be less guarded.
fn ways(name: &str, live: &Value) -> Vec<(String, Option<String>)> {
    let plain = |line: &str| (line.replace("NAME", name), None);
    let mut ways: Vec<_> = [
        "label --overwrite namespace NAME permits.dev/gate=off",
        "label --overwrite namespace NAME permits.dev/gate=audit",
        "label --overwrite namespace NAME permits.dev/gate=warn",
        "label --overwrite namespace NAME permits.dev/gate=enfroce",
        "label namespace NAME permits.dev/gate-",
        "label --overwrite namespace NAME permits.dev/environment=staging",
        r#"patch namespace NAME --type=json -p [{"op":"remove","path":"/metadata/labels/permits.dev~1gate"}]"#,
        r#"patch namespace NAME --type=merge -p {"metadata":{"labels":null}}"#,
        r#"patch namespace NAME --subresource=status --type=merge -p {"metadata":{"labels":{"permits.dev/gate":null}}}"#,
        r#"patch namespace NAME --subresource=status --type=merge -p {"metadata":{"labels":{"permits.dev/environment":"staging"}}}"#,
    ]
    .map(plain)
    .into();
    let yaml = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{permits.dev/gate: audit}}}}\n"
    );
    ways.push((
        "apply --server-side --force-conflicts -f -".to_owned(),
        Some(yaml),
    ));
    for (label, value) in [("gate", "off"), ("environment", "staging")] {
        let mut lowered = live.clone();
        lowered["metadata"]["labels"][format!("permits.dev/{label}")] = json!(value);
        for path in ["", "/status", "/finalize"] {
            let put = format!("replace --raw /api/v1/namespaces/{name}{path} -f -");
            ways.push((put, Some(lowered.to_string())));
        }
    }
    ways
}

async fn labels(ground: &Ground, name: &str) -> Result<[Value; 2]> {
    let live = ground.get(&format!("namespace/{name}")).await?;
    let label = |key: &str| live["metadata"]["labels"][format!("permits.dev/{key}")].clone();
    Ok([label("gate"), label("environment")])
}

#[tokio::test]
async fn t18_neither_label_is_lowered_by_any_way_of_writing_without_unenrol() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        ground.enrolled("kept-in").await?;
        for user in ["dana", "wanda"].map(User::person) {
            let live = ground.get("namespace/kept-in").await?;
            for (line, stdin) in ways("kept-in", &live) {
                ground
                    .refuses(&user, (&line, stdin.as_deref()), NEEDS)
                    .await?;
            }
            let delete = "delete namespace kept-in --wait=false";
            ground.refuses(&user, (delete, None), NEEDS).await?;
            // What is no loss is everybody's who may write namespaces.
            for line in [
                "label --overwrite namespace kept-in team=shop permits.dev/environment=production",
                "annotate --overwrite namespace kept-in note=kept",
            ] {
                ground.passes(&user, line, None).await?;
            }
        }
        ensure!(labels(ground, "kept-in").await? == ["enforce", "production"]);
        let live = ground.get("namespace/kept-in").await?;
        ensure!(
            live["metadata"].get("deletionTimestamp").is_none(),
            "{live}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t18_a_namespace_is_not_made_outside_the_gate_and_may_always_be_raised() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let dana = User::person("dana");
        let yaml = |name: &str, label: &str, value: &str| {
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{permits.dev/{label}: '{value}'}}}}\n"
            )
        };
        for (label, value) in [("gate", "off"), ("environment", "staging")] {
            let outside = yaml("outside", label, value);
            for line in ["create -f -", "apply --server-side -f -"] {
                ground
                    .refuses(&dana, (line, Some(&outside)), "namespace outside would be less guarded")
                    .await?;
            }
        }
        for (name, label, value) in [
            ("inside-1", "gate", "enforce"),
            ("inside-2", "gate", "audit"),
            ("inside-3", "environment", "production"),
        ] {
            ground.passes(&dana, "create -f -", Some(&yaml(name, label, value))).await?;
        }
        let raise = "label --overwrite namespace inside-2 permits.dev/gate=";
        for mode in ["warn", "enforce"] {
            ground.passes(&dana, &format!("{raise}{mode}"), None).await?;
        }
        // One that was never enrolled is not ours to keep.
        ground.passes(&dana, "delete namespace inside-3", None).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t18_who_may_unenrol_lowers_and_deletes() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let ursula = User::person("ursula");
        ground.enrolled("let-go").await?;
        for (user, wanted) in [("ursula", "yes"), ("dana", "no"), ("wanda", "no")] {
            let ask = format!(
                "auth can-i unenrol namespaces/let-go --subresource=gate --as={user}@example.com"
            );
            let told = ground.kubectl(&User::admin(), &ask, None).await?;
            ensure!(told.stdout.trim() == wanted, "{user}: {told:?}");
        }
        for line in [
            "label --overwrite namespace let-go permits.dev/environment=staging",
            "label --overwrite namespace let-go permits.dev/gate=off",
            "label --overwrite namespace let-go permits.dev/gate=enforce",
            "delete namespace let-go --timeout=120s",
        ] {
            ground.passes(&ursula, line, None).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn t18_a_namespace_made_anew_is_enrolled_again_and_that_is_on_record() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let (dana, ursula) = (User::person("dana"), User::person("ursula"));
        ground.enrolled("phoenix").await?;
        let delete = "delete namespace phoenix --timeout=120s";
        ground.passes(&ursula, delete, None).await?;
        ground
            .passes(&dana, "create namespace phoenix", None)
            .await?;
        let again = || async {
            let found = labels(ground, "phoenix").await?;
            ensure!(found == ["enforce", "production"], "{found:?}");
            let records = ground.records().await?;
            let told = records.iter().any(|record| {
                record.subject.kind == "Namespace"
                    && record.subject.name == "phoenix"
                    && record.reason.as_deref() == Some("EnrolledAgain")
            });
            ensure!(told, "not on record");
            Ok(())
        };
        eventually(PATIENCE, "the namespace is enrolled again", again).await?;
        ground.refuses(&dana, (delete, None), NEEDS).await?;
        // Who lets it go for good lowers it first: that is remembered too.
        let off = "label --overwrite namespace phoenix permits.dev/gate=off";
        ground.passes(&ursula, off, None).await?;
        let remembered = || async {
            let gate = ground.remembered("phoenix").await?;
            ensure!(gate == "off", "remembered as {gate}");
            Ok(())
        };
        eventually(PATIENCE, "that it was let go is remembered", remembered).await
    })
    .await
}

#[tokio::test]
async fn the_operators_own_account_changes_nothing_of_a_namespace_but_the_labels() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        ground.enrolled("stolen").await?;
        for patch in [
            r#"{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}"#,
            r#"{"metadata":{"annotations":{"note":"mine"}}}"#,
        ] {
            let line = format!("patch namespace stolen --type=merge -p {patch}");
            let said = "the operator changes nothing of a namespace but the labels";
            ground.refuses(&thief(), (&line, None), said).await?;
        }
        let lower = r#"patch namespace stolen --type=merge -p {"metadata":{"labels":{"permits.dev/gate":"off"}}}"#;
        ground.refuses(&thief(), (lower, None), GUARD).await
    })
    .await
}
