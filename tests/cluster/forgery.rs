//! Status that is forged with the operator's own credential gives no power, and what decisions rest on cannot be taken away (threat row 30).

use anyhow::{Context, Result, ensure};
use kube::api::{Api, Patch, PatchParams};
use permit_harness::stage::{self, permit};
use permit_harness::{Stage, User, eventually};
use permit_operator::api::Permit;
use serde_json::{Value, json};

use crate::site::{enrolled, told};

/// Writes a status with the operator's own credential, as somebody who stole it; nobody else's writes are taken.
async fn forge(stage: &Stage<'_>, name: &str, status: &Value) -> Result<()> {
    let thief = User::new("system:serviceaccount:permit-system:permit-operator", &[]);
    let permits: Api<Permit> =
        Api::namespaced(stage.plane().client(&thief).await?, stage.namespace());
    let patch = Patch::Merge(json!({"status": status}));
    permits
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .context("forge a status")
        .map(drop)
}

/// What alice's change to `tag` is answered.
async fn is_denied(stage: &Stage<'_>, tag: &str) -> Result<()> {
    let output = stage.set_image(&User::person("alice"), tag).await?;
    ensure!(!output.is_success(), "admitted by a forged status");
    Ok(())
}

fn issued_for_ever() -> Value {
    json!({"phase": "Issued", "outcome": null, "issuedTime": "2026-01-01T00:00:00Z", "expiresTime": "2099-01-01T00:00:00Z"})
}

