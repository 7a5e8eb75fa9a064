//! Manifests that others wrote, each of their Deployments taken from a first denial to a permitted image change.
//!
//! Decides how many are tried at once and how the run ends: with an error at any surprise, and where there is nothing
//! to try. Does not know what a trial consists of.

mod found;
mod needs;
mod result;
mod trial;
mod variant;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use futures::StreamExt as _;
use permit_harness::operator::install;
use permit_harness::{ControlPlane, Operator, OperatorOptions, Options};
use tokio::signal::unix::{SignalKind, signal};

use found::Found;
use result::{Results, say};

/// How many Deployments are tried at once: most of a trial is waiting.
const AT_ONCE: usize = 4;

/// What may be asked of a run.
#[derive(Parser)]
#[command(
    about = "Takes every Deployment of a directory through a permitted creation and image change"
)]
struct Arguments {
    /// Directories with manifests; they are only read.
    #[arg(required = true)]
    directories: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let directories = Arguments::parse().directories;
    let mut asked_to_end = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    // Whichever ends first, what was started is dropped and with it ended.
    tokio::select! {
        ended = run(&directories) => ended,
        _ = asked_to_end.recv() => bail!("ended by SIGTERM"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listen for an interrupt")?;
            bail!("interrupted")
        }
    }
}

async fn run(directories: &[PathBuf]) -> Result<()> {
    let began = Instant::now();
    let found = read(directories)?;
    say(&format!(
        "corpus: {} Deployments; starting the control plane (its programs are built the first time, which takes minutes)",
        found.len()
    ));
    let plane = ControlPlane::start(Options::default()).await?;
    install(&plane).await?;
    let operator = Operator::start(&plane, OperatorOptions::default()).await?;
    trial::install_template(&plane).await?;
    let trials = found.iter().enumerate().map(|(number, one)| {
        let plane = &plane;
        async move { trial::run(plane, one, number).await }
    });
    let all: Vec<Results> = futures::stream::iter(trials)
        .buffered(AT_ONCE)
        .inspect(Results::show)
        .collect()
        .await;
    conclude(&all, began, &operator)
}

/// The Deployments of all directories. A directory without one is a mistake in the call.
fn read(directories: &[PathBuf]) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for directory in directories {
        let (found, skipped) = found::below(directory)?;
        for (file, why) in skipped {
            say(&format!("skipped {}: {why}", file.display()));
        }
        ensure!(
            !found.is_empty(),
            "{} holds no Deployment",
            shown(directory)
        );
        all.extend(found);
    }
    Ok(all)
}

fn shown(directory: &Path) -> String {
    format!("the directory {}", directory.display())
}

fn conclude(all: &[Results], began: Instant, operator: &Operator) -> Result<()> {
    let steps: usize = all.iter().map(Results::len).sum();
    let surprises: Vec<String> = all.iter().filter_map(Results::surprise).collect();
    say(&format!(
        "\ncorpus: {} Deployments, {steps} steps, {} surprises, {:.0} s",
        all.len(),
        surprises.len(),
        began.elapsed().as_secs_f64()
    ));
    if surprises.is_empty() {
        return Ok(());
    }
    bail!(
        "not as expected:\n{}\nthe operator's log ends so:\n{}",
        surprises.join("\n"),
        operator.log_tail()
    )
}
