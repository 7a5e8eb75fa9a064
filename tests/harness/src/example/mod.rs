//! Example: a workload whose metrics are real, as a child process.
//!
//! Decides how the example server is started for a Deployment. Does not know how it behaves: that follows from
//! the image its ready pods run, which nobody tells it.

pub mod behaviour;
pub mod load;
pub mod server;
pub mod workload;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::binary;
use crate::control_plane::ControlPlane;
use crate::port::Port;
use crate::process::Process;
use crate::prometheus::Target;
use crate::user::User;
use crate::wait::eventually;

const START: Duration = Duration::from_mins(1);

/// A running example server with its own steady load. It ends when this is dropped.
pub struct Example {
    process: Process,
    port: Port,
    namespace: String,
    deployment: String,
}

impl Example {
    /// Starts a server that stands for the Deployment, which need not exist yet.
    pub async fn start(plane: &ControlPlane, namespace: &str, deployment: &str) -> Result<Self> {
        let build = || binary::built("example-server");
        let program = tokio::task::spawn_blocking(build)
            .await
            .context("build the example server")??;
        // An identity of its own, so that its reads are told from the administrator's in the record.
        let user = User::new("example-server", &["system:masters"]);
        let port = Port::reserve()?;
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(plane.kubeconfig(&user)?);
        command.args(["--namespace", namespace, "--deployment", deployment]);
        command.args(["--listen", &port.address()]);
        let log = plane
            .dir()
            .join("logs")
            .join(format!("example-{namespace}-{deployment}.log"));
        let process = Process::start("example-server", command, &log)?;
        let (namespace, deployment) = (namespace.to_owned(), deployment.to_owned());
        let example = Self {
            process,
            port,
            namespace,
            deployment,
        };
        example.await_answer().await?;
        Ok(example)
    }

    /// What Prometheus scrapes.
    pub fn target(&self) -> Target {
        Target {
            address: self.port.address(),
            namespace: self.namespace.clone(),
            workload: self.deployment.clone(),
        }
    }

    async fn await_answer(&self) -> Result<()> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()?;
        let url = format!("http://{}/metrics", self.port.address());
        let answers = || async {
            self.process.check_alive()?;
            let status = client.get(&url).send().await?.status();
            ensure!(status.is_success(), "/metrics answers {status}");
            Ok(())
        };
        eventually(START, "the example server answers", answers).await
    }
}