#[tokio::test]
async fn a_forged_issuance_admits_nothing_and_is_written_back() -> Result<()> {
    told(async {
        let stage = enrolled("forged-issue").await?;
        stage
            .request(&permit("one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("one", "InReview").await?;
        for _ in 0..3 {
            forge(&stage, "one", &issued_for_ever()).await?;
            is_denied(&stage, "1.5.0").await?;
        }
        let restored = stage.reaches("one", "InReview").await?;
        ensure!(
            restored.pointer("/status/issuedTime").is_none(),
            "{restored}"
        );
        // The way it is meant to go is still open.
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()
            .map(drop)
    })
    .await
}

#[tokio::test]
async fn a_revocation_cannot_be_written_away() -> Result<()> {
    told(async {
        let stage = enrolled("unrevoked").await?;
        stage.issue("one", "1.5.0").await?;
        let revoke = [
            "permit",
            "revoke",
            "one",
            "--cause=Incident",
            "--role=tech-lead",
            "--reason=stop",
        ];
        stage
            .kubectl(&User::person("bob"), &revoke, None)
            .await?
            .ok()?;
        let revoked = stage.reaches("one", "Revoked").await?;
        for _ in 0..3 {
            let mut forged = issued_for_ever();
            forged["revocation"] = Value::Null;
            forged["trace"] =
                json!([{"rule": "approvals", "verdict": "Pass", "because": "forged"}]);
            forge(&stage, "one", &forged).await?;
            is_denied(&stage, "1.5.0").await?;
        }
        let denied = stage.set_image(&User::person("alice"), "1.5.0").await?;
        ensure!(
            denied.stderr.contains("Incident by bob@example.com: stop"),
            "the denial does not say why: {}",
            denied.stderr
        );
        let is_back = || async {
            let now = stage.get("permit/one").await?;
            let told = now.pointer("/status/trace").cloned().unwrap_or_default();
            ensure!(
                now.pointer("/status/issuedTime") == revoked.pointer("/status/issuedTime")
                    && !told.to_string().contains("forged"),
                "{now}"
            );
            Ok(())
        };
        eventually(stage::PATIENCE, "time and trace are written back", is_back).await?;
        let restored = stage.reaches("one", "Revoked").await?;
        let reason = restored
            .pointer("/status/revocation/reason")
            .and_then(Value::as_str);
        ensure!(reason == Some("Incident"), "{restored}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_expired_permit_stays_expired_and_an_issued_one_keeps_its_time() -> Result<()> {
    told(async {
        let stage = enrolled("unexpired").await?;
        let brief = stage::template("brief-window", &[("window: 1h", "window: 20s")]);
        stage.apply(&brief).await?;
        let text = |object: &Value, path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        stage
            .request(&permit("one", "brief-window", "1.5.0"))
            .await?;
        stage.approve("one", "bob").await?;
        let issued = stage.reaches("one", "Issued").await?;
        // Who clears the time of issuance does not get a window that begins anew.
        forge(
            &stage,
            "one",
            &json!({"issuedTime": null, "expiresTime": "2099-01-01T00:00:00Z"}),
        )
        .await?;
        let time_is_back = || async {
            let now = stage.get("permit/one").await?;
            for path in ["/status/issuedTime", "/status/expiresTime"] {
                ensure!(
                    text(&now, path) == text(&issued, path),
                    "{path} is {}",
                    text(&now, path)
                );
            }
            Ok(())
        };
        eventually(stage::PATIENCE, "the times are written back", time_is_back).await?;
        stage.reaches("one", "Expired").await?;
        for _ in 0..3 {
            forge(&stage, "one", &issued_for_ever()).await?;
            is_denied(&stage, "1.5.0").await?;
        }
        stage.reaches("one", "Expired").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn an_approval_is_not_deleted_by_its_author_before_the_permit_is_at_rest() -> Result<()> {
    told(async {
        let stage = enrolled("kept-votes").await?;
        let two = stage::template("two-leads", &[("count: 1", "count: 2")]);
        stage.apply(&two).await?;
        stage.request(&permit("one", "two-leads", "1.5.0")).await?;
        stage.approve("one", "bob").await?;
        let bob = User::person("bob");
        let delete = ["delete", "approval", "one.bob"];
        let refused = stage.kubectl(&bob, &delete, None).await?;
        ensure!(
            !refused.is_success() && refused.stderr.contains("ApprovalProtected"),
            "in review: {}",
            refused.stderr
        );
        let reject = ["permit", "reject", "one", "--role=tech-lead", "--reason=no"];
        stage
            .kubectl(&User::person("carol"), &reject, None)
            .await?
            .ok()?;
        stage.reaches("one", "Rejected").await?;
        // The gate hears of the end a moment after the status shows it.
        let at_rest = || async { stage.kubectl(&bob, &delete, None).await?.ok().map(drop) };
        eventually(
            stage::PATIENCE,
            "the approval may go with the permit at rest",
            at_rest,
        )
        .await
    })
    .await
}

#[tokio::test]
async fn an_issued_permit_keeps_its_revision_when_the_template_is_edited() -> Result<()> {
    told(async {
        let stage = enrolled("outdated").await?;
        stage.apply(&stage::template("edited-later", &[])).await?;
        stage
            .request(&permit("one", "edited-later", "1.5.0"))
            .await?;
        stage.approve("one", "bob").await?;
        let issued = stage.reaches("one", "Issued").await?;
        let stricter = stage::template(
            "edited-later",
            &[("count: 1", "count: 2"), ("window: 1h", "window: 5m")],
        );
        stage.apply(&stricter).await?;
        let is_marked = || async {
            let now = stage.get("permit/one").await?;
            let conditions = now.pointer("/status/conditions").and_then(Value::as_array);
            let marked = conditions
                .context("no conditions")?
                .iter()
                .any(|condition| {
                    condition["type"] == "TemplateOutdated" && condition["status"] == "True"
                });
            ensure!(marked, "{now}");
            Ok(now)
        };
        let marked = eventually(stage::PATIENCE, "the permit is marked", is_marked).await?;
        for path in [
            "/status/phase",
            "/status/templateDigest",
            "/status/digest",
            "/status/expiresTime",
        ] {
            ensure!(
                marked.pointer(path) == issued.pointer(path),
                "{path}: {marked}"
            );
        }
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()
            .map(drop)
    })
    .await
}
