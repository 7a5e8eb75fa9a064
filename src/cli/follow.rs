//! Follows one permit until a question about it is answered, or the time given is over.
//!
//! Knows how to watch; what is asked of each state comes in as a function.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::connect::Cluster;
use super::exit::Refusal;
use super::output;
use crate::api::Permit;

/// What is followed, for how long.
pub(super) struct Following<'a> {
    /// The cluster and namespace.
    pub(super) cluster: &'a Cluster,
    /// Name of the permit.
    pub(super) name: &'a str,
    /// How long; without limit where there is none.
    pub(super) limit: Option<Duration>,
}

impl Following<'_> {
    /// Shows every state of the permit to `see`, until it breaks; `None` where the time ran out first.
    pub(super) async fn until<T>(
        &self,
        see: impl AsyncFnMut(Permit) -> anyhow::Result<ControlFlow<T>>,
    ) -> anyhow::Result<Option<T>> {
        let watching = self.watch(see);
        match self.limit {
            None => watching.await.map(Some),
            Some(limit) => tokio::time::timeout(limit, watching).await.ok().transpose(),
        }
    }

    async fn watch<T>(
        &self,
        mut see: impl AsyncFnMut(Permit) -> anyhow::Result<ControlFlow<T>>,
    ) -> anyhow::Result<T> {
        let permits: Api<Permit> =
            Api::namespaced(self.cluster.watching.clone(), &self.cluster.namespace);
        let stream = watcher::watch_object(permits, self.name).default_backoff();
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Some(permit)) => {
                    if let ControlFlow::Break(answer) = see(permit).await? {
                        return Ok(answer);
                    }
                }
                Ok(None) => return Err(self.absent().into()),
                Err(error) if is_lasting(&error) => {
                    return Err(cause(error)).context("watch the permit");
                }
                Err(error) => output::hint(&format!(
                    "warning: the watch was interrupted, trying again: {error}"
                )),
            }
        }
        anyhow::bail!(
            "the watch of permit `{}` ended: run the command again",
            self.name
        )
    }

    fn absent(&self) -> Refusal {
        let namespace = &self.cluster.namespace;
        Refusal::error(
            format!(
                "permit `{}` is not found in namespace `{namespace}`",
                self.name
            ),
            format!("kubectl permit list -n {namespace}"),
        )
    }
}

/// Whether trying again cannot help: the API server understood and refused.
fn is_lasting(error: &watcher::Error) -> bool {
    matches!(api_error(error), Some(kube::Error::Api(status)) if matches!(status.code, 400 | 401 | 403 | 404 | 405))
}

fn api_error(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    }
}

/// The API server's own error, where the watch failed by one.
fn cause(error: watcher::Error) -> anyhow::Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        other @ (watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion) => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused(code: u16) -> watcher::Error {
        let status = Status::failure("no", "Because").with_code(code);
        watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn a_refusal_ends_the_watch_and_trouble_does_not() {
        assert!(
            [401, 403, 404]
                .into_iter()
                .all(|code| is_lasting(&refused(code)))
        );
        assert!(
            [409, 410, 429, 500, 503]
                .into_iter()
                .all(|code| !is_lasting(&refused(code)))
        );
    }

    #[test]
    fn a_refused_watch_is_told_by_the_servers_status() {
        assert_eq!(
            super::super::exit::report(&cause(refused(403))).message,
            "no"
        );
    }
}
