//! The rules of our schemas, each broken alone, as an API server without the operator answers: what the rule says, and
//! where. Nothing of it is stored.

use anyhow::{Result, ensure};
use permit_harness::operator::install;
use permit_harness::stage::QUICK_TEMPLATE;
use permit_harness::{ControlPlane, User};

/// What is edited in the good object, and what is said then.
type Case = (&'static str, &'static str, &'static str);

const PERMIT: &str = "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {name: one, namespace: default}\nspec:\n  \
    template: t\n  purpose: p\n  schedule: {earliestStart: 2026-11-21T21:00:00Z, latestStart: 2026-11-21T22:00:00Z}\n  \
    targets:\n  - {name: checkout, operations: [Scale]}\n";

const PERMITS: [Case; 6] = [
    (
        "latestStart: 2026-11-21T22",
        "latestStart: 2026-11-21T20",
        "spec.schedule.latestStart: Invalid value: the window ends before it starts",
    ),
    (
        ", operations: [Scale]",
        "",
        "a target names an outcome: give images, podTemplateDigest or operations",
    ),
    (
        "operations: [Scale]",
        "operations: []",
        "a target names an outcome: give images, podTemplateDigest or operations",
    ),
    (
        "[Scale]",
        "[Scale, Deploy]",
        "Deploy, Create and Rollback need a named outcome: give images or podTemplateDigest instead",
    ),
    (
        "[Scale]",
        "[Rollback]",
        "Deploy, Create and Rollback need a named outcome",
    ),
    (
        "operations: [Scale]",
        "images: {a: b}, podTemplateDigest: 'sha256:ZEROS'",
        "images and podTemplateDigest exclude each other",
    ),
];

const TEMPLATES: [Case; 5] = [
    (
        "  approval:\n    rules: [{roles: [tech-lead, engineering-manager], count: 1}]\n",
        "",
        "spec.approval.rules: Invalid value: a template that is not Automatic names who approves",
    ),
    (
        "level: 2",
        "level: 2\n  grant: Automatic",
        "spec.grant: Invalid value: only level 0 may be granted automatically",
    ),
    (
        "        total: sum by (namespace, workload) (increase(http_requests_total[{{ window }}]))\n",
        "",
        "an ErrorRate check is two queries: total is missing",
    ),
    (
        "signal: ErrorRate",
        "signal: Latency\n        minSamples: 5",
        "",
    ),
    (
        "        total: sum by (namespace, workload) (increase(http_requests_total[{{ window }}]))\n",
        "        minSamples: 5\n",
        "minSamples counts the requests that total answers: total is missing",
    ),
];

const APPROVAL: &str = "apiVersion: permits.dev/v1alpha1\nkind: Approval\nmetadata: {name: one, namespace: default}\nspec:\n  \
    permitRef: {name: one}\n  decision: Approve\n  role: tech-lead\n  reasoning: r\n";

const APPROVALS: [Case; 8] = [
    (
        "Approve",
        "Revoke",
        "reason stands beside Revoke and only there",
    ),
    (
        "decision: Approve",
        "decision: Approve\n  reason: Incident",
        "reason stands beside Revoke and only there",
    ),
    (
        "  role: tech-lead\n",
        "",
        "this decision is made in a role: role is missing",
    ),
    (
        "Approve\n  role: tech-lead",
        "Reject",
        "this decision is made in a role: role is missing",
    ),
    (
        "Approve\n  role: tech-lead",
        "RequestChanges",
        "this decision is made in a role: role is missing",
    ),
    (
        "Approve\n  role: tech-lead",
        "Revoke\n  reason: Incident",
        "this decision is made in a role: role is missing",
    ),
    (
        "Approve\n  role: tech-lead",
        "Resume",
        "this decision is made in a role: role is missing",
    ),
    ("Approve\n  role: tech-lead", "Withdraw", ""),
];

/// Tries the object with one edit, without storing it; empty words are said of what is taken.
async fn tried(plane: &ControlPlane, good: &str, (from, to, says): Case) -> Result<()> {
    ensure!(good.contains(from), "nothing is edited: {from}");
    let text = good.replace(from, to).replace("ZEROS", &"0".repeat(64));
    let create = ["create", "--dry-run=server", "-f", "-"];
    let output = plane.kubectl(&User::admin(), &create, Some(&text)).await?;
    let told = format!("{from} -> {to}: {}{}", output.stdout, output.stderr);
    ensure!(output.is_success() == says.is_empty(), "{told}");
    ensure!(output.stderr.contains(says), "no `{says}` for {told}");
    Ok(())
}

#[tokio::test]
async fn each_rule_of_the_schemas_says_what_is_wrong_and_where() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    install(plane).await?;
    for (good, cases) in [
        (PERMIT, &PERMITS[..]),
        (QUICK_TEMPLATE, &TEMPLATES),
        (APPROVAL, &APPROVALS),
    ] {
        tried(plane, good, ("apiVersion", "apiVersion", "")).await?;
        for case in cases {
            tried(plane, good, *case).await?;
        }
    }
    Ok(())
}
