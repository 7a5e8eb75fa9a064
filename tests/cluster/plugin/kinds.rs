//! Every kind from its denial to its rollout: the command that a denial prints is typed as it stands, and what it asks
//! for admits the change.

use anyhow::{Context as _, Result, ensure};
use permit_harness::{Stage, User};
use serde_json::json;

use super::{ended, json as read, plugin, plugin_fed, text, typed};
use crate::kinds::{PLAIN_TEMPLATE, admitted, manifest, refused, with};
use crate::site::{enrolled, told};

/// Types the command that a denial prints, with words for TEXT, and under the template of this test: others may
/// demand one of theirs at the same time.
async fn asks_as_told(stage: &Stage<'_>, denial: &str, permit: &str) -> Result<()> {
    let next = denial
        .lines()
        .find_map(|line| line.trim().strip_prefix("next      kubectl permit "))
        .with_context(|| format!("no command in {denial}"))?;
    let mut words: Vec<&str> = next.split_whitespace().collect();
    for pair in [["--template", "plain"], ["--purpose", "as told"]] {
        let at = words.iter().position(|word| *word == pair[0]);
        words[at.context("a flag is missing")? + 1] = pair[1];
    }
    words.extend(["--name", permit]);
    let args: Vec<&str> = ["permit"].iter().chain(&words).copied().collect();
    let alice = User::person("alice");
    let asked = stage.plane().kubectl(&alice, &args, None);
    ended(&asked.await?, 0, &["created"], &[])?;
    stage.approve(permit, "bob").await?;
    stage.reaches(permit, "Issued").await.map(drop)
}

/// What is denied, is asked for as the denial says, and then passes.
async fn passes_as_told(
    stage: &Stage<'_>,
    permit: &str,
    change: &[&str],
    command: &str,
) -> Result<()> {
    let denial = refused(stage, change, None).await?;
    ensure!(denial.contains(command), "no `{command}` in {denial}");
    asks_as_told(stage, &denial, permit).await?;
    admitted(stage, change, None).await?;
    let reached = stage.reaches(permit, "Succeeded").await?;
    ensure!(text(&reached, "/status/phase") == "Closed", "{reached}");
    Ok(())
}

#[tokio::test]
async fn the_command_in_a_denial_asks_for_what_was_denied_of_a_stateful_set_and_a_cron_job()
-> Result<()> {
    told(async {
        let objects = [("StatefulSet", "apps/v1"), ("CronJob", "batch/v1")];
        let stage = with("as-told", &objects.map(|kind| manifest(kind, "shop/app:1"))).await?;
        let image = ["set", "image", "sts/statefulset", "app=shop/app:2"];
        let command = "request sts/statefulset --image app=shop/app:2 -n as-told";
        passes_as_told(&stage, "rolls-sts", &image, command).await?;
        let image = ["set", "image", "cronjob/cronjob", "app=shop/app:2"];
        let command = "request cj/cronjob --image app=shop/app:2 -n as-told";
        passes_as_told(&stage, "rolls-cj", &image, command).await?;
        let scale = ["scale", "sts/statefulset", "--replicas=1"];
        let command = "request sts/statefulset --operation Scale -n as-told";
        passes_as_told(&stage, "scales-sts", &scale, command).await?;
        // The tree shows how each stands.
        let tree = typed(&stage, "alice", "get rolls-sts").await?;
        ended(
            &tree,
            0,
            &["statefulset", "StatefulSet", "revision ", "shop/app:2; "],
            &[],
        )?;
        let tree = typed(&stage, "alice", "get rolls-cj").await?;
        ended(
            &tree,
            0,
            &["cronjob", "CronJob", "scheduled", "shop/app:2; 0 0 1 1 *"],
            &[],
        )
    })
    .await
}

#[tokio::test]
async fn the_command_in_a_denial_asks_leave_to_look_into_a_pod() -> Result<()> {
    told(async {
        let stage = enrolled("looks-in").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        let pods = stage.get("pods").await?;
        let pod = text(&pods, "/items/0/metadata/name").to_owned();
        let debug = [
            "debug",
            &pod,
            "--image=busybox",
            "--container=looks",
            "--attach=false",
        ];
        let command = format!("request pod/{pod} --operation Diagnose -n looks-in");
        passes_as_told(&stage, "looks", &debug, &command).await?;
        let tree = typed(&stage, "alice", "get looks").await?;
        ended(&tree, 0, &[&pod, "Pod", "Running"], &[])
    })
    .await
}

