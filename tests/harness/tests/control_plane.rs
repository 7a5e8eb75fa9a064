//! The embedded control plane, judged by what it is for: true identities, real rollouts, and no orphan.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use permit_harness::program::Program;
use permit_harness::{ControlPlane, Options, User, eventually};
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

/// Set for the child of the test that kills its runner: the child only starts a control plane and waits.
const RUNNER: &str = "PERMIT_HARNESS_RUNNER";

fn deployment(name: &str, replicas: u32) -> String {
    let pod = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/shop:1.4.2"}]},
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod},
    })
    .to_string()
}

/// A namespace of the test's own, in which the group `dev` may edit.
async fn namespace(plane: &ControlPlane, name: &str) -> Result<()> {
    let admin = User::admin();
    plane
        .kubectl(&admin, &["create", "namespace", name], None)
        .await?
        .ok()?;
    let bind = [
        "create",
        "rolebinding",
        "dev",
        "--clusterrole=edit",
        "--group=dev",
        "-n",
        name,
    ];
    plane.kubectl(&admin, &bind, None).await?.ok()?;
    Ok(())
}

/// Whether the process runs; a dead one that nobody reaped does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn people_are_who_their_certificates_say() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let whoami = plane
        .kubectl(
            &User::person("alice"),
            &["auth", "whoami", "-o", "json"],
            None,
        )
        .await?
        .ok()?;
    let whoami: serde_json::Value = serde_json::from_str(&whoami)?;
    let user = &whoami["status"]["userInfo"];
    assert_eq!(user["username"], "alice@example.com");
    assert_eq!(user["groups"], json!(["dev", "system:authenticated"]));
    let two = plane
        .kubectl(
            &User::new("dora", &["a", "b"]),
            &["auth", "whoami", "-o", "json"],
            None,
        )
        .await?
        .ok()?;
    assert!(two.contains("\"a\"") && two.contains("\"b\""), "{two}");
    Ok(())
}

#[tokio::test]
async fn a_deployment_becomes_available_and_its_controllers_act_under_their_own_names() -> Result<()>
{
    let plane = ControlPlane::shared().await?;
    namespace(plane, "shop").await?;
    let alice = User::person("alice");
    plane
        .kubectl(
            &alice,
            &["apply", "-n", "shop", "-f", "-"],
            Some(&deployment("checkout", 2)),
        )
        .await?
        .ok()?;
    let wait = [
        "wait",
        "-n",
        "shop",
        "deployment/checkout",
        "--for=condition=Available",
        "--timeout=60s",
    ];
    plane.kubectl(&alice, &wait, None).await?.ok()?;
    let made_pods = || async {
        let events = plane.audit_events()?;
        let by = "system:serviceaccount:kube-system:replicaset-controller";
        let pods = events.iter().filter(|event| {
            event["user"]["username"] == by
                && event["verb"] == "create"
                && event["objectRef"]["resource"] == "pods"
                && event["objectRef"]["namespace"] == "shop"
        });
        let count = pods.count();
        ensure!(count == 2, "{count} pods made by {by}");
        Ok(())
    };
    eventually(PATIENCE, "the record names the controller", made_pods).await
}

