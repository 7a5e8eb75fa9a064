//! The figures that the project is held to, measured and printed with their goals; nothing is asserted.
//!
//! Decides which parts run, in which order. Each part says what exactly it measures, and the report repeats it.

mod allow;
mod answer;
mod breach;
mod canned;
mod decision;
mod fixture;
mod known;
mod lifecycle;
mod machine;
mod many;
mod measure;
mod report;
mod rest;
mod reviewed;
mod serve;
mod site;
mod tls;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use permit_harness::allocations::Counting;
use tokio::signal::unix::{SignalKind, signal};

use measure::WarmUp;
use report::{Report, say};
use serve::Behind;
use site::Site;

#[global_allocator]
static COUNTED: Counting = Counting;

/// What may be asked of the benchmarks.
#[derive(Parser)]
#[command(about = "Measures the figures of the project and writes target/bench/report.md")]
struct Arguments {
    /// How long each part is run before its first sample, in seconds; without a warm-up there are no figures.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// Only these parts.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serve with this behind the server: what the benchmarks start of themselves.
    #[arg(long, hide = true, value_enum)]
    serve: Option<Behind>,
    /// Know what there is at this API server: what the benchmarks start of themselves.
    #[arg(long, hide = true)]
    know: Option<String>,
}

/// The parts, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A pure decision at 1,000 and 100,000 permits.
    Decision,
    /// An 8 KB review, parsed, decided and answered.
    Answer,
    /// CPU time of a review over TLS, against an empty handler.
    Https,
    /// Memory, start and second list with 100,000 permits.
    Known,
    /// Calls and memory at rest.
    Rest,
    /// Writes of a lifecycle, admission calls of a rollout.
    Lifecycle,
    /// An allow against a bare GET.
    Allow,
    /// From a breach to its rollback.
    Breach,
    /// Memory with 10,000 permits.
    Many,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(behind) = arguments.serve {
        return serve::serve(behind).await;
    }
    if let Some(url) = arguments.know {
        return known::know(&url).await;
    }
    let warm_up = WarmUp::new(arguments.warm_up)?;
    let mut asked_to_end = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    // Whichever ends first, what was started is dropped and with it ended.
    tokio::select! {
        ended = run(&arguments.parts, warm_up) => ended,
        _ = asked_to_end.recv() => bail!("ended by SIGTERM"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listen for an interrupt")?;
            bail!("interrupted")
        }
    }
}

async fn run(parts: &[Part], warm_up: WarmUp) -> Result<()> {
    let wanted = |part: &Part| parts.is_empty() || parts.contains(part);
    let mut report = Report::begin();
    let alone = [Part::Decision, Part::Answer, Part::Https, Part::Known];
    for part in alone.iter().filter(|p| wanted(p)) {
        begin(*part);
        match part {
            Part::Decision => decision::measure(&mut report, warm_up).await?,
            Part::Answer => answer::measure(&mut report, warm_up).await?,
            Part::Known => known::measure(&mut report).await?,
            _ => tls::measure(&mut report, warm_up).await?,
        }
    }
    let on_site = [
        Part::Rest,
        Part::Lifecycle,
        Part::Allow,
        Part::Breach,
        Part::Many,
    ];
    let on_site: Vec<Part> = on_site.into_iter().filter(wanted).collect();
    if !on_site.is_empty() {
        on_a_control_plane(&mut report, (&on_site, warm_up)).await?;
    }
    say(&format!("bench: written to {}", report.write()?.display()));
    Ok(())
}

async fn on_a_control_plane(
    report: &mut Report,
    (parts, warm_up): (&[Part], WarmUp),
) -> Result<()> {
    say(
        "bench: starting the control plane (its programs are built the first time, which takes minutes)",
    );
    let site = Site::start().await?;
    for part in parts {
        begin(*part);
        let measured = match part {
            Part::Rest => rest::measure(report, &site).await,
            Part::Lifecycle => lifecycle::measure(report, &site).await,
            Part::Allow => allow::measure(report, (&site, warm_up)).await,
            Part::Breach => breach::measure(report, &site).await,
            _ => many::measure(report, &site).await,
        };
        measured.with_context(|| {
            format!("the operator's log ends so:\n{}", site.operator.log_tail())
        })?;
    }
    Ok(())
}

fn begin(part: Part) {
    let about = part.to_possible_value();
    let help = about
        .as_ref()
        .and_then(|v| v.get_help())
        .map(ToString::to_string);
    say(&format!("bench: {}", help.unwrap_or_default()));
}