#[tokio::test]
async fn one_file_of_many_kinds_is_checked_asked_for_and_applied() -> Result<()> {
    told(async {
        let stage = enrolled("many-kinds").await?;
        stage.apply(PLAIN_TEMPLATE).await?;
        let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  \
            minReplicas: 1\n  maxReplicas: 3\n  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: statefulset}\n";
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: none}\nspec: {clusterIP: None}\n".to_owned();
        let kinds = [("StatefulSet", "apps/v1"), ("DaemonSet", "apps/v1"), ("ReplicationController", "v1"),
            ("Job", "batch/v1"), ("CronJob", "batch/v1")];
        let all: Vec<String> = kinds.iter().map(|kind| manifest(*kind, "shop/app:1")).chain([scaler.to_owned()]).collect();
        let file = all.join("---\n");
        let with_service = format!("{file}---\n{service}");
        let foretold = plugin_fed(&stage, "alice", &["check", "-f", "-"], Some(&with_service)).await?;
        let objects = ["statefulset.apps/statefulset", "daemonset.apps/daemonset", "replicationcontroller/replicationcontroller",
            "job.batch/job", "cronjob.batch/cronjob", "horizontalpodautoscaler.autoscaling/web"];
        ended(&foretold, 10, &objects, &["1 objects of other kinds are not gated"])?;
        let request = ["request", "-f", "-", "--template=plain", "--purpose=all of it", "--name=all",
            "--operation=DatabaseMigration", "--recurring=* * * * *;2m;Europe/Berlin"];
        let asked = plugin_fed(&stage, "alice", &request, Some(&file)).await?;
        ended(&asked, 0, &["permit.permits.dev/all created"], &[])?;
        let made = stage.get("permit/all").await?;
        ensure!(made.pointer("/spec/targets").and_then(|t| t.as_array()).map(Vec::len) == Some(6), "{made}");
        let recurring = json!([{"cron": "* * * * *", "duration": "2m", "zone": "Europe/Berlin"}]);
        ensure!(made.pointer("/spec/schedule/recurring") == Some(&recurring), "{made}");
        stage.approve("all", "bob").await?;
        stage.reaches("all", "Issued").await?;
        admitted(&stage, &["apply", "-f", "-"], Some(&file)).await?;
        stage.reaches("all", "Succeeded").await?;
        let tree = plugin(&stage, "alice", &["get", "all"]).await?;
        ended(&tree, 0, &["DaemonSet", "Job", "HorizontalPodAutoscaler", "StatefulSet/statefulset, from 1 to 3"], &[])
    })
    .await
}

/// What is asked for, how it ends, and the words of the error.
const WRONG: [(&str, i32, &[&str]); 6] = [
    (
        "sts/cart --scale=3",
        1,
        &["statefulset `cart` is not found in namespace `no-such-part`"],
    ),
    (
        "ds/daemonset --scale=3",
        1,
        &["daemonset `daemonset` has no replicas"],
    ),
    (
        "daemonset.apps/daemonset --image=x=y:1",
        1,
        &[
            "daemonset `daemonset` has no container `x`",
            "containers: app",
        ],
    ),
    (
        "ds/daemonset",
        1,
        &["nothing is said to change in daemonset `daemonset`"],
    ),
    (
        "svc/web --scale=3",
        2,
        &["`svc` is no kind that is gated", "sts/NAME"],
    ),
    (
        "ds/daemonset --operation=Restart --recurring=never;1h",
        2,
        &["cron `never`"],
    ),
];

#[tokio::test]
async fn what_a_kind_does_not_have_is_told_by_the_name_of_the_kind() -> Result<()> {
    told(async {
        let object = manifest(("DaemonSet", "apps/v1"), "shop/app:1");
        let stage = with("no-such-part", &[object]).await?;
        for (line, code, words) in WRONG {
            let line = format!("request {line} --template=plain --purpose=p");
            ended(&typed(&stage, "alice", &line).await?, code, &[], words)?;
        }
        let words = [
            "permit",
            "__complete",
            "--",
            "request",
            "-n",
            "no-such-part",
            "ds/",
        ];
        let offered = stage
            .plane()
            .kubectl(&User::person("alice"), &words, None)
            .await?;
        ended(&offered, 0, &["ds/daemonset\n:4"], &[])?;
        let line = "check ds/daemonset --image=app=shop/app:2 -ojson";
        let verdicts = read(&typed(&stage, "alice", line).await?)?;
        let object = &verdicts[0]["object"];
        ensure!(object == "daemonset.apps/daemonset", "{verdicts}");
        Ok(())
    })
    .await
}
