//! `kubectl permit check`: the gate's own verdict on a change that is not made, which is what it then says to the change.

use anyhow::{Result, ensure};
use permit_harness::stage::deployment;
use permit_harness::{Stage, User};
use serde_json::{Value, json};

use super::{ended, json as read, plugin, plugin_fed};
use crate::site::{enrolled, site, told};

/// What the plugin foretells for a tag, and what the gate then says: the same.
async fn agrees(stage: &Stage<'_>, who: &str, tag: &str, code: i32, word: &str) -> Result<()> {
    let image = format!("--image=checkout=shop/checkout:{tag}");
    let foretold = plugin(stage, who, &["check", "deploy/checkout", &image]).await?;
    ended(&foretold, code, &["deployment.apps/checkout", word], &[])?;
    let before = stage.image().await?;
    let real = stage.set_image(&User::person(who), tag).await?;
    ensure!(
        real.is_success() == (code == 0),
        "{foretold:?} but {real:?}"
    );
    ensure!(
        code == 0 || stage.image().await? == before,
        "changed although denied"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_foretold_is_what_the_gate_then_says() -> Result<()> {
    told(async {
        let stage = enrolled("foretold").await?;
        agrees(&stage, "alice", "1.5.0", 10, "denied      PermitRequired").await?;
        stage
            .request(&permit_harness::stage::permit(
                "one",
                "quick-deployment",
                "1.5.0",
            ))
            .await?;
        stage.reaches("one", "InReview").await?;
        agrees(&stage, "alice", "1.5.0", 10, "denied      PermitPending").await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        agrees(&stage, "alice", "1.7.0", 10, "denied").await?;
        // Who may not write Deployments at all is denied by the API server, and told so.
        agrees(&stage, "bob", "1.5.0", 10, "forbidden").await?;
        agrees(&stage, "alice", "1.5.0", 0, "admitted").await?;
        let nothing = plugin(&stage, "alice", &["check", "deploy/checkout"]).await?;
        ended(&nothing, 1, &[], &["nothing is said to change", "next: "])
    })
    .await
}

#[tokio::test]
async fn each_object_of_a_file_is_told_on_a_line_of_its_own() -> Result<()> {
    told(async {
        let stage = enrolled("tables").await?;
        let file = [
            deployment("tables", "1.4.2"),
            deployment("tables", "1.9.0").replace("name: checkout,", "name: cart,"),
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n".to_owned(),
        ]
        .join("---\n");
        let args = ["check", "-f", "-"];
        let table = plugin_fed(&stage, "alice", &args, Some(&file)).await?;
        ended(
            &table,
            10,
            &[
                "deployment.apps/checkout   not gated",
                "deployment.apps/cart       denied      PermitRequired",
            ],
            &["1 objects of other kinds are not gated"],
        )?;
        let args = ["check", "-f", "-", "-ojson"];
        let listed = plugin_fed(&stage, "alice", &args, Some(&file)).await?;
        ended(&listed, 10, &[], &[])?;
        let verdicts = read(&listed)?;
        ensure!(verdicts[0]["verdict"] == "NotGated", "{verdicts}");
        ensure!(
            verdicts[1]["verdict"] == "Deny" && verdicts[1]["code"] == "PermitRequired",
            "{verdicts}"
        );
        let names = plugin_fed(
            &stage,
            "alice",
            &["check", "-f", "-", "-oname"],
            Some(&file),
        )
        .await?;
        ended(
            &names,
            10,
            &["deployment.apps/checkout\ndeployment.apps/cart\n"],
            &[],
        )
    })
    .await
}

#[tokio::test]
async fn where_the_gate_only_reports_a_change_is_foretold_as_admitted() -> Result<()> {
    told(async {
        let stage = Stage::set(site().await?.plane, "reported").await?;
        stage.enrol().await?;
        let warn = [
            "label",
            "--overwrite",
            "namespace",
            "reported",
            "permits.dev/gate=warn",
        ];
        stage
            .plane()
            .kubectl(&User::admin(), &warn, None)
            .await?
            .ok()?;
        let args = [
            "check",
            "deploy/checkout",
            "--image=checkout=shop/checkout:1.5.0",
            "-ojson",
        ];
        let look = || async {
            let foretold = read(&plugin(&stage, "alice", &args).await?)?;
            ensure!(foretold[0]["verdict"] == json!("Admit"), "{foretold}");
            Ok(foretold)
        };
        let foretold: Value = permit_harness::eventually(
            permit_harness::stage::PATIENCE,
            "the gate warns only",
            look,
        )
        .await?;
        let why = foretold[0]["message"].as_str().unwrap_or_default();
        ensure!(
            why.contains("mode Warn reports only") && why.contains("PermitRequired"),
            "{foretold}"
        );
        agrees(&stage, "alice", "1.5.0", 0, "admitted").await
    })
    .await
}
