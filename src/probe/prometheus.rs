//! Prometheus: the HTTP query API, instant queries alone.
//!
//! Tells a source that is down from a query that fails, and bounds what it reads and how long it waits. Does not
//! judge any value.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, try_join};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use thiserror::Error;

use super::Probe;
use crate::domain::check::ResolvedCheck;
use crate::domain::reading::{Answers, Observed, Readings, Series, Vector, instant};

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 4 << 20;
/// The longest that all queries of one check may take together.
pub const DEADLINE: Duration = Duration::from_secs(3);
/// How much of what a source says is kept.
const LONGEST_NOTE: usize = 200;

/// Why a Prometheus cannot be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The address is none.
    #[error(
        "the address of Prometheus is not an http or https URL, such as `http://prometheus.monitoring:9090`: `{0}`"
    )]
    Address(String),
    /// The HTTP client cannot be made.
    #[error("set up the HTTP client for Prometheus")]
    Client(#[source] reqwest::Error),
}

/// Why a query has no answer.
#[derive(Debug)]
enum Failure {
    /// The source cannot answer anything now.
    Down(String),
    /// The source answers, but not this query.
    Query(String),
}

/// A Prometheus, or whatever speaks its query API.
#[derive(Clone, Debug)]
pub struct Prometheus {
    client: Client,
    endpoint: Url,
    deadline: Duration,
    token: Option<PathBuf>,
}

impl Prometheus {
    /// A Prometheus at this address, which may have a path before `/api/v1`.
    pub fn new(address: &str, deadline: Duration) -> Result<Self, SetupError> {
        let wrong = || SetupError::Address(bounded(address));
        let mut endpoint = Url::parse(address).map_err(|_| wrong())?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.cannot_be_a_base() {
            return Err(wrong());
        }
        let path = format!("{}/api/v1/query", endpoint.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        // The client cannot be made without a provider; one that is installed already stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(deadline)
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            client,
            endpoint,
            deadline,
            token: None,
        })
    }

    /// The same, with the bearer token in a file: read anew for each query, because such tokens expire.
    #[must_use]
    pub fn with_token(mut self, file: Option<PathBuf>) -> Self {
        self.token = file;
        self
    }

    async fn authorised(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        let Some(file) = &self.token else {
            return Ok(request);
        };
        // Without its token the source cannot be asked; where the file lies is nobody's business in a status.
        match tokio::fs::read_to_string(file).await {
            Ok(token) => Ok(request.bearer_auth(token.trim())),
            Err(_) => Err(Failure::Down("its token cannot be read".into())),
        }
    }

    /// Freshness first: it tells the evaluation time that the other queries share, and whether there is any series.
    async fn answers(&self, check: &ResolvedCheck) -> Result<Answers, Failure> {
        let mut freshness = Vec::with_capacity(check.freshness.len());
        let mut evaluated = check.at;
        for query in &check.freshness {
            let vector = self.vector(check, query, evaluated).await?;
            evaluated = evaluated.or(vector.evaluated);
            freshness.push(vector);
        }
        if freshness.iter().all(|vector| vector.evaluated.is_none()) {
            return Ok(Answers {
                freshness,
                ..Answers::default()
            });
        }
        let value = self.vector(check, &check.value, evaluated);
        let total = async {
            match &check.total {
                Some(total) => self.vector(check, total, evaluated).await.map(Some),
                None => Ok(None),
            }
        };
        let (value, total) = try_join(value, total).await?;
        Ok(Answers {
            freshness,
            value,
            total,
        })
    }

    async fn vector(
        &self,
        check: &ResolvedCheck,
        query: &str,
        at: Option<Timestamp>,
    ) -> Result<Vector, Failure> {
        let mut form = vec![
            ("query", query.to_owned()),
            ("timeout", format!("{}ms", self.deadline.as_millis())),
        ];
        form.extend(at.map(|at| ("time", format!("{at:.3}"))));
        let request = self.client.post(self.endpoint.clone()).form(&form);
        let sent = self.authorised(request).await?.send().await;
        let mut response = sent.map_err(|error| down(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| down(&error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(Failure::Query(format!(
                    "the answer is larger than {LARGEST_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        read(check, status, &body)
    }
}

impl Probe for Prometheus {
    fn ask<'a>(&'a self, check: &'a ResolvedCheck) -> BoxFuture<'a, Readings> {
        async move {
            match tokio::time::timeout(self.deadline, self.answers(check)).await {
                Ok(Ok(answers)) => Readings::read(check.signal, &answers, check.partial),
                Ok(Err(Failure::Query(note))) => Readings::none(Observed::QueryError, note),
                Ok(Err(Failure::Down(note))) => Readings::none(Observed::SourceDown, note),
                Err(_) => Readings::none(Observed::SourceDown, "it did not answer in time"),
            }
        }
        .boxed()
    }
}

/// The envelope of every answer. What else it has (`infos`) is of no meaning here.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Sample {
    metric: std::collections::BTreeMap<String, String>,
    // A native histogram has no `value`; it is no number, and so no answer.
    value: Option<(f64, String)>,
}

fn read(check: &ResolvedCheck, status: StatusCode, body: &[u8]) -> Result<Vector, Failure> {
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let is_query_error = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    );
    match envelope {
        Some(envelope) if is_query_error && envelope.status == "error" => {
            Err(Failure::Query(bounded(&envelope.error.unwrap_or_default())))
        }
        Some(Envelope {
            status: success,
            data: Some(data),
            warnings,
            ..
        }) if status.is_success() && success == "success" => vector(check, data, &warnings),
        Some(_) => Err(Failure::Down(format!("it answered {status}"))),
        None => Err(Failure::Down(format!(
            "it answered {status}, and not with JSON of the query API"
        ))),
    }
}

fn vector(check: &ResolvedCheck, data: Data, warnings: &[String]) -> Result<Vector, Failure> {
    if data.result_type != "vector" {
        return Err(Failure::Query(format!(
            "the result is no vector: {}",
            bounded(&data.result_type)
        )));
    }
    let unreadable = || Failure::Query("a series of the result cannot be read".into());
    let samples: Vec<Sample> = serde_json::from_value(data.result).map_err(|_| unreadable())?;
    let mut vector = Vector {
        warning: warnings.first().map(|warning| bounded(warning)),
        ..Vector::default()
    };
    for mut sample in samples {
        let (evaluated, value) = sample.value.ok_or_else(unreadable)?;
        let mut label = |name: &str| sample.metric.remove(name).unwrap_or_default();
        vector.evaluated = vector.evaluated.or(instant(evaluated));
        vector.series.push(Series {
            namespace: label(&check.namespace_label),
            workload: label(&check.workload_label),
            value: value.parse().map_err(|_| unreadable())?,
        });
    }
    Ok(vector)
}

/// What failed, without the address: it stands in status, where tenants read.
fn down(error: &reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it cannot be connected to"
    } else {
        "the connection broke"
    };
    Failure::Down(what.into())
}

fn bounded(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_NOTE)
        .collect()
}

#[cfg(test)]
mod tests;
