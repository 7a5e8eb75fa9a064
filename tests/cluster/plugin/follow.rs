//! Following a permit: `get`, `list`, `status`, `wait` and `explain`, with the exit codes that scripts rely on.

use anyhow::{Result, ensure};
use permit_harness::stage::permit;
use permit_harness::{Stage, User};

use super::{asks, ended, json, plugin, text};
use crate::site::{enrolled, measured, told};

const LEAD: &str = "--role=tech-lead";
const WHY: &str = "--reason=looked at it";

#[tokio::test]
async fn a_permit_is_followed_to_its_good_end() -> Result<()> {
    told(async {
        let (stage, _example) = measured("followed").await?;
        asks(&stage, "good", "1.5.0").await?;
        stage.reaches("good", "InReview").await?;
        let waits = ["wait", "good", "--for=decided", "--timeout=1s"];
        ended(
            &plugin(&stage, "alice", &waits).await?,
            11,
            &[],
            &[
                "permit `good` is not there yet",
                "next: kubectl permit explain good",
            ],
        )?;
        let status = ["status", "good", "--timeout=1s"];
        ended(
            &plugin(&stage, "alice", &status).await?,
            11,
            &["InReview    - needs 1 of tech-lead"],
            &[],
        )?;
        let watch = ["get", "good", "-w", "--timeout=1s"];
        ended(
            &plugin(&stage, "alice", &watch).await?,
            11,
            &["InReview"],
            &["permit `good` is not at rest yet"],
        )?;
        let story = async {
            plugin(&stage, "bob", &["approve", "good", LEAD, WHY])
                .await?
                .ok()?;
            let active = ["wait", "good", "--for=active", "--timeout=3m"];
            ended(
                &plugin(&stage, "alice", &active).await?,
                0,
                &["permit.permits.dev/good condition met"],
                &[],
            )?;
            let decided = ["wait", "good", "--for=decided", "-ojson"];
            let decided = plugin(&stage, "alice", &decided).await?;
            ended(&decided, 0, &[], &[])?;
            ensure!(text(&json(&decided)?, "/metadata/name") == "good");
            stage.set_image(&User::person("alice"), "1.5.0").await?.ok()
        };
        let (watch, status) = (
            ["get", "good", "-w", "--timeout=5m"],
            ["status", "good", "--timeout=5m"],
        );
        let (drawn, lines, told) = tokio::join!(
            plugin(&stage, "alice", &watch),
            plugin(&stage, "bob", &status),
            story
        );
        told?;
        ended(
            &lines?,
            0,
            &[
                "InReview    - ",
                "Issued      - ",
                "Validating  - ",
                "Closed      - ",
            ],
            &[],
        )?;
        ended(
            &drawn?,
            0,
            &["InReview", "Validating", "Closed, Succeeded"],
            &[],
        )?;
        good_is_shown(&stage).await
    })
    .await
}

async fn good_is_shown(stage: &Stage<'_>) -> Result<()> {
    let tree = plugin(stage, "alice", &["get", "good"]).await?;
    let stages = [
        "Request",
        "Review",
        "Approval",
        "Issuance",
        "Execution",
        "Validation",
        "Closure",
    ];
    ended(&tree, 0, &stages, &[])?;
    let rows = [
        "Level:   2 (quick-deployment)",
        "bob@example.com",
        "tech-lead: \"looked at it\"",
        "error-rate",
        "Healthy",
    ];
    ended(&tree, 0, &rows, &[])?;
    // The namespace may stand on either side of the command.
    for args in [
        ["permit", "-n", "followed", "get", "good"],
        ["permit", "get", "-n", "followed", "good"],
    ] {
        let output = stage
            .plane()
            .kubectl(&User::person("alice"), &args, None)
            .await?;
        ended(&output, 0, &["Closed, Succeeded"], &[])?;
    }
    let object = plugin(stage, "alice", &["get", "good", "-ojson"]).await?;
    ensure!(text(&json(&object)?, "/status/phase") == "Closed");
    let over = plugin(stage, "alice", &["wait", "good", "--for=active"]).await?;
    ended(&over, 12, &["permit.permits.dev/good over"], &["next: "])?;
    let list = plugin(stage, "alice", &["list"]).await?;
    ended(
        &list,
        0,
        &[
            "NAME   TARGET            PHASE    OUTCOME     APPROVALS   EXPIRES   AGE",
            "good   deploy/checkout   Closed   Succeeded   1/1",
        ],
        &[],
    )?;
    let wide = plugin(stage, "alice", &["list", "-owide"]).await?;
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
    let all = plugin(stage, "admin", &["list", "-A", "-ojson"]).await?;
    ensure!(
        json(&all)?["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty()),
        "{}",
        all.stdout
    );
    let denied = plugin(stage, "alice", &["list", "-A"]).await?;
    ended(&denied, 10, &[], &["cannot list resource \"permits\""])?;
    let explained = plugin(stage, "alice", &["explain", "good"]).await?;
    ended(
        &explained,
        0,
        &[
            "Phase      Closed (Succeeded)",
            " 1 ",
            "Conditions",
            "Succeeded",
        ],
        &[],
    )?;
    let explained = plugin(stage, "alice", &["explain", "good", "-ojson"]).await?;
    let explained = json(&explained)?;
    ensure!(
        explained["trace"]
            .as_array()
            .is_some_and(|trace| !trace.is_empty()),
        "{explained}"
    );
    Ok(())
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
        stage
            .apply(&permit_harness::stage::template(
                "blink",
                &[("window: 1h", "window: 1s")],
            ))
            .await?;
        stage.request(&permit("expires", "blink", "1.5.0")).await?;
        stage.approve("expires", "bob").await?;
        let finished = ["wait", "expires", "--for=finished", "--timeout=3m"];
        ended(
            &plugin(&stage, "alice", &finished).await?,
            12,
            &[],
            &["permit `expires` did not succeed: Expired"],
        )?;
        asks(&stage, "refused", "1.5.0").await?;
        stage.reaches("refused", "InReview").await?;
        plugin(&stage, "bob", &["reject", "refused", LEAD, WHY])
            .await?
            .ok()?;
        for args in [
            ["status", "refused", "--timeout=3m"],
            ["wait", "refused", "--for=decided"],
        ] {
            ended(
                &plugin(&stage, "alice", &args).await?,
                12,
                &[],
                &["did not succeed: Rejected"],
            )?;
        }
        let drawn = plugin(&stage, "alice", &["get", "refused", "-w"]).await?;
        ended(&drawn, 0, &["Rejected"], &[])?;
        for args in [
            ["status", "no-such", "--timeout=3m"],
            ["wait", "no-such", "--for=active"],
        ] {
            let absent = plugin(&stage, "alice", &args).await?;
            ended(
                &absent,
                1,
                &[],
                &[
                    "permit `no-such` is not found in namespace `otherwise`",
                    "kubectl permit list",
                ],
            )?;
        }
        for args in [
            ["wait", "refused"].as_slice(),
            &["wait", "refused", "--for=ever"],
            &["frobnicate"],
        ] {
            ensure!(plugin(&stage, "alice", args).await?.status == 2, "{args:?}");
        }
        let stranger = plugin(&stage, "mallory", &["get", "refused"]).await?;
        ended(
            &stranger,
            10,
            &[],
            &["mallory@example.com", "cannot get resource \"permits\""],
        )
    })
    .await
}
