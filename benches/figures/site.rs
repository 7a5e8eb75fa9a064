//! Site: a real control plane with the operator of the release profile, a real Prometheus and a measured workload.
//!
//! Decides what is read from where: the operator's metrics, the API server's audit log, /proc. Does not know goals.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use permit_harness::operator::install;
use permit_harness::{
    ControlPlane, Example, Operator, OperatorOptions, Options, Prometheus, Stage, User, eventually,
    stage,
};
use serde_json::Value;

use crate::machine::memory_mib;

/// The operator's account.
const OPERATOR: &str = "system:serviceaccount:permit-system:permit-operator";
/// The namespace of the measured workload.
pub(crate) const MEASURED: &str = "bench";
/// How long the operator writes nothing before it counts as quiet.
const QUIET: Duration = Duration::from_secs(4);
/// Level 2 as everywhere here; nothing is watched, so that nothing has to be measured.
const UNWATCHED: &str = "apiVersion: permits.dev/v1alpha1\nkind: PermitTemplate\nmetadata: {name: unwatched}\n\
    spec:\n  level: 2\n  approval: {rules: [{roles: [tech-lead], count: 1}]}\n  guard: {soak: 1s}\n";

/// Everything that runs; it ends when this is dropped.
pub(crate) struct Site {
    pub(crate) prometheus: Prometheus,
    pub(crate) operator: Operator,
    _example: Example,
    // Declared last: what uses it ends before it.
    pub(crate) plane: ControlPlane,
}

impl Site {
    /// Starts it, with one enrolled namespace whose workload is measured.
    pub(crate) async fn start() -> Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        install(&plane).await?;
        let stage = Stage::set(&plane, MEASURED).await?;
        let example = Example::start(&plane, MEASURED, "checkout").await?;
        let prometheus = Prometheus::start(&[example.target()]).await?;
        let options = OperatorOptions {
            prometheus_url: Some(prometheus.url()),
            ..OperatorOptions::default()
        };
        let operator = Operator::start(&plane, options).await?;
        stage.apply(UNWATCHED).await?;
        stage
            .apply(&stage::template("watched", &[("soak: 5s", "soak: 30m")]))
            .await?;
        stage.enrol().await?;
        Ok(Self {
            prometheus,
            operator,
            _example: example,
            plane,
        })
    }

    /// The stage of the measured workload.
    pub(crate) fn measured(&self) -> Stage<'_> {
        Stage::at(&self.plane, MEASURED)
    }

    /// A permit for `tag`, requested by alice, approved by bob, issued.
    pub(crate) async fn issue(&self, stage: &Stage<'_>, what: (&str, &str, &str)) -> Result<()> {
        let (name, template, tag) = what;
        stage.request(&stage::permit(name, template, tag)).await?;
        stage.approve(name, "bob").await?;
        stage.reaches(name, "Issued").await.map(drop)
    }

    /// `kubectl set image` as alice, which has to be admitted.
    pub(crate) async fn change(&self, stage: &Stage<'_>, tag: &str) -> Result<()> {
        stage
            .set_image(&User::person("alice"), tag)
            .await?
            .ok()
            .map(drop)
    }

    /// The sum of the operator's series that begin with `name` and hold `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let text = client
            .get(format!("{}/metrics", self.operator.metrics_url()))
            .send()
            .await?
            .text()
            .await?;
        let series = text
            .lines()
            .filter(|l| l.starts_with(name) && l.contains(label));
        let values = series.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Where the audit log ends now.
    pub(crate) fn mark(&self) -> Result<usize> {
        Ok(self.plane.audit_events_from(0)?.1)
    }

    /// The operator's requests since `mark`.
    pub(crate) fn requests(&self, mark: usize) -> Result<Vec<Value>> {
        let (mut events, _) = self.plane.audit_events_from(mark)?;
        events.retain(|e| e.pointer("/user/username").and_then(Value::as_str) == Some(OPERATOR));
        Ok(events)
    }

    /// Waits until the operator has written nothing for a while.
    pub(crate) async fn quiet(&self, patience: Duration) -> Result<()> {
        let look = || async {
            let mark = self.mark()?;
            tokio::time::sleep(QUIET).await;
            let written = self
                .requests(mark)?
                .iter()
                .filter(|e| is_write(e) || is_event(e))
                .count();
            ensure!(written == 0, "{written} writes in the last {QUIET:?}");
            Ok(())
        };
        eventually(patience, "the operator is quiet", look).await
    }

    /// A line of the operator's /proc/PID/status, in MiB.
    pub(crate) fn memory_mib(&self, key: &str) -> Result<f64> {
        let pid = self.operator.id().context("the operator has ended")?;
        memory_mib(pid, key)
    }
}

/// Whether a request of the audit log changed a status or had an effect: leases, reviews and Events apart.
pub(crate) fn is_write(event: &Value) -> bool {
    let verb = text(event, "/verb");
    let resource = text(event, "/objectRef/resource");
    matches!(verb, "create" | "update" | "patch" | "delete")
        && !matches!(
            resource,
            "leases" | "events" | "subjectaccessreviews" | "tokenreviews"
        )
}

/// Whether it wrote an Event.
pub(crate) fn is_event(event: &Value) -> bool {
    text(event, "/objectRef/resource") == "events"
}

/// A text field of an event of the audit log.
pub(crate) fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    event
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `patch permits/status`, as it is counted.
pub(crate) fn shape(event: &Value) -> String {
    let sub = text(event, "/objectRef/subresource");
    let slash = if sub.is_empty() { "" } else { "/" };
    format!(
        "{} {}{slash}{sub}",
        text(event, "/verb"),
        text(event, "/objectRef/resource")
    )
}
