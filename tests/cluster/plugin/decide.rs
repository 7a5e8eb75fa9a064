//! Decisions: each by the person who may, once, and told with what came of it; by others refused with exit code 10.

use anyhow::{Context as _, Result, ensure};
use permit_harness::stage::{self, PATIENCE};
use permit_harness::{Stage, User, eventually};
use serde_json::Value;

use super::{asks, ended, json, plugin, text, typed};
use crate::site::{enrolled, told};

const LEAD: &str = "--role=tech-lead";
const WHY: &str = "--reason=looked at it";
const APPROVE: [&str; 4] = ["approve", "one", LEAD, WHY];

/// Asks for a permit that two tech-leads have to approve.
async fn asks_two(stage: &Stage<'_>, template: &str) -> Result<()> {
    let two = stage::template(template, &[("count: 1", "count: 2")]);
    stage.apply(&two).await?;
    let permit = stage::permit("one", template, "1.5.0");
    stage.request(&permit).await?;
    stage.reaches("one", "InReview").await.map(drop)
}

#[tokio::test]
async fn a_decision_made_twice_is_no_error_and_no_second_vote() -> Result<()> {
    told(async {
        let stage = enrolled("twice").await?;
        asks_two(&stage, "two-of-us").await?;
        let rehearsed = typed(
            &stage,
            "bob",
            "approve one --role=tech-lead --reason=ok --dry-run=server",
        )
        .await?;
        ended(
            &rehearsed,
            0,
            &["permit.permits.dev/one approved (server dry run)"],
            &[],
        )?;
        let first = plugin(&stage, "bob", &APPROVE).await?;
        let effect = "permit.permits.dev/one approved (1 of 2 approvals; InReview: needs 1 of";
        ended(
            &first,
            0,
            &[effect],
            &["next    kubectl permit get one -n twice"],
        )?;
        let second = plugin(&stage, "bob", &APPROVE).await?;
        ended(
            &second,
            0,
            &["permit.permits.dev/one already approved by you"],
            &[],
        )?;
        let name = typed(
            &stage,
            "bob",
            "approve one --role=tech-lead --reason=ok -oname",
        )
        .await?;
        ended(&name, 0, &["approval.permits.dev/one."], &[])?;
        let seen = typed(
            &stage,
            "bob",
            "approve one --role=tech-lead --reason=ok -ojson",
        )
        .await?;
        ensure!(
            text(&json(&seen)?, "/spec/decision") == "Approve",
            "{seen:?}"
        );
        let list = ["get", "approvals", "-oname"];
        let votes = stage.kubectl(&User::admin(), &list, None).await?.ok()?;
        ensure!(votes.lines().count() == 1, "{votes}");
        // One that was written by hand is found as well.
        stage.approve("one", "carol").await?;
        let by_hand = plugin(&stage, "carol", &APPROVE).await?;
        ended(&by_hand, 0, &["already approved by you"], &[])
    })
    .await
}

#[tokio::test]
async fn an_approval_is_refused_to_who_may_not_and_can_be_taken_back_and_given_again() -> Result<()>
{
    told(async {
        let stage = enrolled("taken-back").await?;
        asks_two(&stage, "two-again").await?;
        stage.make_tech_lead(&User::person("alice")).await?;
        let own = plugin(&stage, "alice", &APPROVE).await?;
        let blocked = "error: SelfApprovalBlocked: you requested this permit";
        ended(
            &own,
            10,
            &[],
            &[blocked, "next: have somebody else approve it"],
        )?;
        let unheld = typed(
            &stage,
            "bob",
            "approve one --role=engineering-manager --reason=ok",
        )
        .await?;
        ended(
            &unheld,
            10,
            &[],
            &["RoleNotHeld", "next: name a role that you hold"],
        )?;
        let nothing = typed(&stage, "carol", "withdraw one --reason=no").await?;
        ended(
            &nothing,
            1,
            &[],
            &["you have not approved permit `one`", "next: "],
        )?;
        plugin(&stage, "bob", &APPROVE).await?.ok()?;
        let withdrawn = typed(&stage, "bob", "withdraw one --reason=no").await?;
        ended(
            &withdrawn,
            0,
            &["no longer approved (0 of 2 approvals"],
            &[],
        )?;
        stage.approve("one", "carol").await?;
        // Times are of whole seconds: it counts from the second after the withdrawal on.
        let again = || async {
            plugin(&stage, "bob", &APPROVE).await?.ok()?;
            let permit = stage.get("permit/one").await?;
            ensure!(text(&permit, "/status/phase") == "Issued", "{permit}");
            Ok(())
        };
        eventually(PATIENCE, "the second approval counts", again).await
    })
    .await
}

