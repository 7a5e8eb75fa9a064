//! `kubectl permit request`: what would change is worked out against the live object, and nothing more is asked for.

use anyhow::{Result, ensure};
use permit_harness::stage::permit;
use permit_harness::{Stage, User};
use serde_json::json;

use super::{ended, json as read, plugin, plugin_fed, text, typed};
use crate::site::{enrolled, site, told};

const TEMPLATE: [&str; 2] = ["--template=quick-deployment", "--purpose=try it"];

fn request<'a>(args: &[&'a str]) -> Vec<&'a str> {
    ["request"]
        .iter()
        .chain(args)
        .chain(&TEMPLATE)
        .copied()
        .collect()
}

#[tokio::test]
async fn a_request_names_what_changes_and_says_what_is_next() -> Result<()> {
    told(async {
        let stage = enrolled("asks").await?;
        let image = ["deploy/checkout", "--image=checkout=shop/checkout:1.5.0", "--scale=3", "--name=one"];
        let asked = plugin(&stage, "alice", &request(&image)).await?;
        let next = ["needs   1 of tech-lead or engineering-manager; not you", "kubectl permit status one -n asks"];
        ended(&asked, 0, &["permit.permits.dev/one created\n"], &next)?;
        let made = stage.get("permit/one").await?;
        let targets = json!([{"kind": "Deployment", "name": "checkout", "images": {"checkout": "shop/checkout:1.5.0"}, "operations": ["Scale"]}]);
        ensure!(made.pointer("/spec/targets") == Some(&targets), "{made}");
        ensure!(text(&made, "/spec/requestedBy/username") == "alice@example.com", "{made}");
        let again = plugin(&stage, "alice", &request(&image)).await?;
        ended(&again, 1, &[], &["error: permits.permits.dev \"one\" already exists"])?;
        // What is not there, not asked for, or not allowed is told with what to do.
        let absent = plugin(&stage, "alice", &request(&["deploy/cart", "--scale=3"])).await?;
        ended(&absent, 1, &[], &["deployment `cart` is not found in namespace `asks`", "next: "])?;
        let container = plugin(&stage, "alice", &request(&["deploy/checkout", "--image=app=a:1"])).await?;
        ended(&container, 1, &[], &["has no container `app`", "name one of its containers: checkout"])?;
        let nothing = plugin(&stage, "alice", &request(&["deploy/checkout"])).await?;
        ended(&nothing, 1, &[], &["nothing is said to change", "--image CONTAINER=IMAGE"])?;
        let same = plugin(&stage, "alice", &request(&["deploy/checkout", "--scale=2"])).await?;
        ended(&same, 1, &[], &["already as asked", "no permit is needed"])?;
        let usage = plugin(&stage, "alice", &["request", "deploy/checkout", "--scale=3"]).await?;
        ended(&usage, 2, &[], &["--template", "Usage: kubectl permit request"])?;
        let denied = plugin(&stage, "bob", &request(&["deploy/checkout", "--scale=3"])).await?;
        ended(&denied, 10, &[], &["cannot create resource \"permits\""])
    })
    .await
}

const CHANGE: &str = "request deploy/checkout --image=checkout=shop/checkout:1.5.0 --template=quick-deployment \
    --purpose=testing --name=one";

