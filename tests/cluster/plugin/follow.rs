//! Following a permit: `get`, `list`, `status`, `wait` and `explain`, with the exit codes that scripts rely on.

use anyhow::{Result, ensure};
use permit_harness::stage::permit;
use permit_harness::{Stage, User};

use super::{asks, ended, json, plugin, text, typed};
use crate::site::{enrolled, measured, told};

#[tokio::test]
async fn who_waits_too_short_is_told_that_it_goes_on() -> Result<()> {
    told(async {
        let stage = enrolled("patience").await?;
        asks(&stage, "open", "1.5.0").await?;
        stage.reaches("open", "InReview").await?;
        let waits = typed(&stage, "alice", "wait open --for=decided --timeout=1s").await?;
        let told = [
            "permit `open` is not there yet",
            "next: kubectl permit explain open",
        ];
        ended(&waits, 11, &[], &told)?;
        let status = typed(&stage, "alice", "status open --timeout=1s").await?;
        ended(&status, 11, &["InReview    - needs 1 of tech-lead"], &[])?;
        let watch = typed(&stage, "alice", "get open -w --timeout=1s").await?;
        ended(
            &watch,
            11,
            &["InReview"],
            &["permit `open` is not at rest yet"],
        )
    })
    .await
}

#[tokio::test]
async fn a_permit_is_followed_to_its_good_end() -> Result<()> {
    told(async {
        let (stage, _example) = measured("followed").await?;
        asks(&stage, "good", "1.5.0").await?;
        stage.reaches("good", "InReview").await?;
        let story = async {
            typed(
                &stage,
                "bob",
                "approve good --role=tech-lead --reason=reviewed",
            )
            .await?
            .ok()?;
            let active = typed(&stage, "alice", "wait good --for=active --timeout=3m").await?;
            ended(&active, 0, &["permit.permits.dev/good condition met"], &[])?;
            let decided = typed(&stage, "alice", "wait good --for=decided -ojson").await?;
            ensure!(
                text(&json(&decided)?, "/metadata/name") == "good",
                "{decided:?}"
            );
            stage.set_image(&User::person("alice"), "1.5.0").await?.ok()
        };
        let (drawn, lines, told) = tokio::join!(
            typed(&stage, "alice", "get good -w --timeout=5m"),
            typed(&stage, "bob", "status good --timeout=5m"),
            story
        );
        told?;
        // Both begin when they can: what came before is not theirs to tell.
        ended(&lines?, 0, &["Validating  - ", "Closed      - "], &[])?;
        ended(&drawn?, 0, &["Validating", "Closed, Succeeded"], &[])?;
        is_drawn(&stage).await?;
        is_listed(&stage).await
    })
    .await
}

/// The closed permit as a picture, an object and an explanation.
async fn is_drawn(stage: &Stage<'_>) -> Result<()> {
    let tree = typed(stage, "alice", "get good").await?;
    let stages = "Request -- + Review -- + Approval -- + Issuance -- + Execution -- + Validation -- + Closure";
    let line = tree.stdout.replace('✔', "+").replace("──", "--");
    ensure!(line.contains(stages), "{}", tree.stdout);
    let rows = [
        "Level:   2 (quick-deployment)",
        "bob@example.com",
        "tech-lead: \"reviewed\"",
        "error-rate",
        "Healthy",
    ];
    ended(&tree, 0, &rows, &[])?;
    // The namespace may stand on either side of the command.
    for line in ["permit -n followed get good", "permit get -n followed good"] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = stage
            .plane()
            .kubectl(&User::person("alice"), &words, None)
            .await?;
        ended(&output, 0, &["Closed, Succeeded"], &[])?;
    }
    let object = typed(stage, "alice", "get good -ojson").await?;
    ensure!(
        text(&json(&object)?, "/status/phase") == "Closed",
        "{object:?}"
    );
    let explained = typed(stage, "alice", "explain good").await?;
    ended(
        &explained,
        0,
        &["Phase      Closed (Succeeded)", " 1 ", "Conditions"],
        &[],
    )?;
    let explained = json(&typed(stage, "alice", "explain good -ojson").await?)?;
    let trace = explained["trace"].as_array();
    ensure!(trace.is_some_and(|trace| !trace.is_empty()), "{explained}");
    Ok(())
}

