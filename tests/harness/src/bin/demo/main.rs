//! The story, told on a real control plane: every step is a real command, and its true outcome is checked.
//!
//! Ends with an error at the first step that goes otherwise, and leaves nothing running; with `--keep` everything
//! stays up until it is interrupted.

mod audited;
mod kept;
mod record;
mod shown;
mod story;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use permit_harness::{ControlPlane, Example, Operator, OperatorOptions, Options, Prometheus};
use tokio::signal::unix::{SignalKind, signal};

use shown::{Shown, say};

/// What may be asked of the demo.
#[derive(Parser)]
#[command(about = "Tells the story of two permitted changes on a real control plane")]
struct Arguments {
    /// Leave everything running when the story has been told, until interrupted.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let keep = Arguments::parse().keep;
    let mut asked_to_end = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    // Whichever ends first, what was started is dropped and with it ended.
    tokio::select! {
        told = tell(keep) => told,
        _ = asked_to_end.recv() => bail!("ended by SIGTERM"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listen for an interrupt")?;
            if keep { Ok(()) } else { bail!("interrupted") }
        }
    }
}

async fn tell(keep: bool) -> Result<()> {
    let began = Instant::now();
    say(
        "== the control plane: etcd, kube-apiserver, controllers, Prometheus (built from source the first time)",
    );
    let plane = ControlPlane::start(Options::default()).await?;
    let mut shown = Shown::new(&plane);
    shown.took("start the control plane", began.elapsed());
    story::set_stage(&mut shown).await?;
    let began = Instant::now();
    let example = Example::start(&plane, story::NAMESPACE, "checkout").await?;
    let prometheus = Prometheus::start(&[example.target()]).await?;
    let options = OperatorOptions {
        prometheus_url: Some(prometheus.url()),
        ..OperatorOptions::default()
    };
    let operator = Operator::start(&plane, options).await?;
    shown.took("start Prometheus and the operator", began.elapsed());
    let told = story::tell(&mut shown, &operator).await;
    if told.is_err() {
        say(&format!(
            "the operator's log ends so:\n{}",
            operator.log_tail()
        ));
    }
    told?;
    summary(&shown);
    if keep {
        kept::keep(&plane, &operator, &prometheus).await?;
    }
    Ok(())
}

fn summary(shown: &Shown<'_>) {
    say("\n== summary");
    let mut whole = Duration::ZERO;
    for (step, took) in shown.steps() {
        say(&format!("  {:>6.1} s  {step}", took.as_secs_f64()));
        whole += *took;
    }
    say(&format!("  {:>6.1} s  in all", whole.as_secs_f64()));
}
