//! One permit, once: gather, decide, apply; and the stream that says which permit is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::Stream;
use kube::ResourceExt as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::apply::apply;
use super::gather::gather;
use super::queue;
use super::{Context, Error};
use crate::api::permit::Permit;
use crate::api::vocabulary::Phase;
use crate::cluster::caches::PermitRef;
use crate::domain::decide::decide;

/// How soon it is looked again whether the watch has brought what was written.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Works on every permit that `due` names, until `stop`; each that has begun is brought to its end.
pub async fn run(
    ctx: Arc<Context>,
    due: impl Stream<Item = PermitRef> + Send + 'static,
    stop: CancellationToken,
) {
    queue::work(due, stop.cancelled(), |permit| once(&ctx, permit)).await;
}

/// One look at a permit; says in how long it wants the next one.
async fn once(ctx: &Context, named: PermitRef) -> Option<Duration> {
    let permit = ctx.caches.permit(&named.namespace, &named.name)?;
    match reconcile(ctx, &permit).await {
        Ok(revisit) => revisit,
        Err(error) => {
            let reason = [error.reason()];
            ctx.metrics
                .reconcile_errors
                .with_label_values(&reason)
                .inc();
            warn!(permit = %named.name, namespace = %named.namespace, error = %chain(&error), "not applied");
            Some(ctx.desk.failed(&permit.uid().unwrap_or_default()))
        }
    }
}

async fn reconcile(ctx: &Context, permit: &Permit) -> Result<Option<Duration>, Error> {
    let began = Instant::now();
    let uid = permit.uid().unwrap_or_default();
    if ctx.desk.is_past(&uid, permit.resource_version().as_deref()) {
        return Ok(Some(CATCH_UP));
    }
    let world = gather(ctx, permit).await;
    let decision = decide(&world);
    let (revisit, phase) = (decision.revisit, decision.phase);
    let done = apply(ctx, permit, &world, decision).await;
    ctx.metrics
        .reconcile_duration
        .observe(began.elapsed().as_secs_f64());
    done?;
    ctx.desk.succeeded(&uid);
    if phase == Phase::Issued {
        ctx.desk.saw_it_wait(&uid);
    }
    Ok(revisit)
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
