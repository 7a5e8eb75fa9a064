//! Prometheus: the real one, scraping what it is told every second.
//!
//! Decides its configuration, its port and its end. Does not know what the series mean, nor who asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::port::Port;
use crate::process::Process;
use crate::program::Program;
use crate::toolchain::Toolchain;
use crate::wait::eventually;
use crate::workdir::{Workdir, write_private};

const START: Duration = Duration::from_secs(90);

/// Something to scrape, and the labels its series get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `127.0.0.1:PORT`, serving `/metrics`.
    pub address: String,
    /// The label `namespace`.
    pub namespace: String,
    /// The label `workload`.
    pub workload: String,
}

/// A running Prometheus. It ends when this is dropped.
pub struct Prometheus {
    process: Mutex<Option<Process>>,
    targets: Mutex<Vec<Target>>,
    program: PathBuf,
    port: Port,
    workdir: Workdir,
}

impl Prometheus {
    /// Starts it; returns when it answers queries.
    pub async fn start(targets: &[Target]) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = || Toolchain::of_checkout()?.program(Program::Prometheus);
        let program = tokio::task::spawn_blocking(build)
            .await
            .context("build prometheus")??;
        let prometheus = Self {
            process: Mutex::default(),
            targets: Mutex::new(targets.to_vec()),
            program,
            port: Port::reserve()?,
            workdir: Workdir::create()?,
        };
        write_private(
            &prometheus.path("prometheus.yaml"),
            &configuration(&prometheus.path("targets.json")),
        )?;
        prometheus.write_targets()?;
        prometheus.restart().await?;
        Ok(prometheus)
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Scrapes one more target from now on; it takes Prometheus up to 5 s to notice.
    pub fn add_target(&self, target: Target) -> Result<()> {
        self.targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(target);
        self.write_targets()
    }

    /// Ends it as a crash would. What it stored stays.
    pub fn stop(&self) {
        self.process().take();
    }

    /// Ends it if it runs, and starts it on the same port with what it had stored.
    pub async fn restart(&self) -> Result<()> {
        self.stop();
        let mut command = Command::new(&self.program);
        command.args(self.arguments());
        let process = Process::start("prometheus", command, &self.path("prometheus.log"))?;
        *self.process() = Some(process);
        let is_ready = || async {
            self.process()
                .as_ref()
                .map_or(Ok(()), Process::check_alive)?;
            let answer = self.get("/-/ready", &[]).await?;
            ensure!(
                answer.status().is_success(),
                "/-/ready answers {}",
                answer.status()
            );
            Ok(())
        };
        eventually(START, "prometheus is ready", is_ready).await
    }

    /// The answer to an instant query: the JSON of Prometheus' `data.result`.
    pub async fn query(&self, promql: &str) -> Result<Value> {
        let answer = self.get("/api/v1/query", &[("query", promql)]).await?;
        let mut body: Value = answer
            .json()
            .await
            .context("read the answer of prometheus")?;
        ensure!(
            body.get("status") == Some(&json!("success")),
            "prometheus refuses `{promql}`: {body}"
        );
        Ok(body
            .pointer_mut("/data/result")
            .map(Value::take)
            .unwrap_or_default())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<reqwest::Response> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        let request = client.get(format!("{}{path}", self.url())).query(query);
        request
            .send()
            .await
            .with_context(|| format!("ask prometheus: {path}"))
    }

    fn arguments(&self) -> Vec<String> {
        vec![
            format!("--config.file={}", self.path("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", self.path("data").display()),
            format!("--web.listen-address={}", self.port.address()),
            "--log.level=warn".to_owned(),
        ]
    }

    fn write_targets(&self) -> Result<()> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = targets.iter().map(|target| {
            let labels = json!({"namespace": target.namespace, "workload": target.workload});
            json!({"targets": [target.address], "labels": labels})
        });
        write_private(
            &self.path("targets.json"),
            &groups.collect::<Value>().to_string(),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workdir.path().join(name)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// JSON, which is YAML too. Targets lie in a file of their own, so that some may come later.
fn configuration(targets: &Path) -> String {
    let job = json!({"job_name": "workloads", "file_sd_configs": [{"files": [targets]}]});
    let global =
        json!({"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"});
    json!({"global": global, "scrape_configs": [job]}).to_string()
}
