//! The story: one change from request to closure, and one that is rolled back.
//!
//! Decides who does what in which order, and what has to come of it. Does not know how it is shown.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use permit_harness::stage::{QUICK_TEMPLATE, approval, deployment, permit};
use permit_harness::{Operator, Stage, User};
use serde_json::Value;

use crate::audited;
use crate::record;
use crate::shown::{Shown, say};

/// Where it plays.
pub(crate) const NAMESPACE: &str = "shop";
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/install");
/// How long nothing may be said while something is waited for.
const PROGRESS: Duration = Duration::from_secs(5);
const APPLY: [&str; 5] = ["apply", "-n", NAMESPACE, "-f", "-"];

/// Installs the operator's objects and sets the stage.
pub(crate) async fn set_stage(shown: &mut Shown<'_>) -> Result<()> {
    shown.step("CRDs, accounts and rights are installed");
    let admin = User::admin();
    let install = ["apply", "--server-side", "-k", INSTALL];
    shown.run(&admin, &install, None).await?;
    let began = Instant::now();
    let stage = Stage::set(shown.plane(), NAMESPACE).await?;
    // With the right to approve: what is refused to her is her own request.
    stage.make_tech_lead(&User::person("alice")).await?;
    shown.counted(began);
    say(
        "the namespace shop has a workload, alice who deploys it, and the tech-leads alice, bob and carol",
    );
    Ok(())
}

/// Tells it from the first denial to the check against the API server's audit log.
pub(crate) async fn tell(shown: &mut Shown<'_>, operator: &Operator) -> Result<()> {
    enrol(shown).await?;
    good_change(shown).await?;
    bad_change(shown).await?;
    shown.step("the record is exported and verified; one byte is changed, and the verification names the record");
    record::verify(shown, operator).await?;
    shown.step("the API server's own audit log tells the same story");
    audited::check(shown).await
}

async fn enrol(shown: &mut Shown<'_>) -> Result<()> {
    let admin = User::admin();
    shown.step("a template is installed, and the namespace is enrolled");
    let apply = ["apply", "--server-side", "-f", "-"];
    shown.run(&admin, &apply, Some(QUICK_TEMPLATE)).await?;
    let label = [
        "label",
        "namespace",
        NAMESPACE,
        "permits.dev/gate=enforce",
        "permits.dev/environment=production",
    ];
    shown.run(&admin, &label, None).await?;
    let began = Instant::now();
    stage(shown).await_enrolment().await?;
    shown.counted(began);
    Ok(())
}

async fn good_change(shown: &mut Shown<'_>) -> Result<()> {
    let alice = User::person("alice");
    shown.step("a rollout without a permit is denied, with what to do");
    let set = set_image("1.5.0");
    let denied = shown
        .refused(&alice, &refs(&set), (None, "PermitRequired"))
        .await?;
    ensure!(
        denied.contains("kubectl permit request"),
        "not told what to do: {denied}"
    );
    shown.step("alice requests a permit; her own approval is refused; bob approves");
    permitted(shown, "checkout-1", "1.5.0").await?;
    shown.step("the same rollout is admitted, watched and closed");
    shown.run(&alice, &refs(&set), None).await?;
    reaches(shown, "checkout-1", "Succeeded").await?;
    let get = ["permit", "get", "checkout-1", "-n", NAMESPACE];
    shown.run(&alice, &get, None).await.map(drop)
}

async fn bad_change(shown: &mut Shown<'_>) -> Result<()> {
    let alice = User::person("alice");
    shown.step(
        "a second permitted change is bad: its error rate breaches, it is revoked and rolled back",
    );
    permitted(shown, "checkout-2", "1.6.0").await?;
    let bad = deployment(NAMESPACE, "1.6.0");
    shown.run(&alice, &APPLY, Some(&bad)).await?;
    let ended = reaches(shown, "checkout-2", "RolledBack").await?;
    let reason = text(&ended, "/status/revocation/reason");
    ensure!(
        reason == "SafetyViolation",
        "rolled back for another reason than its error rate: {reason}"
    );
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let show = ["get", "deploy", "checkout", "-n", NAMESPACE, "-o", image];
    let image = shown.run(&alice, &show, None).await?;
    ensure!(
        image.ends_with(":1.5.0"),
        "the former template is not back: {image}"
    );
    shown.step("the bad manifest is denied when it is applied again");
    shown
        .refused(&alice, &APPLY, (Some(&bad), "PermitRevoked"))
        .await?;
    let list = ["get", "permits", "-n", NAMESPACE];
    shown.run(&alice, &list, None).await.map(drop)
}

/// A permit for one image: requested, refused to oneself, approved by somebody else, issued.
async fn permitted(shown: &mut Shown<'_>, name: &str, tag: &str) -> Result<()> {
    let (alice, bob) = (User::person("alice"), User::person("bob"));
    let request = permit(name, "quick-deployment", tag);
    shown.run(&alice, &APPLY, Some(&request)).await?;
    reaches(shown, name, "InReview").await?;
    let digest = "jsonpath={.status.digest}";
    let get = ["get", "permit", name, "-n", NAMESPACE, "-o", digest];
    let digest = shown.run(&bob, &get, None).await?;
    let own = approval(name, "alice", &digest);
    shown
        .refused(&alice, &APPLY, (Some(&own), "SelfApprovalBlocked"))
        .await?;
    let other = approval(name, "bob", &digest);
    shown.run(&bob, &APPLY, Some(&other)).await?;
    reaches(shown, name, "Issued").await.map(drop)
}

/// Waits for a phase or an outcome, and says now and then where the permit stands meanwhile.
async fn reaches(shown: &mut Shown<'_>, name: &str, wanted: &str) -> Result<Value> {
    let began = Instant::now();
    let stage = stage(shown);
    let arrival = stage.reaches(name, wanted);
    tokio::pin!(arrival);
    let permit = loop {
        tokio::select! {
            arrived = &mut arrival => break arrived?,
            () = tokio::time::sleep(PROGRESS) => progress(&stage, name, began).await?,
        }
    };
    shown.counted(began);
    say(&format!(
        "({:.1} s later, permit {name} is {wanted}: {})",
        began.elapsed().as_secs_f64(),
        text(&permit, "/status/summary/message")
    ));
    Ok(permit)
}

async fn progress(stage: &Stage<'_>, name: &str, began: Instant) -> Result<()> {
    let permit = stage.get(&format!("permit/{name}")).await?;
    say(&format!(
        "(waiting for {:.0} s: permit {name} is {}: {})",
        began.elapsed().as_secs_f64(),
        text(&permit, "/status/phase"),
        text(&permit, "/status/summary/message")
    ));
    Ok(())
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    let found = object.pointer(path).and_then(Value::as_str);
    found.unwrap_or_default()
}

fn stage<'a>(shown: &Shown<'a>) -> Stage<'a> {
    Stage::at(shown.plane(), NAMESPACE)
}

fn set_image(tag: &str) -> [String; 6] {
    let image = format!("checkout=shop/checkout:{tag}");
    ["set", "image", "deploy/checkout", &image, "-n", NAMESPACE].map(str::to_owned)
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