#[tokio::test]
async fn a_request_as_a_file_can_be_applied() -> Result<()> {
    told(async {
        let stage = enrolled("files").await?;
        let (alice, apply) = (User::person("alice"), ["apply", "-f", "-"]);
        for how in ["--dry-run=client -ojson", "--dry-run=server -oyaml"] {
            let file = typed(&stage, "alice", &format!("{CHANGE} {how}")).await?;
            ended(&file, 0, &["shop/checkout:1.5.0"], &[])?;
            for part in [
                "uid",
                "resourceVersion",
                "managedFields",
                "requestedBy",
                "status",
            ] {
                ensure!(
                    !file.stdout.contains(part),
                    "{part} in the file:\n{}",
                    file.stdout
                );
            }
            let applied = stage.kubectl(&alice, &apply, Some(&file.stdout)).await?;
            ended(&applied, 0, &["permit.permits.dev/one created"], &[])?;
            let again = stage.kubectl(&alice, &apply, Some(&file.stdout)).await?;
            ended(&again, 0, &["permit.permits.dev/one unchanged"], &[])?;
            stage.reaches("one", "InReview").await?;
            stage
                .kubectl(&alice, &["delete", "permit", "one"], None)
                .await?
                .ok()?;
        }
        let stored = typed(&stage, "alice", &format!("{CHANGE} -ojson")).await?;
        ended(
            &stored,
            0,
            &[],
            &["permit.permits.dev/one created; --dry-run=client"],
        )?;
        ensure!(text(&read(&stored)?, "/metadata/name") == "one");
        stage.reaches("one", "InReview").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_dry_run_is_judged_and_stores_nothing() -> Result<()> {
    told(async {
        let stage = enrolled("rehearsed").await?;
        let rehearsed = typed(&stage, "alice", &format!("{CHANGE} --dry-run=server")).await?;
        ended(
            &rehearsed,
            0,
            &["permit.permits.dev/one created (server dry run)"],
            &[],
        )?;
        let shown = typed(&stage, "alice", &format!("{CHANGE} --dry-run=client")).await?;
        ended(
            &shown,
            0,
            &["permit.permits.dev/one created (dry run)"],
            &[],
        )?;
        let unusable = CHANGE.replace("quick-deployment", "no-such");
        let unusable = typed(&stage, "alice", &format!("{unusable} --dry-run=server")).await?;
        ended(
            &unusable,
            10,
            &[],
            &["error: TemplateNotFound", "next: name one that is there"],
        )?;
        let list = ["get", "permits", "-oname"];
        let none = stage.kubectl(&User::admin(), &list, None).await?.ok()?;
        ensure!(none.is_empty(), "stored: {none}");
        Ok(())
    })
    .await
}

fn workload(name: &str, tag: &str, env: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         volumes: []\n      containers:\n      - {{name: app, image: 'shop/{name}:{tag}', command: [], ports: []{env}}}\n"
    )
}

/// Asks with a file, has it approved, and applies that very file.
async fn goes_through(stage: &Stage<'_>, name: &str, file: &str) -> Result<serde_json::Value> {
    let named = format!("--name={name}");
    let asked = plugin_fed(stage, "alice", &request(&["-f", "-", &named]), Some(file)).await?;
    ended(&asked, 0, &["created"], &[])?;
    stage.approve(name, "bob").await?;
    stage.reaches(name, "Issued").await?;
    let apply = ["apply", "-f", "-"];
    stage
        .kubectl(&User::person("alice"), &apply, Some(file))
        .await?
        .ok()?;
    stage.get(&format!("permit/{name}")).await
}

#[tokio::test]
async fn an_empty_list_in_a_file_is_the_difference_that_applying_it_makes() -> Result<()> {
    told(async {
        let stage = Stage::set(site().await?.plane, "lists").await?;
        let set = |name: &str| {
            format!(
                "{}\n",
                workload(name, "1", ", env: [{name: MODE, value: fast}]")
            )
        };
        let apply = ["apply", "-f", "-"];
        for before in [set("filled"), workload("bare", "1", "")] {
            stage
                .kubectl(&User::admin(), &apply, Some(&before))
                .await?
                .ok()?;
        }
        stage.enrol().await?;
        // Empty in the file and absent in the cluster: only the image changes.
        let bare = goes_through(&stage, "bare", &workload("bare", "2", ", env: []")).await?;
        let images = json!({"app": "shop/bare:2"});
        ensure!(
            bare.pointer("/spec/targets/0/images") == Some(&images),
            "{bare}"
        );
        // Empty in the file and filled in the cluster: what was applied before goes.
        let filled = goes_through(&stage, "filled", &workload("filled", "1", ", env: []")).await?;
        let digest = text(&filled, "/spec/targets/0/podTemplateDigest");
        ensure!(digest.starts_with("sha256:"), "{filled}");
        let live = stage.get("deploy/filled").await?;
        ensure!(
            live.pointer("/spec/template/spec/containers/0/env")
                .is_none(),
            "{live}"
        );
        // The same in the file and in the cluster: nothing to ask for.
        let same = workload("bare", "2", ", env: []");
        let args = request(&["-f", "-"]);
        let unchanged = plugin_fed(&stage, "alice", &args, Some(&same)).await?;
        ended(&unchanged, 1, &[], &["already as asked"])?;
        let server_side = request(&["-f", "-", "--server-side", "--force-conflicts"]);
        let unchanged = plugin_fed(&stage, "alice", &server_side, Some(&same)).await?;
        ended(&unchanged, 1, &[], &["already as asked"])
    })
    .await
}

#[tokio::test]
async fn a_file_is_read_with_its_mistakes_told() -> Result<()> {
    told(async {
        let stage = enrolled("manifests").await?;
        let args = request(&["-f", "-"]);
        let none = plugin_fed(&stage, "alice", &args, Some(&permit("x", "y", "1"))).await?;
        ended(
            &none,
            1,
            &[],
            &["holds no workload that is gated", "next: "],
        )?;
        let broken = plugin_fed(&stage, "alice", &args, Some("a: [")).await?;
        ended(&broken, 1, &[], &["read the manifests in `-`"])?;
        let elsewhere =
            workload("bare", "1", "").replace("{name: bare}", "{name: bare, namespace: other}");
        let elsewhere = plugin_fed(&stage, "alice", &args, Some(&elsewhere)).await?;
        ended(
            &elsewhere,
            1,
            &[],
            &["the file says namespace `other`, the flag `manifests`"],
        )?;
        let missing = plugin(&stage, "alice", &request(&["-f", "/no/such/file"])).await?;
        ended(&missing, 1, &[], &["read `/no/such/file`: No such file"])?;
        // A workload that is not there yet is asked for by its whole template.
        let new = plugin_fed(
            &stage,
            "alice",
            &request(&["-f", "-", "--name=new"]),
            Some(&workload("new", "1", "")),
        )
        .await?;
        ended(&new, 0, &["created"], &[])?;
        let made = stage.get("permit/new").await?;
        ensure!(
            text(&made, "/spec/targets/0/podTemplateDigest").starts_with("sha256:"),
            "{made}"
        );
        Ok(())
    })
    .await
}
