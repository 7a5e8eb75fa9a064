//! Serve: the webhook's HTTPS server as a process of its own, with the gate behind it or with an empty handler.
//!
//! Decides what is served, and tells its port on standard output. Does not know who calls.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use clap::ValueEnum;
use k8s_openapi::jiff::SignedDuration;
use permit_operator::clock::{Clock as _, SystemClock};
use permit_operator::cluster::authority;
use permit_operator::cluster::certificates::Served;
use permit_operator::cluster::webhook_config::GATE_PATH;
use permit_operator::config::LogFormat;
use permit_operator::domain::certificate::Wanted;
use permit_operator::telemetry;
use permit_operator::webhook::server;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::canned::Canned;
use crate::report::say;

/// What stands behind the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Behind {
    /// The gate, with 1,000 permits in its caches.
    Gate,
    /// A handler that reads the body and answers `{}`.
    Empty,
}

/// Serves until it is killed.
pub(crate) async fn serve(behind: Behind) -> Result<()> {
    telemetry::init(LogFormat::Json, "info")?;
    let canned = Canned::filled(1_000).await?;
    let router = match behind {
        Behind::Gate => answer::gate(&canned)?,
        Behind::Empty => Router::new().route(GATE_PATH, post(|_: Bytes| async { "{}" })),
    };
    let now = SystemClock.now();
    let wanted = Wanted {
        lifetime: SignedDuration::from_hours(1),
        names: ["localhost".to_owned()].into(),
    };
    let material = authority::start(now, &wanted)?;
    let current = authority::inspect(&material)?;
    let served = Served {
        material,
        current,
        revisit: now,
    };
    let (_keep, served) = watch::channel(Some(Arc::new(served)));
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    listener.set_nonblocking(true)?;
    say(&listener.local_addr()?.port().to_string());
    server::serve(listener, router, served, CancellationToken::new()).await?;
    Ok(())
}
