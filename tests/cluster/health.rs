//! The operator's own health: probes, figures, log and Events, as a platform team would look at them.

use anyhow::{Context, Result, ensure};
use permit_harness::{User, eventually, stage};
use serde_json::Value;

use crate::site::{enrolled, site, told};

async fn fetched(path: &str) -> Result<(u16, String)> {
    let url = format!("{}{path}", site().await?.operator.metrics_url());
    let answer = reqwest::get(&url)
        .await
        .with_context(|| format!("get {url}"))?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn a_ready_operator_says_so_and_shows_figures() -> Result<()> {
    told(async {
        for path in ["/healthz", "/livez", "/readyz"] {
            let (code, text) = fetched(path).await?;
            ensure!(
                code == 200 && text.starts_with("ok"),
                "{path}: {code} {text}"
            );
        }
        let (_, verbose) = fetched("/readyz?verbose").await?;
        for part in ["[+]caches ok", "[+]certificate ok"] {
            ensure!(verbose.contains(part), "{verbose}");
        }
        let (_, figures) = fetched("/metrics").await?;
        for figure in [
            "permit_leader 1",
            "permit_operator_build_info{version=",
            "process_resident_memory_bytes",
        ] {
            ensure!(figures.contains(figure), "no {figure} in:\n{figures}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_metrics_tell_when_the_certificate_expires_and_where_permits_stand() -> Result<()> {
    told(async {
        let stage = enrolled("counted").await?;
        stage
            .request(&stage::permit("waits", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("waits", "InReview").await?;
        let shown = || async {
            let (_, figures) = fetched("/metrics").await?;
            let value = |name: &str| {
                let line = figures.lines().find(|line| line.starts_with(name));
                line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            };
            let expiry = value("permit_webhook_certificate_expiry_timestamp_seconds ");
            ensure!(expiry.is_some_and(|e| e > 1e9), "no expiry: {expiry:?}");
            let waiting = value("permit_permits{level=\"2\",phase=\"InReview\"}");
            ensure!(waiting.is_some_and(|n| n >= 1.0), "no permit: {waiting:?}");
            Ok(())
        };
        eventually(stage::PATIENCE, "the figures are there", shown).await
    })
    .await
}

#[tokio::test]
async fn a_denial_is_logged_under_the_decision_id_that_the_user_was_told() -> Result<()> {
    told(async {
        let stage = enrolled("logged").await?;
        let denied = stage.set_image(&User::person("alice"), "1.5.0").await?;
        let id = denied
            .stderr
            .lines()
            .find_map(|line| line.trim().strip_prefix("decision "))
            .context("no decision id")?
            .trim()
            .to_owned();
        let log = std::fs::read_to_string(site().await?.operator.log())?;
        let line = log
            .lines()
            .find(|line| line.contains(&id))
            .context("the decision is not in the log")?;
        let line: Value = serde_json::from_str(line).context("the log is no JSON")?;
        ensure!(
            line["verdict"] == "deny" && line["code"] == "PermitRequired",
            "{line}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn events_tell_the_story_on_permit_and_workload() -> Result<()> {
    told(async {
        let stage = enrolled("told").await?;
        let quick = stage::template("unwatched", &[("soak: 5s", "soak: 1s")]);
        let unwatched = quick.split("    checks:").next().context("no checks")?;
        stage.apply(unwatched).await?;
        stage
            .request(&stage::permit("shown", "unwatched", "1.5.0"))
            .await?;
        stage.approve("shown", "bob").await?;
        stage.reaches("shown", "Issued").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        stage.reaches("shown", "Succeeded").await?;
        let seen = || async {
            let events = stage.get("events.events.k8s.io").await?;
            let reasons = |kind: &str| -> Vec<String> {
                let all = events["items"].as_array().into_iter().flatten();
                all.filter(|e| e["regarding"]["kind"] == kind)
                    .filter_map(|e| e["reason"].as_str().map(str::to_owned))
                    .collect()
            };
            let on_permit = reasons("Permit");
            for reason in [
                "ReviewStarted",
                "PermitApproved",
                "PermitIssued",
                "ExecutionStarted",
                "ValidationStarted",
                "PermitClosed",
            ] {
                ensure!(on_permit.iter().any(|r| r == reason), "{on_permit:?}");
            }
            let on_workload = reasons("Deployment");
            for reason in ["ExecutionStarted", "PermitClosed"] {
                ensure!(on_workload.iter().any(|r| r == reason), "{on_workload:?}");
            }
            Ok(())
        };
        eventually(stage::PATIENCE, "the Events are there", seen).await
    })
    .await
}
