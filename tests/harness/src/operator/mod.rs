//! Operator: the permit-operator as its Deployment manifest says, without a pod around it.
//!
//! Decides which of the manifest's values must differ outside a pod, and gives the process its account's token.
//! Does not know what the operator does, and never lends it another identity.

mod identity;
mod install;
mod manifest;
mod options;
mod token;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::background::Background;
use crate::binary;
use crate::control_plane::ControlPlane;
use crate::port::Port;
use crate::process::Process;
use crate::wait::eventually;
use identity::identity;
use install::INSTALL;
use manifest::Manifest;

pub use install::install;
pub use options::OperatorOptions;

const PATIENCE: Duration = Duration::from_secs(90);
/// Nobody listens there: what stands for a Prometheus that no test asked for.
const NO_PROMETHEUS: &str = "http://127.0.0.1:9";

/// A permit-operator. It ends when this is dropped.
pub struct Operator {
    process: Mutex<Option<Process>>,
    program: PathBuf,
    manifest: Manifest,
    webhook: Port,
    metrics: Port,
    data_dir: PathBuf,
    log: PathBuf,
    _token: Background,
}

impl Operator {
    /// Starts it; returns when its readiness probe succeeds.
    pub async fn start(plane: &ControlPlane, options: OperatorOptions) -> Result<Self> {
        let operator = Self::launch(plane, options).await?;
        operator.await_ready().await?;
        Ok(operator)
    }

    /// Starts it without waiting for anything.
    pub async fn launch(plane: &ControlPlane, options: OperatorOptions) -> Result<Self> {
        let program = match options.binary.clone() {
            Some(path) => path,
            None => tokio::task::spawn_blocking(|| binary::built("permit-operator")).await??,
        };
        let path = Path::new(INSTALL).join("deployment.yaml");
        let yaml =
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let mut manifest = manifest::read(&yaml, &options.pod)?;
        let dir = plane.dir().join("operators").join(&options.pod);
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let (kubeconfig, token) = identity(plane, &manifest, &dir, &options).await?;
        let data_dir = options.data_dir.clone().unwrap_or_else(|| dir.join("data"));
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("create {}", data_dir.display()))?;
        let (webhook, metrics) = (Port::reserve()?, Port::reserve()?);
        // Everything that must differ outside a pod, and nothing else.
        manifest.substitute("PERMIT_KUBECONFIG", &kubeconfig.display().to_string());
        manifest.substitute("PERMIT_WEBHOOK_LISTEN", &webhook.address());
        manifest.substitute(
            "PERMIT_WEBHOOK_URL",
            &format!("https://{}", webhook.address()),
        );
        manifest.substitute("PERMIT_METRICS_LISTEN", &metrics.address());
        manifest.substitute("PERMIT_DATA_DIR", &data_dir.display().to_string());
        manifest.substitute(
            "PERMIT_PROMETHEUS_URL",
            options.prometheus_url.as_deref().unwrap_or(NO_PROMETHEUS),
        );
        manifest.args.extend(options.flags);
        let (process, log) = (Mutex::default(), dir.join("operator.log"));
        let operator = Self {
            process,
            program,
            manifest,
            webhook,
            metrics,
            data_dir,
            log,
            _token: token,
        };
        operator.spawn()?;
        Ok(operator)
    }

    /// Waits for the manifest's readiness probe to succeed; a process that ends meanwhile is reported at once.
    pub async fn await_ready(&self) -> Result<()> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()?;
        let url = format!("{}{}", self.metrics_url(), self.manifest.ready_path);
        let probe = || async {
            if let Err(ended) = self.check_alive() {
                return Ok(Err(ended));
            }
            let answer = client.get(&url).send().await?;
            let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
            ensure!(status.is_success(), "{url} answers {status}: {text}");
            Ok(Ok(()))
        };
        let ready = eventually(PATIENCE, "the operator is ready", probe).await;
        ready
            .and_then(|inner| inner)
            .with_context(|| format!("the operator's log ends so:\n{}", self.log_tail()))
    }

    /// Where it serves metrics and health: `http://127.0.0.1:PORT`.
    pub fn metrics_url(&self) -> String {
        format!("http://{}", self.metrics.address())
    }

    /// Where its webhooks listen: `https://127.0.0.1:PORT`.
    pub fn webhook_url(&self) -> String {
        format!("https://{}", self.webhook.address())
    }

    /// The directory of its ledger.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Everything it printed, restarts included.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it printed.
    pub fn log_tail(&self) -> String {
        self.process()
            .as_ref()
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<i32> {
        self.process()
            .as_ref()
            .filter(|process| process.exit().is_none())
            .map(Process::id)
    }

    /// An error with its last words if it is not running.
    pub fn check_alive(&self) -> Result<()> {
        self.process()
            .as_ref()
            .context("the operator was ended")?
            .check_alive()
    }

    /// Ends it with SIGKILL; returns when it is gone, so that nothing it does comes later.
    pub fn kill9(&self) {
        if let Some(process) = self.process().as_ref() {
            process.kill();
        }
    }

    /// Stops it in its tracks.
    pub fn sigstop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a stopped one go on.
    pub fn sigcont(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end, as a kubelet does, and waits until it has; returns its exit status.
    pub async fn sigterm(&self) -> Result<i32> {
        self.signal(Signal::SIGTERM)?;
        let ended = || async {
            let exit = self
                .process()
                .as_ref()
                .and_then(Process::exit)
                .context("it still runs")?;
            exit.code().context("it was ended by a signal")
        };
        eventually(PATIENCE, "the operator ends when asked to", ended).await
    }

    /// Starts it anew with the same flags, ports, token and ledger, ended before if need be; awaits readiness.
    pub async fn restart(&self) -> Result<()> {
        self.relaunch()?;
        self.await_ready().await
    }

    /// Like [`Self::restart`], without waiting for anything.
    pub fn relaunch(&self) -> Result<()> {
        self.kill9();
        self.spawn()
    }

    fn spawn(&self) -> Result<()> {
        let mut command = Command::new(&self.program);
        // Nothing of ours reaches it: what it needs, its manifest says.
        command
            .env_clear()
            .envs(self.manifest.env.iter().cloned())
            .args(&self.manifest.args);
        *self.process() = Some(Process::start("permit-operator", command, &self.log)?);
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.process()
            .as_ref()
            .context("the operator was ended")?
            .signal(signal)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
