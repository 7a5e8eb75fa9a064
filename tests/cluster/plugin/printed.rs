//! `-o json`, of every command that nobody else here asks for it: one document a result on stdout, and nothing else.

use anyhow::{Context as _, Result, ensure};
use permit_harness::{Output, Stage, User, eventually, stage};
use serde_json::Value;

use super::{asks, json, text, typed};
use crate::site::{enrolled, told};

/// What the command prints, which has to be one document.
async fn printed(stage: &Stage<'_>, who: &str, line: &str) -> Result<Value> {
    let output = typed(stage, who, &format!("{line} -ojson")).await?;
    output.clone().ok()?;
    json(&output)
}

/// One Approval, as it was stored.
async fn decides(stage: &Stage<'_>, who: &str, line: &str, decision: &str) -> Result<()> {
    let approval = printed(stage, who, line).await?;
    ensure!(
        text(&approval, "/kind") == "Approval"
            && text(&approval, "/spec/decision") == decision
            && !text(&approval, "/metadata/uid").is_empty(),
        "{line}: {approval}"
    );
    Ok(())
}

/// The documents on stdout, one after the other.
fn documents(output: &Output) -> Result<Vec<Value>> {
    let all = serde_json::Deserializer::from_str(&output.stdout).into_iter();
    let all: Vec<Value> = all
        .collect::<Result<_, _>>()
        .context(output.stdout.clone())?;
    ensure!(!all.is_empty(), "nothing is printed: {}", output.stderr);
    Ok(all)
}

#[tokio::test]
async fn every_decision_prints_the_approval_that_was_stored() -> Result<()> {
    told(async {
        let stage = enrolled("printed").await?;
        for (name, tag) in [
            ("changed", "1.5.1"),
            ("refused", "1.5.2"),
            ("taken-back", "1.5.3"),
            ("ended", "1.5.4"),
        ] {
            asks(&stage, name, tag).await?;
            stage.reaches(name, "InReview").await?;
        }
        let lead = "--role=tech-lead --reason=ok";
        decides(
            &stage,
            "bob",
            &format!("request-changes changed {lead}"),
            "RequestChanges",
        )
        .await?;
        decides(&stage, "bob", &format!("reject refused {lead}"), "Reject").await?;
        decides(&stage, "alice", "cancel ended --reason=over", "Cancel").await?;
        stage
            .apply(&stage::template("two-in-json", &[("count: 1", "count: 2")]))
            .await?;
        stage
            .request(&stage::permit("two", "two-in-json", "1.5.5"))
            .await?;
        stage.reaches("two", "InReview").await?;
        decides(&stage, "bob", &format!("approve two {lead}"), "Approve").await?;
        decides(&stage, "bob", "withdraw two --reason=no", "Withdraw").await?;
        decides(
            &stage,
            "bob",
            &format!("approve taken-back {lead}"),
            "Approve",
        )
        .await?;
        stage.reaches("taken-back", "Issued").await?;
        decides(
            &stage,
            "bob",
            &format!("revoke taken-back {lead} --cause=Incident"),
            "Revoke",
        )
        .await?;
        // What follows a permit prints the permit, and says how it ended by its exit code all the same.
        let status = typed(&stage, "alice", "status taken-back -ojson").await?;
        ensure!(status.status == 12, "{status:?}");
        let last = documents(&status)?.pop().context("nothing")?;
        ensure!(
            text(&last, "/kind") == "Permit" && text(&last, "/status/phase") == "Revoked",
            "{last}"
        );
        let watched = typed(&stage, "alice", "get taken-back -w -ojson").await?;
        ensure!(watched.status == 0, "{watched:?}");
        let last = documents(&watched)?.pop().context("nothing")?;
        ensure!(text(&last, "/metadata/name") == "taken-back", "{last}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_resumption_and_a_completion_script_are_printed_too() -> Result<()> {
    told(async {
        let stage = enrolled("resumed").await?;
        let holding = [(
            "scrapeInterval: 1s",
            "scrapeInterval: 1s\n        unknownDeadline: 2s",
        )];
        stage
            .apply(&stage::template("holds-in-json", &holding))
            .await?;
        stage
            .request(&stage::permit("one", "holds-in-json", "1.5.0"))
            .await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        let line = "resume one --role=tech-lead --reason=ok";
        let resumes = || decides(&stage, "bob", line, "Resume");
        eventually(stage::PATIENCE, "the guard holds and bob resumes", resumes).await?;
        let output = typed(&stage, "alice", "completion bash -ojson").await?;
        let script = json(&output)?;
        ensure!(
            text(&script, "/shell") == "bash"
                && text(&script, "/script").contains("kubectl-permit"),
            "{script}"
        );
        Ok(())
    })
    .await
}
