//! The rarer ways of a permit: an emergency alone, breaches and revocations that wait for a person, and somebody else
//! who makes the change.

use anyhow::{Result, ensure};
use permit_harness::stage::deployment;
use permit_harness::{Stage, User, eventually, stage};
use serde_json::Value;

use crate::gated::unwatched;
use crate::site::{enrolled, measured, site, told};

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Lets somebody use one more role of the cluster in the stage's namespace.
async fn bind(stage: &Stage<'_>, name: &str, role: &str, who: &str) -> Result<()> {
    let namespace = stage.namespace();
    stage
        .apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects:\n\
             - {{kind: User, apiGroup: rbac.authorization.k8s.io, name: {who}@example.com}}\n"
        ))
        .await
}

async fn plugin(stage: &Stage<'_>, who: &str, line: &str) -> Result<permit_harness::Output> {
    let words: Vec<&str> = ["permit"]
        .into_iter()
        .chain(line.split_whitespace())
        .collect();
    stage.kubectl(&User::person(who), &words, None).await
}

const EMERGENCY: &str = "apiVersion: permits.dev/v1alpha1\nkind: PermitTemplate\nmetadata: {name: hotfix}\nspec:\n  \
    level: 2\n  class: Emergency\n  approval: {rules: [{roles: [on-call-lead], count: 1}]}\n  \
    execution: {window: 1h, maxDuration: 5m}\n  guard: {soak: 1s}\n";

const BREAK_GLASS: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: stage-on-call}\nrules:\n\
    - {apiGroups: [permits.dev], resources: [permits/on-call-lead], verbs: [approve, revoke, break-glass]}\n";

#[tokio::test]
async fn in_an_emergency_who_may_break_the_glass_asks_and_approves_alone() -> Result<()> {
    told(async {
        let stage = enrolled("emergency").await?;
        stage.apply(EMERGENCY).await?;
        stage.apply(BREAK_GLASS).await?;
        let asks = |name: &str, incident: &str| {
            format!("request deploy/checkout --image=checkout=shop/checkout:1.5.0 --template=hotfix --purpose=now --name={name} {incident}")
        };
        plugin(&stage, "alice", &asks("nameless", "")).await?;
        let refused = stage.reaches("nameless", "Rejected").await?;
        ensure!(text(&refused, "/status/summary/message").contains("incident"), "{refused}");
        plugin(&stage, "alice", &asks("alone", "--incident=INC-77")).await?.ok()?;
        stage.reaches("alone", "InReview").await?;
        let approve = "approve alone --role=on-call-lead --reason=alone";
        let denied = plugin(&stage, "alice", approve).await?;
        ensure!(denied.status == 10, "{denied:?}");
        bind(&stage, "on-call", "stage-on-call", "alice").await?;
        // The right is asked of the API server, which takes a moment to know of it.
        let approved = || async { plugin(&stage, "alice", approve).await?.ok() };
        eventually(stage::PATIENCE, "alice approves alone", approved).await?;
        stage.reaches("alone", "Issued").await?;
        let shown = plugin(&stage, "bob", "get alone").await?.ok()?;
        ensure!(shown.contains("INC-77"), "{shown}");
        stage.set_image(&User::person("alice"), "1.5.0").await?.ok()?;
        stage.reaches("alone", "Succeeded").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_breach_that_is_to_be_held_waits_for_a_person() -> Result<()> {
    told(async {
        let (stage, _example) = measured("breach-held").await?;
        let holding = [
            ("max: \"0.05\"", "max: \"0.05\"\n        onBreach: Hold"),
            ("soak: 5s", "soak: 10m"),
        ];
        stage.apply(&stage::template("holding", &holding)).await?;
        stage
            .request(&stage::permit("bad", "holding", "1.6.0"))
            .await?;
        stage.approve("bad", "bob").await?;
        stage.reaches("bad", "Issued").await?;
        let alice = User::person("alice");
        stage.set_image(&alice, "1.6.0").await?.ok()?;
        let held = || async {
            let permit = stage.get("permit/bad").await?;
            let conditions = permit
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let is_held = conditions
                .into_iter()
                .flatten()
                .any(|c| c["type"] == "Held" && c["status"] == "True");
            ensure!(
                is_held && text(&permit, "/status/phase") != "Revoked",
                "{permit}"
            );
            Ok(())
        };
        eventually(stage::PATIENCE, "the breach is held", held).await?;
        ensure!(
            stage.image().await? == "shop/checkout:1.6.0",
            "rolled back without a person"
        );
        let more = stage.set_image(&alice, "1.5.0").await?;
        ensure!(!more.is_success(), "{more:?}");
        plugin(
            &stage,
            "bob",
            "revoke bad --role=tech-lead --cause=Incident --reason=errors",
        )
        .await?
        .ok()?;
        let ended = stage.reaches("bad", "RolledBack").await?;
        ensure!(
            text(&ended, "/status/revocation/reason") == "Incident",
            "{ended}"
        );
        ensure!(stage.image().await? == "shop/checkout:1.4.2");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_revocation_that_is_to_be_held_pauses_the_rollout_and_undoes_nothing() -> Result<()> {
    told(async {
        let stage = Stage::set_empty(site().await?.plane, "halted").await?;
        // Its pods count as available only after ten minutes, so that the rollout is under way for as long.
        let slow = deployment("halted", "1.4.2").replace(
            "replicas: 2",
            "replicas: 2\n  minReadySeconds: 600\n  progressDeadlineSeconds: 900",
        );
        stage.apply(&slow).await?;
        stage.enrol().await?;
        let template = unwatched("pausing", "10m")
            .replace("maxDuration: 5m", "maxDuration: 5m, onRevoke: Hold");
        stage.apply(&template).await?;
        stage
            .request(&stage::permit("one", "pausing", "1.5.0"))
            .await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        stage.reaches("one", "Executing").await?;
        plugin(
            &stage,
            "bob",
            "revoke one --role=tech-lead --cause=ApproverRequest --reason=wait",
        )
        .await?
        .ok()?;
        let paused = || async {
            let workload = stage.get("deploy/checkout").await?;
            ensure!(
                workload.pointer("/spec/paused") == Some(&Value::Bool(true)),
                "not paused"
            );
            Ok(())
        };
        eventually(stage::PATIENCE, "the rollout is paused", paused).await?;
        let ended = stage.reaches("one", "Revoked").await?;
        ensure!(
            text(&ended, "/status/revocation/rollback") == "Held",
            "{ended}"
        );
        ensure!(stage.image().await? == "shop/checkout:1.5.0");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_executor_who_is_named_makes_the_change_and_the_requester_does_not() -> Result<()> {
    told(async {
        let stage = enrolled("executed").await?;
        bind(&stage, "dave", "stage-developer", "dave").await?;
        stage.apply(&unwatched("handed-on", "1s")).await?;
        let permit = stage::permit("one", "handed-on", "1.5.0");
        stage
            .request(&format!("{permit}  executors: [dave@example.com]\n"))
            .await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        let denied = stage.set_image(&User::person("alice"), "1.5.0").await?;
        ensure!(
            denied.stderr.contains("PermitSubject")
                && denied
                    .stderr
                    .contains("let an executor do it: dave@example.com"),
            "{denied:?}"
        );
        stage
            .set_image(&User::person("dave"), "1.5.0")
            .await?
            .ok()?;
        let closed = stage.reaches("one", "Succeeded").await?;
        ensure!(
            text(&closed, "/status/execution/executor") == "dave@example.com",
            "{closed}"
        );
        Ok(())
    })
    .await
}
