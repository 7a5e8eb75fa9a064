//! Every way that kubectl has of changing a Deployment, as the API server hands it to the gate: denied in one call and
//! without loss where no permit is there, admitted where one is.

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use permit_harness::stage::{self, deployment};
use permit_harness::{Output, Stage, User};
use serde_json::Value;

use crate::site::{enrolled_as_is, site, told};

/// A Deployment of its own name; `more` goes into its spec.
fn workload(namespace: &str, name: &str, more: &str) -> String {
    deployment(namespace, "1.4.2")
        .replace("name: checkout, ", &format!("name: {name}, "))
        .replace("app: checkout", &format!("app: {name}"))
        .replace("  replicas: 2\n", &format!("  replicas: 2\n{more}"))
}

async fn typed(stage: &Stage<'_>, user: &User, line: &str, stdin: Option<&str>) -> Result<Output> {
    let words: Vec<&str> = line.split_whitespace().collect();
    stage.kubectl(user, &words, stdin).await
}

/// How many changes of one workload the gate has judged so far, by the operator's own log.
async fn judged(namespace: &str, name: &str) -> Result<usize> {
    let log = std::fs::read_to_string(site().await?.operator.log())?;
    let is_meant = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["namespace"] == namespace && line["deployment"] == name && line["verdict"].is_string()
    };
    Ok(log.lines().filter(is_meant).count())
}

/// What must not have moved.
async fn kept(stage: &Stage<'_>, name: &str) -> Result<[Value; 5]> {
    let found = stage.get(&format!("deploy/{name}")).await?;
    let paths = [
        "/spec",
        "/metadata/uid",
        "/metadata/annotations",
        "/metadata/ownerReferences",
        "/metadata/deletionTimestamp",
    ];
    Ok(paths.map(|path| found.pointer(path).cloned().unwrap_or_default()))
}

/// Each is one change, by one command, of the workload that is named first.
const CALLS: [(&str, &str); 19] = [
    ("checkout", "scale deploy/checkout --replicas=3"),
    ("checkout", "scale deploy/checkout --replicas=0"),
    (
        "checkout",
        "patch deploy checkout --subresource=scale --type=merge -p {\"spec\":{\"replicas\":5}}",
    ),
    (
        "checkout",
        "set image deploy/checkout checkout=shop/checkout:9",
    ),
    ("checkout", "set env deploy/checkout MODE=test"),
    ("checkout", "set resources deploy/checkout --limits=cpu=1"),
    ("checkout", "set serviceaccount deploy/checkout other"),
    (
        "checkout",
        "patch deploy checkout --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/image\",\"value\":\"x\"}]",
    ),
    ("checkout", "rollout undo deploy/checkout"),
    ("checkout", "rollout restart deploy/checkout"),
    ("checkout", "rollout pause deploy/checkout"),
    ("still", "rollout resume deploy/still"),
    (
        "checkout",
        "annotate deploy/checkout deprecated.deployment.rollback.to=1",
    ),
    ("checkout", "delete deploy/checkout"),
    ("checkout", "delete deploy/checkout --cascade=orphan"),
    ("checkout", "delete deploy/checkout --cascade=foreground"),
    (
        "checkout",
        "delete deploy/checkout --force --grace-period=0",
    ),
    ("still", "delete deploy/still --now"),
    ("other", "create deployment other --image=other"),
];

/// Each applies the workload with another image.
const FROM_FILE: [&str; 6] = [
    "apply -f -",
    "apply --force -f -",
    "apply --server-side --force-conflicts -f -",
    "replace -f -",
    "replace --force -f -",
    "patch deploy checkout --patch-file /dev/stdin",
];

#[tokio::test]
async fn whatever_changes_a_deployment_is_denied_in_one_call_and_loses_nothing() -> Result<()> {
    told(async {
        let stage = Stage::set(site().await?.plane, "gated").await?;
        let admin = User::admin();
        stage.set_image(&admin, "1.4.3").await?.ok()?;
        stage.await_rollout().await?;
        stage
            .apply(&workload("gated", "still", "  paused: true\n"))
            .await?;
        stage.enrol().await?;
        let before = (
            kept(&stage, "checkout").await?,
            kept(&stage, "still").await?,
        );
        let bad = deployment("gated", "1.6.0");
        let from_file = FROM_FILE.map(|line| ("checkout", line, Some(bad.as_str())));
        let calls = CALLS.map(|(name, line)| (name, line, None));
        for (name, line, stdin) in calls.into_iter().chain(from_file) {
            let asked = judged("gated", name).await?;
            let output = typed(&stage, &admin, line, stdin).await?;
            let told = format!("{line}: {}{}", output.stdout, output.stderr);
            ensure!(
                !output.is_success() && output.stderr.contains("PermitRequired"),
                "{told}"
            );
            let asked = judged("gated", name).await? - asked;
            ensure!(asked == 1, "judged {asked} times: {told}");
            let after = (
                kept(&stage, "checkout").await?,
                kept(&stage, "still").await?,
            );
            ensure!(after == before, "{told}\n{after:?}");
        }
        // All of a namespace at once is each of them.
        let all = "delete --raw=/apis/apps/v1/namespaces/gated/deployments";
        let output = typed(&stage, &admin, all, None).await?;
        ensure!(output.stderr.contains("PermitRequired"), "{output:?}");
        let after = (
            kept(&stage, "checkout").await?,
            kept(&stage, "still").await?,
        );
        ensure!(after == before, "{after:?}");
        let found = typed(&stage, &admin, "get deploy -o name", None)
            .await?
            .ok()?;
        ensure!(found.lines().count() == 2, "{found}");
        Ok(())
    })
    .await
}

