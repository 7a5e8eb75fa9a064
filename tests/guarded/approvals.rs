//! t32, t38: decisions come from who may decide, and what was decided on stays.

use anyhow::{Result, ensure};
use permit_harness::stage::{approval, permit};
use permit_harness::{Stage, User};

use crate::ground::{Ground, shared, told};

/// An approval by `who` as a policy sees it while nothing stamps it.
fn stamped(stage: &Stage<'_>, digest: &str, (who, role): (&str, &str)) -> String {
    let stamps =
        format!("  submittedBy: {{username: '{who}'}}\n  approver: {{username: '{who}'}}\n");
    approval("one", "by", digest)
        .replace(
            "name: one.by}",
            &format!("name: one.by, namespace: {}}}", stage.namespace()),
        )
        .replace("role: tech-lead", &format!("role: {role}"))
        + &stamps
}

/// Approvals of the permit `one` without the right, or in somebody else's name, are refused, without a webhook too.
pub(crate) async fn only_who_may_approves(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let by = |who: &str, role: &str| stamped(stage, &digest, (who, role));
    let (mallory, bob) = (User::person("mallory"), User::person("bob"));
    let robot = User::new("system:serviceaccount:default:robot", &[]);
    let not_held = "RoleNotHeld: you do not hold the verb `approve` in the role";
    for (user, yaml, said) in [
        (&mallory, by("mallory@example.com", "tech-lead"), not_held),
        (&bob, by("bob@example.com", "security-lead"), not_held),
        (
            &mallory,
            by("mallory@example.com", "tech-lead").replace("decision: Approve", "decision: Reject"),
            not_held,
        ),
        (
            &mallory,
            by("mallory@example.com", "tech-lead")
                .replace("decision: Approve", "decision: Revoke\n  reason: Incident"),
            "RoleNotHeld: you do not hold the verb `revoke` in the role",
        ),
        (&robot, by(robot.name(), "tech-lead"), "NotAPerson: "),
    ] {
        ground
            .refuses(user, ("create -f -", Some(&yaml)), said)
            .await?;
    }
    Ok(())
}

/// The spec of the issued permit `one` and of its approval stay, `--force` or not.
pub(crate) async fn nothing_issued_is_edited(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let namespace = stage.namespace();
    let before = (
        stage.get("permit/one").await?,
        stage.get("approval/one.bob").await?,
    );
    for (what, patch, said) in [
        (
            "permit one",
            r#"{"spec":{"purpose":"another"}}"#,
            "PermitFrozen: ",
        ),
        (
            "approval one.bob",
            r#"{"spec":{"reasoning":"another"}}"#,
            "ApprovalFrozen: ",
        ),
    ] {
        let line = format!("patch {what} -n {namespace} --type=merge -p {patch}");
        for user in [User::person("mallory"), User::admin()] {
            ground.refuses(&user, (&line, None), said).await?;
        }
        let label = format!("label --overwrite {what} -n {namespace} team=shop");
        ground.passes(&User::admin(), &label, None).await?;
    }
    let after = (
        stage.get("permit/one").await?,
        stage.get("approval/one.bob").await?,
    );
    ensure!(before.0["spec"] == after.0["spec"] && before.1["spec"] == after.1["spec"]);
    Ok(())
}

#[tokio::test]
async fn t32_an_approval_needs_the_right_of_its_role() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = ground.enrolled("ballots").await?;
        stage
            .request(&permit("one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("one", "InReview").await?;
        only_who_may_approves(ground, &stage).await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await.map(drop)
    })
    .await
}

#[tokio::test]
async fn t38_what_was_issued_and_what_was_decided_stays() -> Result<()> {
    told(async {
        let (ground, _turn) = shared().await?;
        let stage = ground.enrolled("settled").await?;
        stage.issue("one", "1.5.0").await?;
        nothing_issued_is_edited(ground, &stage).await?;
        stage
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()
            .map(drop)
    })
    .await
}

/// In somebody else's name: told at once where nothing stamps the sender.
pub(crate) async fn nobody_approves_for_another(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let yaml = stamped(stage, &digest, ("bob@example.com", "tech-lead"));
    let carol = User::person("carol");
    let as_bob = "IdentityMismatch: spec.submittedBy.username must be the sender";
    ground
        .refuses(&carol, ("create -f -", Some(&yaml)), as_bob)
        .await?;
    let half = yaml.replace(
        "submittedBy: {username: 'bob@example.com'}",
        "submittedBy: {username: 'carol@example.com'}",
    );
    let as_bob = "IdentityMismatch: spec.approver.username must be the sender";
    ground
        .refuses(&carol, ("create -f -", Some(&half)), as_bob)
        .await
}
