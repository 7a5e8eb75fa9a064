//! t28: what is the operator's own in its namespace stays its own, and nothing else is put beside it.

use anyhow::{Context, Result, ensure};
use permit_harness::{User, eventually};

use crate::ground::{PATIENCE, shared, told};

/// A pod that the standard of that namespace lets in.
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: evil, namespace: permit-system}\nspec:\n\
    \x20 securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n\
    \x20 containers:\n\
    \x20 - {name: evil, image: evil, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n";

/// Something of an administrator's beside the operator.
const REPLICAS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: probe, namespace: permit-system}\nspec:\n\
    \x20 selector: {matchLabels: {app: probe}}\n\
    \x20 template:\n\
    \x20   metadata: {labels: {app: probe}}\n\
    \x20   spec:\n\
    \x20     securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n\
    \x20     containers:\n\
    \x20     - {name: probe, image: probe, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n";

#[tokio::test]
async fn t28_nobody_puts_a_workload_beside_the_operator_without_unenrol() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let mallory = User::person("mallory");
        let said = "what runs in the operator's namespace";
        for line in [
            "create deployment evil --image=evil -n permit-system",
            "create job evil --image=evil -n permit-system",
            "create cronjob evil --image=evil --schedule=@daily -n permit-system",
            "set image deploy/permit-operator operator=evil -n permit-system",
            "scale deploy/permit-operator --replicas=0 -n permit-system",
            "set env deploy/permit-operator PERMIT_DATA_DIR=/tmp -n permit-system",
            r#"patch secret permit-gate-tls -n permit-system --type=merge -p {"data":{"ca.crt":"ZXZpbA=="}}"#,
        ] {
            ground.refuses(&mallory, (line, None), said).await?;
        }
        ground
            .refuses(&mallory, ("create -f -", Some(POD)), said)
            .await?;
        // What runs nothing is nobody's business, and who may switch the gate off may work there.
        let plain = "create configmap plain -n permit-system";
        ground.passes(&mallory, plain, None).await?;
        let set = "create -f -";
        ground.passes(&User::admin(), set, Some(REPLICAS)).await?;
        let derived = || async {
            let pods = ground
                .passes(&User::admin(), "get pods -l app=probe -n permit-system -o name", None)
                .await?;
            ensure!(!pods.is_empty(), "no pod of it yet");
            Ok(())
        };
        eventually(PATIENCE, "its controllers follow", derived).await?;
        let gone = "delete deployment probe -n permit-system --wait=false";
        ground.passes(&User::admin(), gone, None).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn t28_facts_and_revisions_are_the_operators_alone() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        ground.enrolled("factual").await?;
        let admin = User::admin();
        let revisions = ground
            .passes(&admin, "get configmaps -l permits.dev/template -n permit-system -o name", None)
            .await?;
        let revision = revisions.lines().next().context("no revision")?;
        let said = "facts and template revisions are written by the operator alone";
        let facts = "secret/permit-facts-factual";
        let edit = format!(
            r#"patch {facts} -n permit-system --type=merge -p {{"data":{{"data.json":"e30="}}}}"#
        );
        ground.refuses(&admin, (&edit, None), said).await?;
        for what in [facts, revision] {
            let unmark = format!(
                "label {what} -n permit-system permits.dev/facts-of- permits.dev/template-"
            );
            for line in [unmark, format!("delete {what} -n permit-system")] {
                ground.refuses(&admin, (&line, None), said).await?;
            }
        }
        // A revision is read by its label, whatever its name.
        let made = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: anything\n  namespace: permit-system\n  \
                    labels: {permits.dev/template: quick-deployment}\n";
        ground.refuses(&admin, ("create -f -", Some(made)), said).await?;
        let named = "create secret generic permit-facts-elsewhere -n permit-system";
        ground.refuses(&admin, (named, None), said).await
    })
    .await
}
