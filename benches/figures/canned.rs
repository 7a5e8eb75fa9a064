//! Canned: caches filled with so many permits by their own watches, from an API server that is a function here.
//!
//! Decides what it answers: lists, watches that stay silent, access reviews that say yes. The caches and what finds a
//! permit in them are the operator's own. Does not know what is looked up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use kube::Client;
use permit_operator::cluster::caches::{Caches, Feed};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fixture::{NAMESPACE, permit_template, permits};

/// How long filling may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Filled caches; the watches end when this is dropped.
pub(crate) struct Canned {
    /// What the operator would know.
    pub(crate) caches: Arc<Caches>,
    /// A client of the same answers.
    pub(crate) client: Client,
    _watches: JoinSet<()>,
}

impl Canned {
    /// Fills caches with so many permits.
    pub(crate) async fn filled(count: usize) -> Result<Self> {
        let answers = tower::service_fn(move |request: Request<kube::client::Body>| async move {
            Ok::<Response, std::convert::Infallible>(answer(&request, count))
        });
        let client = Client::new(answers, "default");
        let feed = Feed::new(&client, "permit-system");
        let (caches, mut watches) = (feed.caches, JoinSet::new());
        for watching in feed.watches {
            watches.spawn(watching.run);
        }
        let filled = tokio::time::timeout(PATIENCE, caches.filled()).await;
        filled.context("the caches were not filled in time")?;
        Ok(Self {
            caches,
            client,
            _watches: watches,
        })
    }
}

fn answer(request: &Request<kube::client::Body>, count: usize) -> Response {
    let (path, query) = (
        request.uri().path(),
        request.uri().query().unwrap_or_default(),
    );
    if query.contains("watch=true") {
        return Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
            .into_response();
    }
    if request.method() == Method::POST {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
            "spec": {}, "status": {"allowed": true}});
        return Json(review).into_response();
    }
    let items: Vec<Value> = match path.rsplit('/').next() {
        Some("permits") => permits(count).collect(),
        Some("permittemplates") => permit_template()
            .ok()
            .and_then(|t| serde_json::to_value(t).ok())
            .into_iter()
            .collect(),
        Some("namespaces") => vec![namespace()],
        _ => Vec::new(),
    };
    Json(json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})).into_response()
}

fn namespace() -> Value {
    let labels = json!({"permits.dev/gate": "enforce", "permits.dev/environment": "production"});
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "uid": "n", "resourceVersion": "1", "labels": labels}})
}
