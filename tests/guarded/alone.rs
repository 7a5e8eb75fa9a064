//! With the webhook configurations gone and the operator stopped: the by-ways stay shut, and the controllers still carry
//! out what people change.

use anyhow::{Result, ensure};
use permit_harness::stage::permit;
use permit_harness::{Stage, User, eventually};

use crate::ground::{Ground, PATIENCE, alone, told};
use crate::{approvals, statuses, workloads};

const KINDS: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations,\
                     validatingadmissionpolicies,validatingadmissionpolicybindings";
const SWITCHED_OFF: [&str; 4] = [
    "delete validatingadmissionpolicybinding configurations.gate.permits.dev",
    "get validatingadmissionpolicy configurations.gate.permits.dev",
    "delete validatingwebhookconfiguration gate.permits.dev",
    "delete mutatingwebhookconfiguration gate.permits.dev",
];

/// Takes the webhooks away in the two steps that there are; everything else stays in force.
async fn without_webhooks(ground: &Ground) -> Result<()> {
    let admin = User::admin();
    ground.operator.kill9();
    let [binding, policy, first, second] = SWITCHED_OFF;
    for line in [binding, policy] {
        ground.passes(&admin, line, None).await?;
    }
    ground.caught_up().await?;
    for line in [first, second] {
        ground.passes(&admin, line, None).await?;
    }
    Ok(())
}

/// Starts the operator again; returns when it has made everything anew.
async fn with_webhooks(ground: &Ground, stage: &Stage<'_>) -> Result<()> {
    ground.operator.restart().await?;
    ground.in_force().await?;
    let judged = || async {
        let denied = stage.set_image(&User::person("alice"), "6.6.6").await?;
        ensure!(denied.stderr.contains("PermitScope"), "{denied:?}");
        Ok(())
    };
    eventually(PATIENCE, "the gate judges again", judged).await
}

#[tokio::test]
async fn without_the_webhooks_the_by_ways_stay_shut_and_rollouts_are_carried_out() -> Result<()> {
    told(async {
        let (ground, _turn) = alone().await?;
        let other = ground.enrolled("bereft-too").await?;
        let stage = Stage::set(ground.plane, "bereft").await?;
        workloads::set_beside(&stage).await?;
        stage.enrol().await?;
        other.issue("one", "1.5.0").await?;
        stage
            .request(&permit("one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("one", "InReview").await?;
        without_webhooks(ground).await?;
        workloads::by_ways_are_shut(ground, &stage).await?;
        statuses::no_permit_is_forged(ground, &stage).await?;
        statuses::no_rollout_is_forged(ground, &stage).await?;
        approvals::only_who_may_approves(ground, &stage).await?;
        approvals::nobody_approves_for_another(ground, &stage).await?;
        approvals::nothing_issued_is_edited(ground, &other).await?;
        for line in [
            "label --overwrite namespace bereft permits.dev/gate=off",
            "label --overwrite namespace bereft permits.dev/environment=staging",
            "delete namespace bereft --wait=false",
        ] {
            let dana = User::person("dana");
            ground.refuses(&dana, (line, None), "unenrol").await?;
        }
        other
            .set_image(&User::person("alice"), "1.5.0")
            .await?
            .ok()?;
        other.await_rollout().await?;
        workloads::controllers_go_on(&stage).await?;
        let delete = "delete namespace bereft --timeout=150s";
        ground.passes(&User::person("ursula"), delete, None).await?;
        with_webhooks(ground, &other).await
    })
    .await
}

const HOW_TO: &str = include_str!("../../docs/how-to/switch-it-off.md");

/// The commands of the page's first block, one a line.
fn documented() -> Vec<&'static str> {
    let block = HOW_TO.split("```sh\n").nth(1).unwrap_or_default();
    let lines = block.split("```").next().unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("kubectl "))
        .collect()
}

#[tokio::test]
async fn it_is_switched_off_by_the_documented_commands_and_on_again_by_a_start() -> Result<()> {
    told(async {
        let (ground, _turn) = alone().await?;
        let (admin, alice) = (User::admin(), User::person("alice"));
        let stage = ground.enrolled("switched").await?;
        let commands = documented();
        ensure!(commands.len() == 4, "{commands:?}");
        for (number, command) in commands.into_iter().enumerate() {
            ground.passes(&admin, command, None).await?;
            if number == 0 {
                // No kubelet runs its pod here: its process ends as its pod would.
                ground.operator.sigterm().await?;
            }
            ground.caught_up().await?;
        }
        let left = format!("get {KINDS} -l app.kubernetes.io/name=permit-operator -o name");
        let left = ground.passes(&admin, &left, None).await?;
        ensure!(left.trim().is_empty(), "left over: {left}");
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        let off = "label --overwrite namespace switched permits.dev/gate=off";
        ground.passes(&User::person("dana"), off, None).await?;
        let up = "scale deploy/permit-operator -n permit-system --replicas=1";
        ground.passes(&admin, up, None).await?;
        ground.operator.restart().await?;
        ground.in_force().await
    })
    .await
}
