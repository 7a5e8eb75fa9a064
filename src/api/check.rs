//! A check of the guard: what is asked of Prometheus, and the limit it is held against.
//!
//! Fields and their bounds only. What a query may say, and what a value means, is decided in `domain`.

#![expect(
    unreachable_pub,
    reason = "kube's schema derive repeats the struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One check: a question to Prometheus about every workload that is watched, and the limit its answer is held against.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.signal != 'ErrorRate' || has(self.total)").message("an ErrorRate check is two queries: total is missing").field_path(".total"))]
#[x_kube(validation = Rule::new("!has(self.minSamples) || has(self.total)").message("minSamples counts the requests that total answers: total is missing").field_path(".minSamples"))]
pub struct Check {
    /// Name of the check, unique in its template. Example: `error-rate`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// What is measured: `ErrorRate` (`query` divided by `total`) or `Latency` (`query`, in seconds).
    pub signal: Signal,
    /// PromQL whose result has exactly the labels `namespaceLabel` and `workloadLabel`; every range is
    /// `[{{ window }}]`. The namespaces that are watched are added to every selector. For `ErrorRate` it counts the
    /// failed requests, by `increase`.
    /// Example: `sum by (namespace, workload) (increase(http_requests_total{code=~"5.."}[{{ window }}]))`.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// PromQL of the same form that counts all requests of the window, by `increase`. Demanded for `ErrorRate`; for
    /// `Latency` it makes `minSamples` count. Default: none.
    /// Example: `sum by (namespace, workload) (increase(http_requests_total[{{ window }}]))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub total: Option<String>,
    /// The highest value that is healthy: a ratio under 1 for `ErrorRate`, a duration for `Latency` (smaller than the
    /// histogram's largest finite bucket, or it can never be exceeded). Example: `"0.01"` or `"500ms"`.
    #[schemars(length(min = 1, max = 16))]
    pub max: String,
    /// How far back a query looks; the first verdict falls due once the whole window lies after the change.
    /// Default: `1m`.
    #[serde(default = "one_minute")]
    #[schemars(length(min = 2, max = 16))]
    pub window: String,
    /// How often the check is asked. Default: `10s`.
    #[serde(default = "ten_seconds")]
    #[schemars(length(min = 2, max = 16))]
    pub interval: String,
    /// How often Prometheus scrapes these series; a sample older than three of these is stale. Default: `15s`.
    #[serde(default = "fifteen_seconds")]
    #[schemars(length(min = 2, max = 16))]
    pub scrape_interval: String,
    /// How many samples outside the limit are tolerated in one execution before it is a breach. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub failure_limit: i32,
    /// How many requests the window must hold to be judged, by `total`. Default: 20 where there is a `total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_samples: Option<i32>,
    /// How long the verdict may be Unknown before `onUnknown`, or a hold; time in which Prometheus could not be asked
    /// does not count. Default: `5m`.
    #[serde(default = "five_minutes")]
    #[schemars(length(min = 2, max = 16))]
    pub unknown_deadline: String,
    /// What a breach does: `RollBack` revokes the permit and restores the former pod template, `Hold` waits for a
    /// person. Default: `RollBack`.
    #[serde(default = "roll_back")]
    pub on_breach: Remedy,
    /// What missing or stale series do after `unknownDeadline`; whatever else cannot be judged holds. Default: `Hold`.
    #[serde(default = "hold")]
    pub on_unknown: Remedy,
    /// The series label that holds the namespace of the workload. Default: `namespace`.
    #[serde(default = "namespace")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub namespace_label: String,
    /// The series label that holds the name of the workload. Default: `workload`.
    #[serde(default = "workload")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub workload_label: String,
    /// What an answer with warnings is worth (Thanos and Mimir warn when a store did not answer): `Unknown`, or `Use`
    /// to take it as complete. Default: `Unknown`.
    #[serde(default)]
    pub partial_response: PartialResponse,
}

/// What is measured.
#[derive(
    JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Signal {
    /// Failed requests as a share of all requests.
    ErrorRate,
    /// A latency in seconds, usually the 99th percentile.
    Latency,
}

/// What is done when a check is not healthy.
#[derive(
    JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Remedy {
    /// The permit is revoked and the former pod template is restored.
    RollBack,
    /// The rollout is held until a person resumes or revokes.
    Hold,
}

/// What an answer with warnings is worth.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
pub enum PartialResponse {
    /// Nothing: the verdict is Unknown.
    #[default]
    Unknown,
    /// As much as a complete one.
    Use,
}

fn one_minute() -> String {
    "1m".into()
}

fn ten_seconds() -> String {
    "10s".into()
}

fn fifteen_seconds() -> String {
    "15s".into()
}

fn five_minutes() -> String {
    "5m".into()
}

const fn roll_back() -> Remedy {
    Remedy::RollBack
}

const fn hold() -> Remedy {
    Remedy::Hold
}

fn namespace() -> String {
    "namespace".into()
}

fn workload() -> String {
    "workload".into()
}