#[tokio::test]
async fn a_crash_loop_is_never_ready_and_goes_when_deleted() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    namespace(plane, "moods").await?;
    let admin = User::admin();
    let mut bad: serde_json::Value = serde_json::from_str(&deployment("bad", 1))?;
    bad["spec"]["template"]["metadata"]["annotations"] =
        json!({"permits.dev/example": "crash-loop"});
    let bad = bad.to_string();
    plane
        .kubectl(&admin, &["apply", "-n", "moods", "-f", "-"], Some(&bad))
        .await?
        .ok()?;
    let loops =
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff";
    let wait = [
        "wait",
        "-n",
        "moods",
        "pod",
        "-l",
        "app=bad",
        loops,
        "--timeout=10s",
    ];
    let looping = || async { plane.kubectl(&admin, &wait, None).await?.ok() };
    eventually(PATIENCE, "the pod crashes in a loop", looping).await?;
    plane
        .kubectl(&admin, &["delete", "-n", "moods", "deployment/bad"], None)
        .await?
        .ok()?;
    let wait = [
        "wait",
        "-n",
        "moods",
        "pod",
        "-l",
        "app=bad",
        "--for=delete",
        "--timeout=60s",
    ];
    plane.kubectl(&admin, &wait, None).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn a_job_completes() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    namespace(plane, "jobs").await?;
    let admin = User::admin();
    let job = ["create", "job", "-n", "jobs", "once", "--image=x:1"];
    plane.kubectl(&admin, &job, None).await?.ok()?;
    let wait = [
        "wait",
        "-n",
        "jobs",
        "job/once",
        "--for=condition=Complete",
        "--timeout=60s",
    ];
    plane.kubectl(&admin, &wait, None).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn nothing_runs_in_the_operators_namespace() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    namespace(plane, "permit-system").await?;
    let admin = User::admin();
    plane
        .kubectl(
            &admin,
            &["apply", "-n", "permit-system", "-f", "-"],
            Some(&deployment("own", 1)),
        )
        .await?
        .ok()?;
    // The scheduler still binds it, later than everything kwok would do with a pod elsewhere begins.
    let bound = || async {
        let get = [
            "get",
            "pod",
            "-n",
            "permit-system",
            "-l",
            "app=own",
            "-o",
            "jsonpath={.items[*].spec.nodeName}",
        ];
        let node = plane.kubectl(&admin, &get, None).await?.ok()?;
        ensure!(node == "node-0", "bound to: {node}");
        Ok(())
    };
    eventually(PATIENCE, "the pod is bound", bound).await?;
    namespace(plane, "elsewhere").await?;
    plane
        .kubectl(
            &admin,
            &["apply", "-n", "elsewhere", "-f", "-"],
            Some(&deployment("own", 1)),
        )
        .await?
        .ok()?;
    let wait = [
        "wait",
        "-n",
        "elsewhere",
        "deployment/own",
        "--for=condition=Available",
        "--timeout=60s",
    ];
    plane.kubectl(&admin, &wait, None).await?.ok()?;
    let get = [
        "get",
        "pod",
        "-n",
        "permit-system",
        "-o",
        "jsonpath={.items[*].status.phase}",
    ];
    assert_eq!(plane.kubectl(&admin, &get, None).await?.ok()?, "Pending");
    Ok(())
}

#[tokio::test]
async fn the_api_server_restarts_with_its_data_and_ends_without_a_trace() -> Result<()> {
    let plane = ControlPlane::start(Options::default()).await?;
    namespace(&plane, "kept").await?;
    plane.restart_apiserver().await?;
    plane
        .kubectl(&User::admin(), &["get", "namespace", "kept"], None)
        .await?
        .ok()?;
    let (dir, processes) = (plane.dir().to_owned(), plane.processes());
    assert_eq!(processes.len(), 5);
    assert!(processes.values().all(|&pid| runs(pid)));
    plane.stop();
    assert!(processes.values().all(|&pid| !runs(pid)), "{processes:?}");
    assert!(!dir.exists());
    Ok(())
}

#[tokio::test]
async fn a_flag_that_no_server_knows_is_reported_with_its_last_words() {
    let options = Options {
        apiserver_flags: vec!["--no-such-flag".to_owned()],
    };
    let error = format!(
        "{:#}",
        ControlPlane::start(options)
            .await
            .err()
            .expect("it cannot start")
    );
    assert!(
        error.contains("kube-apiserver ended by itself") && error.contains("no-such-flag"),
        "{error}"
    );
}

/// Not a test of its own: what the killed runner runs.
#[tokio::test]
async fn runner() -> Result<()> {
    let Some(report) = std::env::var_os(RUNNER) else {
        return Ok(());
    };
    let plane = ControlPlane::start(Options::default()).await?;
    std::fs::write(report, serde_json::to_string(&plane.processes())?)?;
    std::future::pending().await
}

#[tokio::test]
async fn a_killed_runner_leaves_no_process() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let report = dir.path().join("processes");
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command
        .args(["--exact", "runner", "--test-threads=1"])
        .env(RUNNER, &report)
        .spawn()?;
    let started = || async {
        let text = std::fs::read_to_string(&report).context("nothing reported yet")?;
        Ok(serde_json::from_str::<
            std::collections::BTreeMap<String, i32>,
        >(&text)?)
    };
    let processes = eventually(PATIENCE * 2, "the runner has started everything", started).await?;
    assert_eq!(processes.len(), Program::CONTROL_PLANE.len() - 1);
    child.kill()?;
    child.wait()?;
    let gone = || async {
        let left: Vec<&String> = processes
            .iter()
            .filter(|(_, pid)| runs(**pid))
            .map(|(name, _)| name)
            .collect();
        ensure!(left.is_empty(), "still running: {left:?}");
        Ok(())
    };
    eventually(PATIENCE, "everything ended with its runner", gone).await
}
