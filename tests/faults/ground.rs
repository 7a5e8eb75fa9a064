//! Ground: what one test strikes at: a control plane, and an operator on it.
//!
//! Decides that few grounds exist at a time, or two cores would starve them. Does not know the faults.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use permit_harness::operator::install;
use permit_harness::{ControlPlane, Operator, OperatorOptions, Options, Stage, User, stage};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::scripted::Scripted;

/// How long anything may take on a machine that others use too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

static ROOM: Semaphore = Semaphore::const_new(2);

/// A control plane with the operator's objects and the people of the stage.
pub(crate) struct Ground {
    pub(crate) plane: ControlPlane,
    _room: SemaphorePermit<'static>,
}

impl Ground {
    /// Prepares one, once there is room.
    pub(crate) async fn prepare() -> Result<Self> {
        let room = ROOM.acquire().await?;
        let plane = ControlPlane::start(Options::default()).await?;
        install(&plane).await?;
        Ok(Self { plane, _room: room })
    }

    /// Starts an operator; a short lease, because a killed one holds it until it lapses.
    pub(crate) async fn operator(&self, options: OperatorOptions) -> Result<Arc<Operator>> {
        let mut options = options;
        if !options
            .flags
            .iter()
            .any(|flag| flag.starts_with("--lease-duration"))
        {
            options.flags.push("--lease-duration=3s".to_owned());
        }
        Ok(Arc::new(Operator::start(&self.plane, options).await?))
    }

    /// A stage whose workload is rolled out, in an enrolled namespace.
    pub(crate) async fn enrolled(&self, namespace: &str) -> Result<Stage<'_>> {
        let stage = Stage::set(&self.plane, namespace).await?;
        stage.enrol().await?;
        Ok(stage)
    }

    /// An operator that measures what a test says.
    pub(crate) async fn scripted(
        &self,
        options: OperatorOptions,
    ) -> Result<(Arc<Operator>, Scripted)> {
        let metrics = Scripted::start().await?;
        let options = OperatorOptions {
            prometheus_url: Some(metrics.url()),
            ..options
        };
        Ok((self.operator(options).await?, metrics))
    }

    /// The stage's roles, and a template `long` whose soak no test lives to see the end of.
    pub(crate) async fn with_long_soaks(&self) -> Result<()> {
        let stage = self.enrolled("ground").await?;
        let long = stage::template("long", &[("soak: 5s", "soak: 10m")]);
        stage.apply(&long).await
    }

    /// Gives the lease back in the name of a leader that is dead, so that the next one need not wait for the lapse.
    pub(crate) async fn release_lease(&self) -> Result<()> {
        let client = self.plane.client(&User::admin()).await?;
        let leases: Api<Lease> = Api::namespaced(client, "permit-system");
        let free = Patch::Merge(json!({"spec": {"holderIdentity": ""}}));
        leases
            .patch("permit-operator", &PatchParams::default(), &free)
            .await
            .context("release the lease")
            .map(drop)
    }
}

/// A figure of the operator, summed over the label values that the line holds; 0 while there is none.
pub(crate) async fn figure(operator: &Operator, name: &str, labels: &str) -> Result<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/metrics", operator.metrics_url());
    let text = client.get(url).send().await?.text().await?;
    let is_meant = |line: &&str| line.starts_with(name) && line.contains(labels);
    let value = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok())
    };
    Ok(text.lines().filter(is_meant).filter_map(value).sum())
}

/// Runs the body of a test; where it fails, the operator's last words are shown with it.
pub(crate) async fn told(
    operator: &Operator,
    body: impl Future<Output = Result<()>>,
) -> Result<()> {
    body.await.map_err(|error| {
        error.context(format!(
            "the operator's log ends so:\n{}",
            operator.log_tail()
        ))
    })
}
