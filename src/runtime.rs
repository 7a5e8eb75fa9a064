//! The runtime: puts the parts of one process together, starts them in order and ends them in order.
//!
//! The gate answers on every replica; controller, certificates and webhook configurations are the leader's. Decides
//! nothing.

mod leader;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::api::vocabulary::GateMode;
use crate::clock::{Clock, SystemClock};
use crate::cluster::access::Access;
use crate::cluster::caches::Feed;
use crate::cluster::certificates::Certificates;
use crate::cluster::client;
use crate::cluster::webhook_settings::{Endpoint, Settings, Unlabelled};
use crate::config::{Command, Config, DefaultMode, Export, LedgerCommand, Run};
use crate::controller::AdmittedBook;
use crate::domain::certificate::Wanted;
use crate::domain::world::Admitted;
use crate::health::{self, Readiness};
use crate::ledger::{Range, export_from};
use crate::metrics::Metrics;
use crate::supervise::{Stage, Supervisor};
use crate::webhook::{self, Gate, handover, server};
use leader::Leader;

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

#[expect(
    clippy::too_many_lines,
    reason = "the parts of the process in the order in which they start"
)]
async fn operate(run: Run) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let client = client::connect(run.kubeconfig.as_deref())
        .await
        .context("connect to the API server")?;
    let metrics = Metrics::new().context("set up metrics")?;
    let readiness = Readiness::default();
    let supervisor = Supervisor::default();
    let feed = Feed::new(&client, &run.namespace);
    for (_, watch) in feed.watches {
        supervisor.spawn(Stage::Foundation, "watch", until(watch, &supervisor));
    }
    let listener = tokio::net::TcpListener::bind(run.metrics_listen)
        .await
        .context("listen for probes and metrics")?;
    let probes = health::serve(
        listener,
        health::router(readiness.clone(), metrics.clone()),
        supervisor.stop(Stage::Foundation),
    );
    supervisor.spawn(Stage::Foundation, "probes", probes);

    let (served_in, served) = watch::channel(None);
    let settings = settings(&run);
    let wanted = Wanted {
        lifetime: run.certificate_lifetime,
        names: settings.names(),
    };
    let certificates =
        Certificates::new(client.clone(), &run.namespace, wanted, Arc::clone(&clock));
    let (leads_in, leads) = watch::channel(false);
    let keeping = async move { certificates.keep(move || *leads.borrow(), &served_in).await };
    supervisor.spawn(
        Stage::Foundation,
        "certificates",
        until(keeping, &supervisor),
    );

    let (handover, handovers) = handover::channel();
    let admitted = Arc::new(AdmittedBook::default());
    supervisor.spawn(
        Stage::Foundation,
        "intake",
        until(take_in(handovers, Arc::clone(&admitted)), &supervisor),
    );
    let filled = readiness.part("caches");
    let gate = Gate {
        client: client.clone(),
        caches: Arc::clone(&feed.caches),
        access: Access::new(client.clone()),
        clock: Arc::clone(&clock),
        operator: format!("system:serviceaccount:{}:permit-operator", run.namespace),
        default_mode: default_mode(run.default_mode),
        handover,
        filled: filled.clone(),
        metrics: metrics.clone(),
    };
    let listener =
        std::net::TcpListener::bind(run.webhook_listen).context("listen for the gate")?;
    listener
        .set_nonblocking(true)
        .context("listen for the gate")?;
    let serving = server::serve(
        listener,
        webhook::router(gate),
        served.clone(),
        supervisor.stop(Stage::Foundation),
    );
    supervisor.spawn(Stage::Foundation, "gate", serving);
    let caches = Arc::clone(&feed.caches);
    let (ready, certified) = (readiness.part("certificate"), served.clone());
    let filling = async move {
        caches.filled().await;
        filled.set(true);
        let mut certified = certified;
        ready.set(certified.wait_for(Option::is_some).await.is_ok());
        futures::future::pending::<()>().await;
    };
    supervisor.spawn(Stage::Foundation, "fill", until(filling, &supervisor));

    let leader = Leader {
        run,
        client,
        clock,
        metrics,
        settings,
        served,
        admitted,
        caches: feed.caches,
        due: feed.due,
        dues: feed.dues,
        leads: leads_in,
    };
    let stop = supervisor.stop(Stage::Work);
    supervisor.spawn(Stage::Work, "leader", leader.lead(stop));
    supervisor
        .run(futures::future::pending(), GRACE)
        .await
        .context("run")
}

/// A task without an end of its own, ended with its stage.
fn until(
    task: impl Future<Output = ()> + Send + 'static,
    supervisor: &Supervisor,
) -> impl Future<Output = Result<(), std::convert::Infallible>> + Send + 'static {
    let stop = supervisor.stop(Stage::Foundation);
    async move {
        tokio::select! {
            () = task => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    }
}

/// Takes in what the gate hands over.
async fn take_in(
    mut handovers: tokio::sync::mpsc::Receiver<handover::Handover>,
    book: Arc<AdmittedBook>,
) {
    while let Some(handover) = handovers.recv().await {
        let admitted = Admitted {
            username: handover.username,
            decision_id: handover.decision_id,
        };
        book.note(&handover.permit_uid, admitted);
    }
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
