//! Decisions: each by the person who may, once, and told with what came of it; by others refused with exit code 10.

use anyhow::{Context as _, Result, ensure};
use permit_harness::stage::{self, PATIENCE};
use permit_harness::{User, eventually};
use serde_json::Value;

use super::{asks, ended, json, plugin, text};
use crate::site::{enrolled, told};

const LEAD: &str = "--role=tech-lead";
const WHY: &str = "--reason=looked at it";

#[tokio::test]
async fn a_decision_made_twice_is_no_error_and_no_second_vote() -> Result<()> {
    told(async {
        let stage = enrolled("twice").await?;
        stage
            .apply(&stage::template("two-of-us", &[("count: 1", "count: 2")]))
            .await?;
        let args = [
            "request",
            "deploy/checkout",
            "--image=checkout=shop/checkout:1.5.0",
            "--template=two-of-us",
            "--purpose=try it",
            "--name=one",
        ];
        plugin(&stage, "alice", &args).await?.ok()?;
        let approve = ["approve", "one", LEAD, WHY];
        let own = plugin(&stage, "alice", &approve).await?;
        ended(
            &own,
            10,
            &[],
            &["SelfApprovalBlocked: alice@example.com requested permit one"],
        )?;
        let unheld = plugin(
            &stage,
            "bob",
            &["approve", "one", "--role=engineering-manager", WHY],
        )
        .await?;
        ended(&unheld, 10, &[], &["RoleNotHeld"])?;
        let rehearsed = plugin(
            &stage,
            "bob",
            &["approve", "one", LEAD, WHY, "--dry-run=server"],
        )
        .await?;
        ended(
            &rehearsed,
            0,
            &["permit.permits.dev/one approved (server dry run)"],
            &[],
        )?;
        let first = plugin(&stage, "bob", &approve).await?;
        ended(
            &first,
            0,
            &["permit.permits.dev/one approved (1 of 2 approvals; InReview: needs 1 of"],
            &["next    kubectl permit get one -n twice"],
        )?;
        // Again by the plugin, and of an approval that was written by hand.
        let second = plugin(&stage, "bob", &approve).await?;
        ended(
            &second,
            0,
            &["permit.permits.dev/one already approved by you"],
            &[],
        )?;
        let name = plugin(&stage, "bob", &["approve", "one", LEAD, WHY, "-oname"]).await?;
        ended(&name, 0, &["approval.permits.dev/one."], &[])?;
        let votes = stage
            .kubectl(&User::admin(), &["get", "approvals", "-oname"], None)
            .await?
            .ok()?;
        ensure!(votes.lines().count() == 1, "{votes}");
        let withdrawn = plugin(&stage, "bob", &["withdraw", "one", WHY]).await?;
        ended(
            &withdrawn,
            0,
            &["no longer approved (0 of 2 approvals"],
            &[],
        )?;
        let nothing = plugin(&stage, "carol", &["withdraw", "one", WHY]).await?;
        ended(
            &nothing,
            1,
            &[],
            &["you have not approved permit `one`", "next: "],
        )?;
        stage.approve("one", "carol").await?;
        let by_hand = plugin(&stage, "carol", &approve).await?;
        ended(&by_hand, 0, &["already approved by you"], &[])?;
        // An approval that was taken back can be given again, from the next second on.
        let again = || async {
            plugin(&stage, "bob", &approve).await?.ok()?;
            stage.get("permit/one").await.and_then(|permit| {
                ensure!(text(&permit, "/status/phase") == "Issued", "{permit}");
                Ok(())
            })
        };
        eventually(PATIENCE, "the second approval counts", again).await?;
        // Known by its own object, a decision is printed as JSON too.
        let seen = plugin(&stage, "bob", &["approve", "one", LEAD, WHY, "-ojson"]).await?;
        ended(&seen, 0, &[], &[])?;
        ensure!(text(&json(&seen)?, "/spec/decision") == "Approve");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_decision_ends_or_turns_a_permit_as_its_name_says() -> Result<()> {
    told(async {
        let stage = enrolled("turns").await?;
        for (name, tag) in [
            ("sent-back", "1.5.0"),
            ("refused", "1.5.1"),
            ("dropped", "1.5.2"),
        ] {
            asks(&stage, name, tag).await?;
            stage.reaches(name, "InReview").await?;
        }
        let changes = plugin(
            &stage,
            "bob",
            &[
                "request-changes",
                "sent-back",
                LEAD,
                "--reason=name the ticket",
            ],
        )
        .await?;
        ended(
            &changes,
            0,
            &["sent back for changes (ChangesRequested", "name the ticket"],
            &[],
        )?;
        let rejected = plugin(&stage, "bob", &["reject", "refused", LEAD, WHY]).await?;
        ended(
            &rejected,
            0,
            &["permit.permits.dev/refused rejected (Rejected"],
            &[],
        )?;
        let twice = plugin(&stage, "bob", &["reject", "refused", LEAD, WHY]).await?;
        ended(&twice, 0, &["already rejected by you"], &[])?;
        let late = plugin(&stage, "carol", &["approve", "refused", LEAD, WHY]).await?;
        ended(
            &late,
            12,
            &[],
            &[
                "permit `refused` is Rejected",
                "a new change needs a new permit",
            ],
        )?;
        let other = plugin(&stage, "bob", &["cancel", "dropped", WHY]).await?;
        ended(
            &other,
            10,
            &[],
            &["NotTheRequester: only the requester cancels"],
        )?;
        let cancelled = plugin(&stage, "alice", &["cancel", "dropped", WHY]).await?;
        ended(
            &cancelled,
            0,
            &["permit.permits.dev/dropped cancelled (Cancelled"],
            &[],
        )?;
        let absent = plugin(&stage, "bob", &["approve", "no-such", LEAD, WHY]).await?;
        ended(
            &absent,
            1,
            &[],
            &["permits.permits.dev \"no-such\" not found"],
        )?;
        stage.issue("stopped", "1.5.3").await?;
        let machine = plugin(
            &stage,
            "bob",
            &["revoke", "stopped", LEAD, WHY, "--cause=SafetyViolation"],
        )
        .await?;
        ended(
            &machine,
            2,
            &[],
            &["[possible values: ApproverRequest, Incident, Emergency]"],
        )?;
        let unheld = plugin(
            &stage,
            "alice",
            &["revoke", "stopped", LEAD, WHY, "--cause=Incident"],
        )
        .await?;
        ended(&unheld, 10, &[], &["RoleNotHeld"])?;
        let revoked = plugin(
            &stage,
            "bob",
            &["revoke", "stopped", LEAD, WHY, "--cause=Incident"],
        )
        .await?;
        ended(
            &revoked,
            0,
            &["stopped revoked (Revoked: Incident by bob@example.com: looked at it"],
            &[],
        )?;
        // The rules that ended it stay told.
        let explained = plugin(&stage, "alice", &["explain", "stopped"]).await?;
        ended(
            &explained,
            0,
            &["Revoked (Unused; Incident", "revocation", "Fail"],
            &[],
        )
    })
    .await
}

#[tokio::test]
async fn a_hold_is_resumed_by_who_could_approve_and_nothing_else_is() -> Result<()> {
    told(async {
        // Nobody measures this workload: the guard cannot tell, and holds.
        let stage = enrolled("held").await?;
        let patience = (
            "scrapeInterval: 1s",
            "scrapeInterval: 1s\n        unknownDeadline: 2s",
        );
        stage
            .apply(&stage::template("impatient", &[patience]))
            .await?;
        stage
            .request(&stage::permit("one", "impatient", "1.5.0"))
            .await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        let early = plugin(&stage, "bob", &["resume", "one", LEAD, WHY]).await?;
        ended(
            &early,
            1,
            &[],
            &["permit `one` is not held: there is nothing to resume"],
        )?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        let is_held = || async {
            let permit = stage.get("permit/one").await?;
            let conditions = permit
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            let held =
                |condition: &&Value| condition["type"] == "Held" && condition["status"] == "True";
            conditions
                .into_iter()
                .flatten()
                .find(held)
                .cloned()
                .with_context(|| permit.to_string())
        };
        eventually(PATIENCE, "the guard holds", is_held).await?;
        let other = plugin(&stage, "alice", &["resume", "one", LEAD, WHY]).await?;
        ended(&other, 10, &[], &["RoleNotHeld"])?;
        let resumed = plugin(&stage, "bob", &["resume", "one", LEAD, WHY]).await?;
        ended(&resumed, 0, &["permit.permits.dev/one resumed"], &[])?;
        let votes = stage
            .kubectl(&User::admin(), &["get", "approvals"], None)
            .await?
            .ok()?;
        ensure!(votes.contains("Resume"), "{votes}");
        Ok(())
    })
    .await
}