/// The closed permit among others, and what is over.
async fn is_listed(stage: &Stage<'_>) -> Result<()> {
    let over = typed(stage, "alice", "wait good --for=active").await?;
    ended(&over, 12, &["permit.permits.dev/good over"], &["next: "])?;
    let list = typed(stage, "alice", "list").await?;
    let rows = [
        "NAME   TARGET            PHASE    OUTCOME     APPROVALS   EXPIRES   AGE",
        "good   deploy/checkout   Closed   Succeeded   1/1",
    ];
    ended(&list, 0, &rows, &[])?;
    let wide = typed(stage, "alice", "list -owide").await?;
    ended(
        &wide,
        0,
        &[
            "REQUESTER",
            "alice@example.com",
            "checkout=shop/checkout:1.5.0",
        ],
        &[],
    )?;
    let all = json(&typed(stage, "admin", "list -A -ojson").await?)?;
    ensure!(
        all["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty()),
        "{all}"
    );
    let denied = typed(stage, "alice", "list -A").await?;
    ended(
        &denied,
        10,
        &[],
        &["cannot list resource \"permits\"", "next: "],
    )
}

#[tokio::test]
async fn a_breach_is_told_by_its_own_exit_code() -> Result<()> {
    told(async {
        let (stage, _example) = measured("breached").await?;
        asks(&stage, "bad", "1.6.0").await?;
        stage.approve("bad", "bob").await?;
        stage.reaches("bad", "Issued").await?;
        let status = ["status", "bad", "--timeout=5m"];
        let story = async { stage.set_image(&User::person("alice"), "1.6.0").await?.ok() };
        let (lines, changed) = tokio::join!(plugin(&stage, "bob", &status), story);
        changed?;
        let lines = lines?;
        ended(
            &lines,
            13,
            &["Revoked     - ", "RolledBack"],
            &[
                "error: permit `bad` did not succeed: Revoked (SafetyViolation)",
                "next: ",
            ],
        )?;
        let finished = plugin(&stage, "bob", &["wait", "bad", "--for=finished"]).await?;
        ended(&finished, 13, &["permit.permits.dev/bad over"], &[])
    })
    .await
}

#[tokio::test]
async fn what_ends_otherwise_has_another_exit_code() -> Result<()> {
    told(async {
        let stage = enrolled("otherwise").await?;
        let blink = permit_harness::stage::template("blink", &[("window: 1h", "window: 1s")]);
        stage.apply(&blink).await?;
        stage.request(&permit("expires", "blink", "1.5.0")).await?;
        stage.approve("expires", "bob").await?;
        let expired = typed(&stage, "alice", "wait expires --for=finished --timeout=3m").await?;
        ended(
            &expired,
            12,
            &[],
            &["permit `expires` did not succeed: Expired"],
        )?;
        asks(&stage, "refused", "1.5.0").await?;
        stage.reaches("refused", "InReview").await?;
        typed(&stage, "bob", "reject refused --role=tech-lead --reason=no")
            .await?
            .ok()?;
        for line in ["status refused --timeout=3m", "wait refused --for=decided"] {
            let output = typed(&stage, "alice", line).await?;
            ended(&output, 12, &[], &["did not succeed: Rejected"])?;
        }
        let drawn = typed(&stage, "alice", "get refused -w").await?;
        ended(&drawn, 0, &["Rejected"], &[])
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_followed_is_told_with_what_to_do() -> Result<()> {
    told(async {
        let stage = enrolled("absent").await?;
        for line in ["status no-such --timeout=3m", "wait no-such --for=active"] {
            let absent = typed(&stage, "alice", line).await?;
            let told = [
                "permit `no-such` is not found in namespace `absent`",
                "kubectl permit list",
            ];
            ended(&absent, 1, &[], &told)?;
        }
        for line in ["wait one", "wait one --for=ever", "frobnicate", "get"] {
            ensure!(typed(&stage, "alice", line).await?.status == 2, "{line}");
        }
        let stranger = typed(&stage, "mallory", "get one").await?;
        let told = [
            "mallory@example.com",
            "cannot get resource \"permits\"",
            "next: ",
        ];
        ended(&stranger, 10, &[], &told)
    })
    .await
}
