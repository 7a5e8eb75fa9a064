//! TLS: what a review costs the serving process, against an empty handler of the same server.
//!
//! Decides how the two are compared: in one run, turn about, by the CPU time that the kernel counts for each process.
//! Does not know what is judged.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use permit_harness::eventually;
use permit_harness::process::Process;
use permit_operator::cluster::client::install_crypto;
use permit_operator::cluster::webhook_config::GATE_PATH;
use reqwest::{Client, header};
use tempfile::TempDir;

use crate::answer::denied_review;
use crate::machine::as_f64;
use crate::measure::{Samples, Warm, WarmUp};
use crate::report::Report;

/// How often the turn goes from one to the other.
const TURNS: usize = 12;
const CALLS_A_TURN: usize = 2_000;
const START: Duration = Duration::from_mins(1);
/// What one tick of /proc/PID/stat is, in microseconds: `USER_HZ` is 100 on every Linux.
const TICK_US: f64 = 10_000.0;

/// A server in a process of its own; it ends with this.
struct Server {
    process: Process,
    client: Client,
    url: String,
    samples: Samples,
    ticks: u64,
    _dir: TempDir,
}

/// Measures CPU time a request and its ratio.
pub(crate) async fn measure(report: &mut Report, warm_up: WarmUp) -> Result<()> {
    install_crypto();
    let body = denied_review();
    let (mut gate, mut empty) = (Server::start("gate").await?, Server::start("empty").await?);
    ensure!(
        gate.call(&body).await?.contains("PermitRequired"),
        "the gate does not judge"
    );
    let warm_gate = warm_up
        .of_async(|| async { gate.call(&body).await.map(drop) })
        .await?;
    let warm_empty = warm_up
        .of_async(|| async { empty.call(&body).await.map(drop) })
        .await?;
    for _ in 0..TURNS {
        gate.turn(&warm_gate, &body).await?;
        empty.turn(&warm_empty, &body).await?;
    }
    let (cpu, floor) = (gate.cpu_us(), empty.cpu_us());
    report.raw("https-gate", &gate.samples);
    report.raw("https-empty", &empty.samples);
    report.raw_line(format!(
        "https-gate: {cpu:.1} us CPU a request; https-empty: {floor:.1} us"
    ));
    report.figure("https-cpu-to-empty", (cpu / floor, "times"), 2.0);
    report.note(
        "https",
        format!(
            "two processes with `webhook::server::serve`, ECDSA P-256, HTTP/1.1, one keep-alive connection each, the log \
             written as in production; one answers by the gate (an 8 KB review, denied, no live read, \
             1,000 permits known), one by a handler that reads the body and answers `{{}}`. {TURNS} turns of \
             {CALLS_A_TURN} calls each, ABAB; user and system time of each process from /proc/PID/stat."
        ),
    );
    Ok(())
}

impl Server {
    async fn start(behind: &str) -> Result<Self> {
        let own = std::env::current_exe().context("find the running program")?;
        let (dir, mut command) = (TempDir::new()?, Command::new(own));
        command.args(["--serve", behind]);
        // Its log goes to the same file, below the line with the port.
        let process = Process::start(behind, command, &dir.path().join("log"))?;
        let port = || async {
            process.check_alive()?;
            let log = fs::read_to_string(process.log())?;
            let (first, _) = log.split_once('\n').context("no port yet")?;
            first.parse::<u16>().context("a server told no port")
        };
        let port = eventually(START, "the server listens", port).await?;
        let client = Client::builder()
            .no_proxy()
            .http1_only()
            .tls_danger_accept_invalid_certs(true)
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self {
            process,
            client,
            url: format!("https://127.0.0.1:{port}{GATE_PATH}"),
            samples: Samples::default(),
            ticks: 0,
            _dir: dir,
        })
    }

    async fn call(&self, body: &Bytes) -> Result<String> {
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json");
        let response = request
            .body(body.clone())
            .send()
            .await?
            .error_for_status()?;
        Ok(response.text().await?)
    }

    async fn turn(&mut self, warm: &Warm, body: &Bytes) -> Result<()> {
        let before = cpu_ticks(self.process.id())?;
        let mut samples = std::mem::take(&mut self.samples);
        samples
            .extend(warm, CALLS_A_TURN, || async {
                self.call(body).await.map(drop)
            })
            .await?;
        self.samples = samples;
        self.ticks += cpu_ticks(self.process.id())? - before;
        Ok(())
    }

    /// CPU time a request, in microseconds.
    fn cpu_us(&self) -> f64 {
        as_f64(self.ticks) * TICK_US / as_f64(self.samples.len() as u64)
    }
}

/// User and system time of a process so far.
fn cpu_ticks(pid: i32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's times")?;
    // The name, in brackets, may hold anything: the fields are counted from behind it.
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok());
    ticks(11)
        .zip(ticks(12))
        .map(|(user, system)| user + system)
        .context("a process without times")
}
