//! Site: the control plane, operator and Prometheus that all tests of this binary share.
//!
//! Decides that each is started once. Does not know what is tested.

use std::future::Future;

use anyhow::Result;
use permit_harness::operator::install;
use permit_harness::{
    ControlPlane, Example, Operator, OperatorOptions, Prometheus, Stage, eventually, stage,
};
use tokio::sync::OnceCell;

/// Everything that is shared.
pub(crate) struct Site {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) operator: Operator,
    pub(crate) prometheus: Prometheus,
}

static SITE: OnceCell<Site> = OnceCell::const_new();

/// The shared site, started by whoever asks first.
pub(crate) async fn site() -> Result<&'static Site> {
    SITE.get_or_try_init(|| async {
        let plane = ControlPlane::shared().await?;
        install(plane).await?;
        let prometheus = Prometheus::start(&[]).await?;
        let options = OperatorOptions {
            prometheus_url: Some(prometheus.url()),
            ..OperatorOptions::default()
        };
        let operator = Operator::start(plane, options).await?;
        Ok(Site {
            plane,
            operator,
            prometheus,
        })
    })
    .await
}

/// A stage in an enrolled namespace of the test's own, with a measured workload.
pub(crate) async fn measured(namespace: &str) -> Result<(Stage<'static>, Example)> {
    let site = site().await?;
    let stage = Stage::set(site.plane, namespace).await?;
    let example = Example::start(site.plane, namespace, "checkout").await?;
    site.prometheus.add_target(example.target())?;
    let total = format!("http_requests_total{{namespace=\"{namespace}\"}}");
    let is_scraped = || async {
        let found = site.prometheus.query(&total).await?;
        anyhow::ensure!(
            found.as_array().is_some_and(|s| !s.is_empty()),
            "no series yet"
        );
        Ok(())
    };
    eventually(stage::PATIENCE, "the workload is measured", is_scraped).await?;
    stage.enrol().await?;
    Ok((stage, example))
}

/// A stage in an enrolled namespace of the test's own; its workload is not measured.
pub(crate) async fn enrolled(namespace: &str) -> Result<Stage<'static>> {
    let stage = Stage::set(site().await?.plane, namespace).await?;
    stage.enrol().await?;
    Ok(stage)
}

/// Enrols a stage as it stands, with a template of that name which measures nothing and soaks for a second.
pub(crate) async fn enrolled_as_is(stage: &Stage<'_>, template: &str) -> Result<()> {
    stage
        .apply(&crate::gated::unwatched(template, "1s"))
        .await?;
    stage.enrol().await
}

/// Runs a test's body; where it fails, the operator's last words are shown with it.
pub(crate) async fn told<F: Future<Output = Result<()>>>(body: F) -> Result<()> {
    let result = body.await;
    if result.is_err()
        && let Some(site) = SITE.get()
    {
        let log = site.operator.log_tail();
        return result
            .map_err(|error| error.context(format!("the operator's log ends so:\n{log}")));
    }
    result
}
