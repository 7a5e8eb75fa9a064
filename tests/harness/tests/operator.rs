//! The operator's place: its own account and nothing else, and a proxy that strikes at a write.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use permit_harness::fault_proxy::When;
use permit_harness::{
    ControlPlane, FaultProxy, Operator, OperatorOptions, Output, User, eventually,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody with a bearer token, as the operator is: the account `name` in a namespace of that name.
struct Account {
    token: String,
    namespace: String,
}

impl Account {
    async fn create(plane: &ControlPlane, name: &str) -> Result<Self> {
        let admin = User::admin();
        for args in [
            vec!["create", "namespace", name],
            vec!["create", "serviceaccount", name, "-n", name],
        ] {
            plane.kubectl(&admin, &args, None).await?.ok()?;
        }
        let account = format!("--serviceaccount={name}:{name}");
        let bind = [
            "create",
            "rolebinding",
            name,
            "-n",
            name,
            "--clusterrole=edit",
            &account,
        ];
        plane.kubectl(&admin, &bind, None).await?.ok()?;
        let token = plane
            .kubectl(&admin, &["create", "token", name, "-n", name], None)
            .await?
            .ok()?;
        Ok(Self {
            token: token.trim().to_owned(),
            namespace: name.to_owned(),
        })
    }

    /// kubectl through the proxy.
    fn command(&self, plane: &ControlPlane, proxy: &FaultProxy, args: &[&str]) -> Result<Command> {
        let mut command = plane.kubectl_command(&User::admin())?;
        command.env("KUBECONFIG", "/dev/null");
        command.args([
            "--server",
            &proxy.url(),
            "--token",
            &self.token,
            "-n",
            &self.namespace,
        ]);
        command
            .arg("--certificate-authority")
            .arg(plane.authority_file())
            .args(args);
        Ok(command)
    }

    async fn kubectl(
        &self,
        plane: &ControlPlane,
        proxy: &FaultProxy,
        args: &[&str],
    ) -> Result<Output> {
        let command = self.command(plane, proxy, args)?;
        tokio::task::spawn_blocking(|| permit_harness::process::run(command, None)).await?
    }
}

#[tokio::test]
async fn writes_pass_and_are_counted_and_reads_only_pass() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let proxy = FaultProxy::start(plane)?;
    let account = Account::create(plane, "counted").await?;
    account
        .kubectl(plane, &proxy, &["create", "configmap", "a"])
        .await?
        .ok()?;
    account
        .kubectl(plane, &proxy, &["get", "configmap", "a"])
        .await?
        .ok()?;
    let dry = ["create", "configmap", "b", "--dry-run=server"];
    account.kubectl(plane, &proxy, &dry).await?.ok()?;
    account
        .kubectl(plane, &proxy, &["delete", "configmap", "a"])
        .await?
        .ok()?;
    let methods: Vec<String> = proxy
        .writes()
        .into_iter()
        .map(|write| write.method)
        .collect();
    assert_eq!(methods, ["POST", "DELETE"]);
    Ok(())
}

#[tokio::test]
async fn a_strike_before_a_write_prevents_it_and_one_after_only_hides_it() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let proxy = FaultProxy::start(plane)?;
    let account = Account::create(plane, "struck").await?;
    for (nth, when, exists) in [(1, When::Before, false), (2, When::After, true)] {
        let struck = Arc::new(AtomicBool::new(false));
        let strike = Arc::clone(&struck);
        proxy.strike_at(nth, when, move || strike.store(true, Ordering::SeqCst));
        let written = account
            .kubectl(plane, &proxy, &["create", "configmap", "a"])
            .await?;
        assert!(!written.is_success() && struck.load(Ordering::SeqCst) && !proxy.is_armed());
        let found = account
            .kubectl(plane, &proxy, &["get", "configmap", "a"])
            .await?;
        assert_eq!(found.is_success(), exists, "{when:?}: {}", found.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_goes_through_the_proxy_event_by_event() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    let proxy = FaultProxy::start(plane)?;
    let account = Account::create(plane, "watched").await?;
    let get = ["get", "configmaps", "--watch-only", "-o", "name"];
    let command = account.command(plane, &proxy, &get)?;
    let log = plane.dir().join("watched.log");
    let watcher = permit_harness::process::Process::start("kubectl", command, &log)?;
    // Until the watch is open an object would come too early for it: make one after the other.
    let mut made = 0;
    let seen = || {
        made += 1;
        let (name, account, log, watcher) = (format!("n{made}"), &account, &log, &watcher);
        let proxy = &proxy;
        async move {
            watcher.check_alive()?;
            account
                .kubectl(plane, proxy, &["create", "configmap", &name])
                .await?
                .ok()?;
            let text = fs::read_to_string(log)?;
            ensure!(
                text.contains("configmap/n"),
                "the watch has printed: {text}"
            );
            Ok(())
        }
    };
    eventually(PATIENCE, "the watch tells of a new object", seen).await
}

#[tokio::test]
async fn the_operator_is_its_account_with_what_its_manifest_says() -> Result<()> {
    let plane = ControlPlane::shared().await?;
    permit_harness::operator::install(plane).await?;
    let dir = tempfile::tempdir()?;
    // Stands for the operator: says who it is and what it was given, then waits to be ended.
    let kubectl = plane
        .kubectl_command(&User::admin())?
        .get_program()
        .display()
        .to_string();
    let script = format!(
        "#!/bin/sh\ncd \"$PERMIT_DATA_DIR\"\n\
         HOME=. {kubectl} --kubeconfig \"$PERMIT_KUBECONFIG\" auth whoami -o json > whoami.unfinished\n\
         env > environment; echo \"$@\" > arguments\nmv whoami.unfinished whoami\n\
         trap 'echo asked to end; exit 7' TERM\nsleep 600 & wait\n"
    );
    let program = dir.path().join("operator");
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let options = OperatorOptions {
        binary: Some(program),
        flags: vec!["--certificate-lifetime=1m".to_owned()],
        ..OperatorOptions::default()
    };
    let operator = Operator::launch(plane, options).await?;
    let told = |file: &str| fs::read_to_string(operator.data_dir().join(file));
    let whoami = || async { told("whoami").context("it has not said who it is yet") };
    let whoami: Value =
        serde_json::from_str(&eventually(PATIENCE, "it says who it is", whoami).await?)?;
    let user = &whoami["status"]["userInfo"]["username"];
    assert_eq!(user, "system:serviceaccount:permit-system:permit-operator");
    assert!(
        told("arguments")?
            .trim()
            .ends_with("--certificate-lifetime=1m")
    );
    let environment = told("environment")?;
    assert!(
        environment.contains("PERMIT_WEBHOOK_URL=https://127.0.0.1:"),
        "{environment}"
    );
    assert!(
        !environment.contains("CARGO"),
        "nothing of ours reaches it: {environment}"
    );
    assert_eq!(operator.sigterm().await?, 7);
    assert!(operator.log_tail().contains("asked to end"));
    Ok(())
}
