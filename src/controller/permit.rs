//! One permit, once: gather, decide, apply; and the stream that says which permit is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::apply::apply;
use super::gather::gather;
use super::{Context, Error};
use crate::api::permit::Permit;
use crate::api::vocabulary::Phase;
use crate::domain::decide::decide;

/// How many permits are worked on at once: one that flaps must not starve the others.
const CONCURRENCY: u16 = 8;
/// Triggers of the same permit this close together are one.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// How soon it is looked again whether the watch has brought what was written.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Works on every permit that `due` names, until `stop`.
pub async fn run(
    ctx: Arc<Context>,
    due: impl Stream<Item = ObjectRef<Permit>> + Send + 'static,
    stop: CancellationToken,
) {
    let store = ctx.caches.permit_store();
    let nothing = futures::stream::pending::<Result<Permit, kube::runtime::watcher::Error>>();
    Controller::for_stream(nothing, store)
        .with_config(
            Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .reconcile_on(due)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile, retry, ctx)
        .for_each(|result| {
            if let Err(error) = result {
                debug!(%error, "reconcile");
            }
            futures::future::ready(())
        })
        .await;
}

async fn reconcile(permit: Arc<Permit>, ctx: Arc<Context>) -> Result<Action, Error> {
    let began = Instant::now();
    let uid = permit.uid().unwrap_or_default();
    if ctx.desk.is_past(&uid, permit.resource_version().as_deref()) {
        return Ok(Action::requeue(CATCH_UP));
    }
    let world = gather(&ctx, &permit).await;
    let decision = decide(&world);
    let (revisit, phase) = (decision.revisit, decision.phase);
    let done = apply(&ctx, &permit, &world, decision).await;
    ctx.metrics
        .reconcile_duration
        .observe(began.elapsed().as_secs_f64());
    if let Err(error) = &done {
        ctx.metrics
            .reconcile_errors
            .with_label_values(&[error.reason()])
            .inc();
        warn!(permit = %permit.name_any(), namespace = ?permit.namespace(), error = %chain(error), "not applied");
    }
    done?;
    ctx.desk.succeeded(&uid);
    if phase == Phase::Issued {
        ctx.desk.saw_it_wait(&uid);
    }
    Ok(revisit.map_or_else(Action::await_change, Action::requeue))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the library asks for"
)]
fn retry(permit: Arc<Permit>, _: &Error, ctx: Arc<Context>) -> Action {
    Action::requeue(ctx.desk.failed(&permit.uid().unwrap_or_default()))
}

/// An error with what caused it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
