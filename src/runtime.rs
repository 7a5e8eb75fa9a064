//! The runtime: puts the parts of one process together, starts them in order and ends them in order.
//!
//! The gate answers on every replica; controller, certificates, webhook configurations and policies are the
//! leader's. Decides
//! nothing.

mod keeping;
mod leader;
mod process;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::api::vocabulary::GateMode;
use crate::clock::SystemClock;
use crate::cluster::access::Access;
use crate::cluster::caches::Feed;
use crate::cluster::client;
use crate::cluster::webhook_settings::{Endpoint, Settings, Unlabelled};
use crate::config::{Command, Config, DefaultMode, Export, LedgerCommand, Run};
use crate::controller::{AdmittedBook, GrantedBook};
use crate::health::Readiness;
use crate::ledger::{Range, export_from};
use crate::metrics::Metrics;
use crate::supervise::{Stage, Supervisor};
use crate::webhook::Gate;
use leader::Leader;
use process::Process;

/// How long everything may take to end in order.
const GRACE: Duration = Duration::from_secs(10);

/// Runs what the configuration asks for.
pub async fn run(config: Config) -> anyhow::Result<()> {
    client::install_crypto();
    match config.command {
        Some(Command::Ledger(LedgerCommand::Export(export))) => export_ledger(&export).await,
        None => operate(config.run).await,
    }
}

/// Writes an export to a file or to standard output.
async fn export_ledger(export: &Export) -> anyhow::Result<()> {
    let mut out: Box<dyn std::io::Write + Send> = match &export.output {
        Some(path) => Box::new(
            std::fs::File::create(path).with_context(|| format!("create `{}`", path.display()))?,
        ),
        None => Box::new(std::io::stdout()),
    };
    // A linear chain proves an unbroken run only, so an export is always whole.
    export_from(&export.data_dir, &mut out, Range::default())
        .await
        .context("export the ledger")?;
    out.flush().context("write the export")
}

/// The parts in the order in which they start.
async fn operate(run: Run) -> anyhow::Result<()> {
    let client = client::connect(run.kubeconfig.as_deref())
        .await
        .context("connect to the API server")?;
    let process = Process {
        clock: Arc::new(SystemClock),
        metrics: Metrics::new().context("set up metrics")?,
        readiness: Readiness::default(),
        supervisor: Supervisor::default(),
        settings: settings(&run),
        client,
        run,
    };
    let feed = Feed::new(&process.client, &process.run.namespace);
    let filled = process.readiness.part("caches");
    let (caches, due) = (feed.caches, feed.due);
    process.serve_probes().await?;
    process.fill(&caches, feed.watches, filled.clone());
    let (leads_in, leads) = watch::channel(false);
    let served = process.keep_certificates(leads);
    let admitted = Arc::new(AdmittedBook::default());
    let granted = Arc::new(GrantedBook::default());
    let handover = process.take_in((Arc::clone(&admitted), Arc::clone(&granted)));
    let gate = Gate {
        client: process.client.clone(),
        caches: Arc::clone(&caches),
        access: Access::new(process.client.clone()),
        clock: Arc::clone(&process.clock),
        operator: process.settings.operator(),
        default_mode: default_mode(process.run.default_mode),
        handover,
        filled,
        metrics: process.metrics.clone(),
    };
    process.serve_gate(gate, served.clone())?;
    let leader = Leader {
        run: process.run,
        client: process.client,
        clock: process.clock,
        metrics: process.metrics,
        settings: process.settings,
        served,
        admitted,
        granted,
        caches,
        due,
        leads: leads_in,
    };
    let supervisor = process.supervisor;
    let stop = supervisor.stop(Stage::Work);
    supervisor.spawn(Stage::Work, "leader", leader.lead(stop));
    supervisor
        .run(futures::future::pending(), GRACE)
        .await
        .context("run")
}

fn settings(run: &Run) -> Settings {
    Settings {
        namespace: run.namespace.clone(),
        endpoint: run
            .webhook_url
            .clone()
            .map_or(Endpoint::Service, Endpoint::Url),
        unlabelled: match run.default_mode {
            DefaultMode::Off => Unlabelled::Off,
            DefaultMode::Audit => Unlabelled::Report,
            DefaultMode::Enforce => Unlabelled::Enforce,
        },
    }
}

const fn default_mode(mode: DefaultMode) -> GateMode {
    match mode {
        DefaultMode::Off => GateMode::Off,
        DefaultMode::Audit => GateMode::Audit,
        DefaultMode::Enforce => GateMode::Enforce,
    }
}