/// kubectl with a real token of a controller's account, as that controller comes.
async fn as_controller(stage: &Stage<'_>, account: &str, call: &Call) -> Result<Output> {
    let create = ["create", "token", account, "-n", "kube-system"];
    let plane = stage.plane();
    let token = plane.kubectl(&User::admin(), &create, None).await?.ok()?;
    let (server, authority) = (plane.url(), plane.authority_file());
    // A certificate would win over the token: the kubeconfig is left out.
    let line = format!(
        "--kubeconfig=/dev/null --server={server} --certificate-authority={} --token={} {}",
        authority.display(),
        token.trim(),
        call.0
    );
    typed(stage, &User::person("alice"), &line, call.1.as_deref()).await
}

/// A command line, and what it reads.
type Call = (String, Option<String>);

/// What the autoscaler does: it writes the scale whole.
fn sized(replicas: u32) -> Call {
    let scale = format!(
        "{{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\
         \"metadata\":{{\"name\":\"sized\",\"namespace\":\"offices\"}},\"spec\":{{\"replicas\":{replicas}}}}}"
    );
    let path = "/apis/apps/v1/namespaces/offices/deployments/sized/scale";
    (format!("replace --raw={path} -f -"), Some(scale))
}

#[tokio::test]
async fn what_a_controller_does_by_its_office_is_no_call_and_who_poses_as_one_is_judged()
-> Result<()> {
    told(async {
        let stage = Stage::set_empty(site().await?.plane, "offices").await?;
        for name in ["sized", "collected"] {
            stage.apply(&workload("offices", name, "")).await?;
        }
        stage.enrol().await?;
        let (autoscaler, collector) = ("horizontal-pod-autoscaler", "generic-garbage-collector");
        let collects = ("delete deploy/collected".to_owned(), None);
        for (account, name, call) in [
            (autoscaler, "sized", sized(3)),
            (collector, "collected", collects),
        ] {
            let posing = format!(
                "{} --as=system:serviceaccount:kube-system:{account}",
                call.0
            );
            let denied = typed(&stage, &User::admin(), &posing, call.1.as_deref()).await?;
            ensure!(
                denied.stderr.contains("PermitRequired"),
                "{posing}: {denied:?}"
            );
            let before = judged("offices", name).await?;
            as_controller(&stage, account, &call).await?.ok()?;
            ensure!(
                judged("offices", name).await? == before,
                "{} cost a call",
                call.0
            );
        }
        // To none at all is nobody's office.
        let denied = as_controller(&stage, autoscaler, &sized(0)).await?;
        ensure!(denied.stderr.contains("PermitRequired"), "{denied:?}");
        Ok(())
    })
    .await
}

/// The workload, what its permit is for, and the change.
const PERMITTED: [(&str, &str, &str); 9] = [
    (
        "scaled",
        "operations: [Scale]",
        "scale deploy/scaled --replicas=3",
    ),
    (
        "stopped",
        "operations: [Scale]",
        "scale deploy/stopped --replicas=0",
    ),
    (
        "restarted",
        "operations: [Restart]",
        "rollout restart deploy/restarted",
    ),
    (
        "paused",
        "operations: [Pause]",
        "rollout pause deploy/paused",
    ),
    (
        "resumed",
        "operations: [Resume]",
        "rollout resume deploy/resumed",
    ),
    (
        "configured",
        "operations: [Configure]",
        "set env deploy/configured MODE=test",
    ),
    (
        "undone",
        "images: {checkout: 'shop/checkout:1.4.2'}",
        "rollout undo deploy/undone",
    ),
    (
        "forced",
        "images: {checkout: 'shop/checkout:1.6.0'}",
        "apply --force -f -",
    ),
    ("deleted", "operations: [Delete]", "delete deploy/deleted"),
];

