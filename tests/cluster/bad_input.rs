//! Bad input gets a clear answer and loses nothing: each mistake is told with its place and what to do, nothing of it is
//! stored, and what stands already stays as it is.

use anyhow::{Result, ensure};
use permit_harness::stage::{approval, permit};
use permit_harness::{Output, Stage, User};
use serde_json::Value;

use crate::site::{enrolled, told};

const APPLY: [&str; 3] = ["apply", "-f", "-"];

/// The answer to applying `yaml`, which has to be a refusal that says each of `parts`.
async fn refuses(stage: &Stage<'_>, user: &User, yaml: &str, parts: &[&str]) -> Result<Output> {
    let output = stage.kubectl(user, &APPLY, Some(yaml)).await?;
    says(&output, parts)?;
    Ok(output)
}

fn says(output: &Output, parts: &[&str]) -> Result<()> {
    ensure!(!output.is_success(), "accepted: {}", output.stdout);
    for part in parts {
        ensure!(
            output.stderr.contains(part),
            "no `{part}` in: {}",
            output.stderr
        );
    }
    Ok(())
}

/// How many objects of a kind the namespace holds.
async fn count(stage: &Stage<'_>, kind: &str) -> Result<usize> {
    let found = stage
        .kubectl(&User::admin(), &["get", kind, "-o", "name"], None)
        .await?
        .ok()?;
    Ok(found.lines().count())
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[tokio::test]
async fn three_mistakes_are_told_at_once_each_with_its_place() -> Result<()> {
    told(async {
        let stage = enrolled("mistakes").await?;
        let three = "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {name: three}\nspec:\n  \
            template: quick-deployment\n  purpose: '  '\n  targets:\n  \
            - {name: checkout, namespace: other, images: {checkout: 'shop/checkout:1.5.0'}}\n  \
            schedule: {earliestStart: 2026-11-21T22:00:00Z, latestStart: 2026-11-21T21:00:00Z}\n";
        let places = [
            "InvalidPermit: 3 mistake(s)",
            "spec.purpose: is empty",
            "spec.targets[0].namespace: a permit covers workloads of its own namespace `mistakes` only",
            "spec.schedule.latestStart: the window ends before it starts",
        ];
        refuses(&stage, &User::person("alice"), three, &places).await?;
        // Mistakes of the schema are told at once as well: two of them here.
        let words = permit("words", "quick-deployment", "1.5.0")
            .replace("purpose: roll out checkout 1.5.0", "purpose: ''")
            .replace("images: {checkout: 'shop/checkout:1.5.0'}", "operations: [Explode]");
        let places = ["spec.purpose", "spec.targets[0].operations[0]", "\"Explode\""];
        refuses(&stage, &User::person("alice"), &words, &places).await?;
        ensure!(count(&stage, "permits").await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_unknown_template_and_one_that_may_not_be_used_are_told_apart() -> Result<()> {
    told(async {
        let stage = enrolled("templates").await?;
        let dave = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: dave, namespace: templates}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-developer}\nsubjects:\n\
            - {kind: User, apiGroup: rbac.authorization.k8s.io, name: dave@example.com}\n";
        stage.apply(dave).await?;
        let unknown = permit("one", "no-such-template", "1.5.0");
        let parts = ["TemplateNotFound: spec.template: `no-such-template`", "quick-deployment"];
        refuses(&stage, &User::person("alice"), &unknown, &parts).await?;
        let known = permit("one", "quick-deployment", "1.5.0");
        let parts = ["TemplateNotPermitted: spec.template: you lack the verb `use`"];
        refuses(&stage, &User::person("dave"), &known, &parts).await?;
        ensure!(count(&stage, "permits").await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn unknown_fields_and_words_are_named_and_not_dropped_in_silence() -> Result<()> {
    told(async {
        let stage = enrolled("words").await?;
        let alice = User::person("alice");
        let good = permit("one", "quick-deployment", "1.5.0");
        let misspelt = good.replace("purpose:", "urgency: high\n  purpose:");
        refuses(
            &stage,
            &alice,
            &misspelt,
            &["unknown field \"spec.urgency\""],
        )
        .await?;
        let cluster = good.replace("name: checkout,", "name: checkout, cluster: east,");
        refuses(
            &stage,
            &alice,
            &cluster,
            &["unknown field \"spec.targets[0].cluster\""],
        )
        .await?;
        let server_side = ["apply", "--server-side", "-f", "-"];
        let output = stage.kubectl(&alice, &server_side, Some(&misspelt)).await?;
        says(&output, &["spec.urgency"])?;
        ensure!(count(&stage, "permits").await? == 0);
        let decision =
            approval("one", "bob", &digest()).replace("decision: Approve", "decision: Approved");
        refuses(
            &stage,
            &User::person("bob"),
            &decision,
            &["spec.decision", "\"Approved\""],
        )
        .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_megabyte_of_text_is_refused_in_few_words() -> Result<()> {
    told(async {
        let stage = enrolled("megabyte").await?;
        let flood = "x".repeat(1 << 20);
        let create = ["create", "-f", "-"];
        let long =
            permit("one", "quick-deployment", "1.5.0").replace("roll out checkout 1.5.0", &flood);
        let output = stage
            .kubectl(&User::person("alice"), &create, Some(&long))
            .await?;
        says(&output, &["spec.purpose", "Too long"])?;
        ensure!(output.stderr.len() < 2000, "{} bytes", output.stderr.len());
        let long = approval("one", "bob", &digest()).replace("reviewed", &flood);
        let output = stage
            .kubectl(&User::person("bob"), &create, Some(&long))
            .await?;
        says(&output, &["spec.reasoning", "Too long"])?;
        ensure!(output.stderr.len() < 2000, "{} bytes", output.stderr.len());
        Ok(())
    })
    .await
}

fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

#[tokio::test]
async fn an_approval_that_may_not_count_is_refused_and_not_stored() -> Result<()> {
    told(async {
        let stage = enrolled("ballots").await?;
        stage.make_tech_lead(&User::person("alice")).await?;
        stage
            .request(&permit("one", "quick-deployment", "1.5.0"))
            .await?;
        let right = text(&stage.reaches("one", "InReview").await?, "/status/digest").to_owned();
        let by = |who: &str| approval("one", who, &right);
        let other = approval("one", "bob", &digest());
        let parts = ["DigestMismatch: spec.permitRef.digest", right.as_str()];
        refuses(&stage, &User::person("bob"), &other, &parts).await?;
        let unheld = by("bob").replace("role: tech-lead", "role: security-lead");
        let parts = ["RoleNotHeld: you do not hold the verb `approve` in the role security-lead"];
        refuses(&stage, &User::person("bob"), &unheld, &parts).await?;
        let parts = ["SelfApprovalBlocked: you requested this permit"];
        refuses(&stage, &User::person("alice"), &by("alice"), &parts).await?;
        let parts = ["WildcardHolder: who holds every role", "system:masters"];
        refuses(&stage, &User::admin(), &by("admin"), &parts).await?;
        let parts = ["PermitNotFound: spec.permitRef.name", "asked for two"];
        refuses(
            &stage,
            &User::person("bob"),
            &approval("two", "bob", &right),
            &parts,
        )
        .await?;
        let output = as_robot(&stage, &by("robot")).await?;
        says(
            &output,
            &["NotAPerson", "system:serviceaccount:ballots:robot"],
        )?;
        ensure!(count(&stage, "approvals").await? == 0);
        let open = stage.get("permit/one").await?;
        ensure!(text(&open, "/status/summary/approvals") == "0/1", "{open}");
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await.map(drop)
    })
    .await
}

/// Applies YAML with a real token of a service account that holds the role.
async fn as_robot(stage: &Stage<'_>, yaml: &str) -> Result<Output> {
    let robot = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: ballots}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: robot, namespace: ballots}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stage-tech-lead}\nsubjects:\n\
        - {kind: ServiceAccount, name: robot, namespace: ballots}\n";
    stage.apply(robot).await?;
    let create = ["create", "token", "robot"];
    let token = stage.kubectl(&User::admin(), &create, None).await?.ok()?;
    let token = format!("--token={}", token.trim());
    let server = format!("--server={}", stage.plane().url());
    let authority = stage.plane().authority_file();
    let authority = format!("--certificate-authority={}", authority.display());
    // A certificate would win over the token: the kubeconfig is left out.
    let args = [
        "--kubeconfig=/dev/null",
        &server,
        &authority,
        &token,
        "create",
        "-f",
        "-",
    ];
    stage.kubectl(&User::person("bob"), &args, Some(yaml)).await
}

#[tokio::test]
async fn force_loses_nothing_of_what_is_issued() -> Result<()> {
    told(async {
        let stage = enrolled("forced").await?;
        stage.issue("one", "1.5.0").await?;
        let (alice, bob) = (User::person("alice"), User::person("bob"));
        let before = (
            stage.get("permit/one").await?,
            stage.get("approval/one.bob").await?,
        );
        let wider = permit("one", "quick-deployment", "6.6.6");
        let reworded =
            approval("one", "bob", text(&before.0, "/status/digest")).replace("reviewed", "other");
        let forced: [&[&str]; 3] = [
            &["apply", "-f", "-"],
            &["apply", "--force", "-f", "-"],
            &["replace", "--force", "-f", "-"],
        ];
        for args in forced {
            let output = stage.kubectl(&alice, args, Some(&wider)).await?;
            says(&output, &["Forbidden", "Permit"])?;
            let output = stage.kubectl(&bob, args, Some(&reworded)).await?;
            says(&output, &["Forbidden", "Approval"])?;
        }
        is_protected(&stage).await?;
        let after = (
            stage.get("permit/one").await?,
            stage.get("approval/one.bob").await?,
        );
        let kept = |permit: &Value| {
            [
                "/metadata/uid",
                "/spec",
                "/status/phase",
                "/status/digest",
                "/status/issuedTime",
            ]
            .map(|path| permit.pointer(path).cloned())
        };
        ensure!(kept(&before.0) == kept(&after.0), "{}", after.0);
        ensure!(before.1 == after.1, "{}", after.1);
        // It is still what was issued: the change it names is admitted.
        stage.set_image(&alice, "1.5.0").await?.ok().map(drop)
    })
    .await
}

/// What is issued, and what it rests on, is not deleted.
async fn is_protected(stage: &Stage<'_>) -> Result<()> {
    let next = "kubectl permit cancel one or kubectl permit revoke one";
    for line in ["delete permit one", "delete permits --all"] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = stage.kubectl(&User::person("alice"), &words, None).await?;
        says(&output, &["Forbidden", "PermitProtected", next])?;
    }
    let delete = ["delete", "approval", "one.bob"];
    let output = stage.kubectl(&User::person("bob"), &delete, None).await?;
    let next = "kubectl permit withdraw";
    says(&output, &["Forbidden", "ApprovalProtected", next])
}
