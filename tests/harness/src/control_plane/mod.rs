//! Control plane: the real Kubernetes programs as plain processes on loopback.
//!
//! Decides the order of their start, when they are ready, and how they end. Does not know the operator.

mod access;
mod audit;
mod component;
pub(crate) mod kubeconfig;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::process::Process;
use crate::program::Program;
use crate::toolchain::Toolchain;
use crate::user::User;
use crate::wait::eventually;
pub use access::client_from;
use component::Site;

/// Generous: a loaded machine is no failure.
const START: Duration = Duration::from_secs(90);

/// The control plane that the tests of one binary share; it ends with the process.
static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// What may differ between control planes.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// Flags for kube-apiserver beyond its own.
    pub apiserver_flags: Vec<String>,
}

/// A running control plane. Everything it started ends when it is dropped.
pub struct ControlPlane {
    // Declared before the site: the programs end before their files go.
    running: Mutex<BTreeMap<Program, Process>>,
    programs: BTreeMap<Program, PathBuf>,
    kubeconfigs: Mutex<BTreeMap<User, PathBuf>>,
    options: Options,
    site: Site,
}

impl ControlPlane {
    /// Starts one: returns when the API server answers, controllers work and the node is ready.
    pub async fn start(options: Options) -> Result<Self> {
        // Somebody else may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let prepare = tokio::task::spawn_blocking(move || Self::prepare(options));
        let plane = prepare.await.context("prepare the control plane")??;
        plane.launch(Program::Etcd)?;
        plane.launch(Program::KubeApiserver)?;
        plane.await_apiserver().await?;
        for program in [
            Program::KubeControllerManager,
            Program::KubeScheduler,
            Program::Kwok,
        ] {
            plane.launch(program)?;
        }
        plane.await_node().await?;
        Ok(plane)
    }

    /// The one that all tests of this binary use: keep to a namespace of your own in it.
    pub async fn shared() -> Result<&'static Self> {
        SHARED
            .get_or_try_init(|| Self::start(Options::default()))
            .await
    }

    /// The run's directory: data, keys, logs.
    pub fn dir(&self) -> &Path {
        self.site.workdir.path()
    }

    /// Where the API server listens: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.site.apiserver_url()
    }

    /// The certificate of the authority that signed every certificate here.
    pub fn authority_file(&self) -> PathBuf {
        self.site.authority.certificate()
    }

    /// The authority, for servers that stand between.
    pub(crate) fn authority(&self) -> &crate::pki::Authority {
        &self.site.authority
    }

    /// Ends the API server as a crash would, and starts it again on the same port with the same data.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver();
        self.start_apiserver().await
    }

    /// Ends the API server and leaves it down.
    pub fn stop_apiserver(&self) {
        self.running().remove(&Program::KubeApiserver);
    }

    /// Starts the API server after [`Self::stop_apiserver`]; returns when it is ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        self.launch(Program::KubeApiserver)?;
        self.await_apiserver().await
    }

    /// Ends everything. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    /// The process ids of the running programs, by name.
    pub fn processes(&self) -> BTreeMap<&'static str, i32> {
        self.running()
            .iter()
            .map(|(program, process)| (program.name(), process.id()))
            .collect()
    }

    fn prepare(options: Options) -> Result<Self> {
        let toolchain = Toolchain::of_checkout()?;
        let built =
            Program::CONTROL_PLANE.map(|program| Ok((program, toolchain.program(program)?)));
        Ok(Self {
            running: Mutex::default(),
            programs: built.into_iter().collect::<Result<_>>()?,
            kubeconfigs: Mutex::default(),
            options,
            site: Site::prepare()?,
        })
    }

    fn launch(&self, program: Program) -> Result<()> {
        let path = self
            .programs
            .get(&program)
            .with_context(|| format!("{} was not prepared", program.name()))?;
        let mut command = Command::new(path);
        command
            .args(self.site.arguments(program)?)
            .env("HOME", self.dir());
        if program == Program::KubeApiserver {
            command.args(&self.options.apiserver_flags);
        }
        let log = self
            .site
            .workdir
            .subdir("logs")?
            .join(format!("{}.log", program.name()));
        let process = Process::start(program.name(), command, &log)?;
        self.running().insert(program, process);
        Ok(())
    }

    async fn await_apiserver(&self) -> Result<()> {
        let client = self.client(&User::admin()).await?;
        let is_ready = || async {
            let request = axum::http::Request::get("/readyz")
                .body(Vec::new())
                .context("ask for /readyz")?;
            let answer = client.request_text(request).await?;
            ensure!(answer == "ok", "/readyz answers: {answer}");
            Ok(())
        };
        self.while_alive("the API server is ready", is_ready).await
    }

    /// A ready node shows that kwok works, an account that the controllers do.
    async fn await_node(&self) -> Result<()> {
        let client = self.client(&User::admin()).await?;
        let nodes: Api<Node> = Api::all(client.clone());
        nodes
            .create(&PostParams::default(), &node()?)
            .await
            .context("create the node")?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let is_ready = || async {
            accounts
                .get("default")
                .await
                .context("look for the account `default`")?;
            let conditions = nodes
                .get_status("node-0")
                .await?
                .status
                .and_then(|status| status.conditions);
            let is_ready = conditions
                .iter()
                .flatten()
                .any(|it| it.type_ == "Ready" && it.status == "True");
            ensure!(
                is_ready,
                "the node is not ready: {}",
                self.log_tail(Program::Kwok)
            );
            Ok(())
        };
        self.while_alive("node and controllers are ready", is_ready)
            .await
    }

    /// Waits for `check`, or for a program that ended meanwhile, whose last words are the better error.
    async fn while_alive<F, Fut>(&self, what: &str, mut check: F) -> Result<()>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let attempt = || {
            let answer = check();
            async move {
                match self.check_alive() {
                    Ok(()) => answer.await.map(Ok),
                    Err(ended) => Ok(Err(ended)),
                }
            }
        };
        eventually(START, what, attempt).await?
    }

    /// An error with its last words if any program is no longer running.
    pub fn check_alive(&self) -> Result<()> {
        self.running().values().try_for_each(Process::check_alive)
    }

    /// The end of a program's log.
    pub fn log_tail(&self, program: Program) -> String {
        self.running()
            .get(&program)
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Program, Process>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn node() -> Result<Node> {
    let labels = json!({
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "node-0",
    });
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0", "labels": labels}});
    serde_json::from_value(node).context("describe the node")
}