/// Requested by alice, approved by bob, changed by alice.
async fn permitted(stage: &Stage<'_>, (name, wants, line): (&str, &str, &str)) -> Result<()> {
    let alice = User::person("alice");
    let permit = format!(
        "apiVersion: permits.dev/v1alpha1\nkind: Permit\nmetadata: {{name: {name}}}\nspec:\n  template: by-hand\n  \
         purpose: change it\n  targets:\n  - {{name: {name}, {wants}}}\n"
    );
    stage.request(&permit).await?;
    let early = changed(stage, name, line).await?;
    ensure!(early.stderr.contains("PermitPending"), "{line}: {early:?}");
    stage.approve(name, "bob").await?;
    stage.reaches(name, "Issued").await?;
    changed(stage, name, line).await?.ok()?;
    stage.reaches(name, "Succeeded").await?;
    // What the permit named is done; it is for nothing else, and for nothing more.
    let more = typed(
        stage,
        &alice,
        &format!("set image deploy/{name} checkout=x"),
        None,
    )
    .await?;
    ensure!(!more.is_success(), "{name} takes any change: {more:?}");
    Ok(())
}

async fn changed(stage: &Stage<'_>, name: &str, line: &str) -> Result<Output> {
    let file = workload(stage.namespace(), name, "").replace(":1.4.2", ":1.6.0");
    let file = line.contains("-f -").then_some(file.as_str());
    typed(stage, &User::person("alice"), line, file).await
}

#[tokio::test]
async fn what_a_permit_names_is_admitted_in_whatever_way_it_comes() -> Result<()> {
    told(async {
        let stage = Stage::set_empty(site().await?.plane, "granted").await?;
        let rights = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: looks, namespace: granted}\n\
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects:\n\
            - {kind: User, apiGroup: rbac.authorization.k8s.io, name: alice@example.com}\n";
        stage.apply(rights).await?;
        for (name, _, _) in PERMITTED {
            let more = if name == "resumed" { "  paused: true\n" } else { "" };
            stage.apply(&workload("granted", name, more)).await?;
        }
        let set = "set image deploy/undone checkout=shop/checkout:1.4.3";
        typed(&stage, &User::admin(), set, None).await?.ok()?;
        let status = "rollout status deploy/undone --timeout=170s";
        typed(&stage, &User::admin(), status, None).await?.ok()?;
        enrolled_as_is(&stage, "by-hand").await?;
        try_join_all(PERMITTED.map(|case| {
            let stage = &stage;
            async move { permitted(stage, case).await.context(case.0) }
        }))
        .await?;
        let left = typed(&stage, &User::admin(), "get deploy -o name", None).await?.ok()?;
        ensure!(left.lines().count() == PERMITTED.len() - 1 && !left.contains("deleted"), "{left}");
        ensure!(stage.get("deploy/undone").await?.to_string().contains("shop/checkout:1.4.2"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_permit_that_runs_keeps_the_workload_from_another_until_it_is_closed() -> Result<()> {
    told(async {
        let stage = Stage::set(site().await?.plane, "busy").await?;
        stage.enrol().await?;
        enrolled_as_is(&stage, "one-at-a-time").await?;
        let long = unwatched("soaks-long", "10m");
        stage.apply(&long).await?;
        for (name, template, tag) in [
            ("first", "soaks-long", "1.5.0"),
            ("second", "one-at-a-time", "1.5.1"),
        ] {
            stage.request(&stage::permit(name, template, tag)).await?;
            stage.approve(name, "bob").await?;
            stage.reaches(name, "Issued").await?;
        }
        let alice = User::person("alice");
        stage.set_image(&alice, "1.5.0").await?.ok()?;
        stage.reaches("first", "Validating").await?;
        let denied = stage.set_image(&alice, "1.5.1").await?;
        ensure!(
            denied.stderr.contains("TargetBusy")
                && denied.stderr.contains("permit first runs on it"),
            "{denied:?}"
        );
        ensure!(stage.image().await? == "shop/checkout:1.5.0");
        // The second is not lost: it starts from what is there once the first is over.
        let revoke = "permit revoke first --role tech-lead --cause Incident --reason over";
        typed(&stage, &User::person("bob"), revoke, None)
            .await?
            .ok()?;
        stage.reaches("first", "RolledBack").await?;
        let set = || async { stage.set_image(&alice, "1.5.1").await?.ok() };
        permit_harness::eventually(stage::PATIENCE, "the second is admitted", set).await?;
        stage.reaches("second", "Succeeded").await.map(drop)
    })
    .await
}

/// A template that measures nothing.
pub(crate) fn unwatched(name: &str, soak: &str) -> String {
    let text = stage::template(name, &[("soak: 5s", &format!("soak: {soak}"))]);
    text.split("    checks:")
        .next()
        .unwrap_or_default()
        .to_owned()
}
