//! Control plane: the real Kubernetes programs as plain processes on loopback.
//!
//! Decides the order of their start and how they end. Does not know the operator.

mod access;
mod audit;
mod component;
pub(crate) mod kubeconfig;
mod readiness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use crate::process::Process;
use crate::program::Program;
use crate::toolchain::Toolchain;
use crate::user::User;
pub use access::client_from;
use component::Site;

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
