//! Access: the ways into a running control plane, each as somebody in particular.
//!
//! Decides which kubeconfig, client or kubectl a user gets, and where the server's own record of it is read.
//! Does not know how the control plane is started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;

use super::{ControlPlane, audit, kubeconfig};
use crate::environment;
use crate::process::{Output, run};
use crate::program::Program;
use crate::user::User;

/// The end of any single call of a client made here.
const CALL: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// The kubeconfig of anybody, made when first asked for.
    pub fn kubeconfig(&self, user: &User) -> Result<PathBuf> {
        let mut known = self
            .kubeconfigs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = known.get(user) {
            return Ok(path.clone());
        }
        let path = kubeconfig::mint(&self.site, user)?;
        known.insert(user.clone(), path.clone());
        Ok(path)
    }

    /// A client that acts as `user`. It belongs to the runtime that asks: make one in each test.
    pub async fn client(&self, user: &User) -> Result<Client> {
        client_from(&self.kubeconfig(user)?).await
    }

    /// Runs kubectl as `user`. Plugins that Cargo built beside the running program are found.
    pub async fn kubectl(&self, user: &User, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let mut command = self.kubectl_command(user)?;
        command.args(args);
        let stdin = stdin.map(str::to_owned);
        tokio::task::spawn_blocking(move || run(command, stdin))
            .await
            .context("run kubectl")?
    }

    /// kubectl with the environment that `user` needs, for arguments of the caller's.
    pub fn kubectl_command(&self, user: &User) -> Result<Command> {
        let kubectl = self
            .programs
            .get(&Program::Kubectl)
            .context("kubectl was not prepared")?;
        let mut command = Command::new(kubectl);
        command
            .env("KUBECONFIG", self.kubeconfig(user)?)
            .env("HOME", self.dir());
        command.env("PATH", self.search_path()?);
        Ok(command)
    }

    /// A `PATH` on which kubectl and the binaries of this workspace come first.
    pub fn search_path(&self) -> Result<String> {
        let kubectl = self
            .programs
            .get(&Program::Kubectl)
            .context("kubectl was not prepared")?;
        let beside = environment::target_dir()?;
        Ok(environment::search_path(&[
            kubectl.parent().unwrap_or(kubectl),
            &beside,
        ]))
    }

    /// Every request so far by the API server's own record; a watch appears when it starts and when it ends.
    pub fn audit_events(&self) -> Result<Vec<Value>> {
        Ok(self.audit_events_from(0)?.0)
    }

    /// The requests after `from`, which is 0 or what an earlier call returned beside its events.
    pub fn audit_events_from(&self, from: usize) -> Result<(Vec<Value>, usize)> {
        audit::events_from(&self.site.audit_log(), from)
    }
}

/// A client with an end to every call and no retries behind its caller's back.
pub async fn client_from(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).context("read a kubeconfig")?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.context("use a kubeconfig")?;
    config.connect_timeout = Some(CALL);
    config.read_timeout = Some(CALL);
    config.write_timeout = Some(CALL);
    config.default_retry = false;
    Client::try_from(config).context("make a client")
}