#[tokio::test]
async fn a_request_is_sent_back_or_rejected_by_an_approver() -> Result<()> {
    told(async {
        let stage = enrolled("turns").await?;
        for (name, tag) in [("sent-back", "1.5.0"), ("refused", "1.5.1")] {
            asks(&stage, name, tag).await?;
            stage.reaches(name, "InReview").await?;
        }
        let changes = "request-changes sent-back --role=tech-lead --reason=ticket?";
        let changes = typed(&stage, "bob", changes).await?;
        ended(
            &changes,
            0,
            &["sent back for changes (ChangesRequested", "ticket?"],
            &[],
        )?;
        let reject = "reject refused --role=tech-lead --reason=no";
        let rejected = typed(&stage, "bob", reject).await?;
        ended(
            &rejected,
            0,
            &["permit.permits.dev/refused rejected (Rejected"],
            &[],
        )?;
        let twice = typed(&stage, "bob", reject).await?;
        ended(&twice, 0, &["already rejected by you"], &[])?;
        let late = typed(
            &stage,
            "carol",
            "approve refused --role=tech-lead --reason=ok",
        )
        .await?;
        let told = [
            "permit `refused` is Rejected",
            "a new change needs a new permit",
        ];
        ended(&late, 12, &[], &told)
    })
    .await
}

#[tokio::test]
async fn a_permit_is_cancelled_by_its_requester_only() -> Result<()> {
    told(async {
        let stage = enrolled("dropped").await?;
        asks(&stage, "one", "1.5.2").await?;
        stage.reaches("one", "InReview").await?;
        let other = typed(&stage, "bob", "cancel one --reason=no").await?;
        ended(
            &other,
            10,
            &[],
            &["NotTheRequester: only the requester cancels"],
        )?;
        let cancelled = typed(&stage, "alice", "cancel one --reason=no").await?;
        ended(
            &cancelled,
            0,
            &["permit.permits.dev/one cancelled (Cancelled"],
            &[],
        )?;
        let twice = typed(&stage, "alice", "cancel one --reason=no").await?;
        ended(&twice, 0, &["already cancelled by you"], &[])?;
        let absent = typed(
            &stage,
            "bob",
            "approve no-such --role=tech-lead --reason=ok",
        )
        .await?;
        ended(
            &absent,
            1,
            &[],
            &["permits.permits.dev \"no-such\" not found", "next: "],
        )
    })
    .await
}

#[tokio::test]
async fn a_revocation_names_its_cause_and_stays_explained() -> Result<()> {
    told(async {
        let stage = enrolled("stopped").await?;
        stage.issue("one", "1.5.3").await?;
        let revoke =
            |cause: &str| format!("revoke one --role=tech-lead --reason=stop --cause={cause}");
        let machine = typed(&stage, "bob", &revoke("SafetyViolation")).await?;
        ended(
            &machine,
            2,
            &[],
            &["[possible values: ApproverRequest, Incident, Emergency]"],
        )?;
        let unheld = typed(&stage, "alice", &revoke("Incident")).await?;
        ended(&unheld, 10, &[], &["RoleNotHeld"])?;
        let revoked = typed(&stage, "bob", &revoke("Incident")).await?;
        let told = "one revoked (Revoked: Incident by bob@example.com: stop";
        ended(&revoked, 0, &[told], &[])?;
        let twice = typed(&stage, "bob", &revoke("Incident")).await?;
        ended(&twice, 0, &["already revoked by you"], &[])?;
        // The rules that ended it stay told.
        let explained = typed(&stage, "alice", "explain one").await?;
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

#[tokio::test]
async fn the_role_may_be_left_out_where_only_one_is_held() -> Result<()> {
    told(async {
        let stage = enrolled("roles").await?;
        let frank = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: frank, namespace: roles}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-tech-lead}\nsubjects:\n\
            - {kind: User, apiGroup: rbac.authorization.k8s.io, name: frank@example.com}\n---\n\
            apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: frank-reads-templates}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-template-user}\nsubjects:\n\
            - {kind: User, apiGroup: rbac.authorization.k8s.io, name: frank@example.com}\n";
        stage.apply(frank).await?;
        asks(&stage, "one", "1.5.0").await?;
        stage.reaches("one", "InReview").await?;
        let approve = ["approve", "one", WHY];
        let none = plugin(&stage, "alice", &approve).await?;
        ended(&none, 1, &[], &["has several roles: engineering-manager, tech-lead", "next: give --role ROLE"])?;
        let unread = plugin(&stage, "bob", &approve).await?;
        ended(&unread, 1, &[], &["the roles of template `quick-deployment` cannot be read", "next: give --role ROLE"])?;
        let held = plugin(&stage, "frank", &approve).await?;
        ended(&held, 0, &["permit.permits.dev/one approved (1 of 1 approvals; Issued"], &[])?;
        let votes = stage.kubectl(&User::admin(), &["get", "approvals", "-owide"], None).await?.ok()?;
        ensure!(votes.contains("frank@example.com") && votes.contains("tech-lead"), "{votes}");
        Ok(())
    })
    .await
}
