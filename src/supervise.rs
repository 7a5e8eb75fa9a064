//! Supervision: every task ends with the process, and the process with every task.
//!
//! The one place that spawns. A task that returns or panics before it was told to stop brings the process down in order:
//! first the work, then what the work stands on (the lease, the ledger). Does not know what tasks do.

use futures::FutureExt;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why the process ends though nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A task returned.
    #[error("task `{task}` ended: {why}")]
    Ended {
        /// Its name.
        task: &'static str,
        /// What it said.
        why: String,
    },
    /// A task panicked.
    #[error("task `{task}` panicked: {why}")]
    Panicked {
        /// Its name.
        task: &'static str,
        /// What the panic said.
        why: String,
    },
    /// Tasks did not end in the time they were given.
    #[error("tasks did not end within {0:?}")]
    Overdue(Duration),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(String),
}

/// In which order tasks are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Stopped first.
    Work,
    /// Stopped when all work has ended.
    Foundation,
}

struct Group {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Group {
    fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    async fn end(&self, grace: Duration) -> Result<(), Failure> {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait())
            .await
            .map_err(|_| Failure::Overdue(grace))
    }
}

/// All tasks of the process.
pub struct Supervisor {
    work: Group,
    foundation: Group,
    failed: mpsc::UnboundedSender<Failure>,
    failures: mpsc::UnboundedReceiver<Failure>,
}

impl Default for Supervisor {
    fn default() -> Self {
        let (failed, failures) = mpsc::unbounded_channel();
        Self {
            work: Group::new(),
            foundation: Group::new(),
            failed,
            failures,
        }
    }
}

impl Supervisor {
    /// The token that tells the tasks of a stage to stop.
    pub fn stop(&self, stage: Stage) -> CancellationToken {
        self.group(stage).stop.clone()
    }

    /// Starts a task. It may return only after its stage was told to stop.
    pub fn spawn<E: Display>(
        &self,
        stage: Stage,
        task: &'static str,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let group = self.group(stage);
        let (stop, failed) = (group.stop.clone(), self.failed.clone());
        group.tasks.spawn(async move {
            let why = match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => Failure::Ended {
                    task,
                    why: "it had nothing left to do".to_owned(),
                },
                Ok(Err(error)) => Failure::Ended {
                    task,
                    why: error.to_string(),
                },
                Err(panic) => Failure::Panicked {
                    task,
                    why: message_of(panic.as_ref()),
                },
            };
            // Nobody listens any more only when the process is ending anyway.
            let _ = failed.send(why);
        });
    }

    /// Runs until a signal or `until` asks to stop, or a task fails; then ends everything, each stage within `grace`.
    /// The first failure is the answer.
    pub async fn run(
        mut self,
        until: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), Failure> {
        let first = tokio::select! {
            failure = self.failures.recv() => failure.map_or(Ok(()), Err),
            asked = signalled() => asked,
            () = until => Ok(()),
        };
        match &first {
            Ok(()) => tracing::info!("asked to stop"),
            Err(failure) => tracing::error!(%failure, "stopping"),
        }
        let work = self.work.end(grace).await;
        let foundation = self.foundation.end(grace).await;
        let late = self.failures.try_recv().map_or(Ok(()), Err);
        first.and(late).and(work).and(foundation)
    }

    fn group(&self, stage: Stage) -> &Group {
        match stage {
            Stage::Work => &self.work,
            Stage::Foundation => &self.foundation,
        }
    }
}

async fn signalled() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::Signals(e.to_string()));
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::future::{pending, ready};
    use std::sync::{Arc, Mutex};

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_task_that_ends_early_ends_the_process() {
        let supervisor = Supervisor::default();
        supervisor.spawn(Stage::Work, "watch", ready(Ok::<_, Infallible>(())));
        let failure = supervisor.run(pending(), GRACE).await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "task `watch` ended: it had nothing left to do"
        );
    }

    #[tokio::test]
    async fn a_task_that_fails_ends_the_process_with_its_error() {
        let supervisor = Supervisor::default();
        supervisor.spawn(Stage::Foundation, "lease", ready(Err("not the leader")));
        let failure = supervisor.run(pending(), GRACE).await.unwrap_err();
        assert_eq!(
            failure,
            Failure::Ended {
                task: "lease",
                why: "not the leader".into()
            }
        );
    }

    #[tokio::test]
    async fn a_panic_ends_the_process_and_is_reported() {
        let supervisor = Supervisor::default();
        supervisor.spawn::<Infallible>(Stage::Work, "gate", async { panic!("out of cheese") });
        let failure = supervisor.run(pending(), GRACE).await.unwrap_err();
        assert_eq!(
            failure,
            Failure::Panicked {
                task: "gate",
                why: "out of cheese".into()
            }
        );
    }

    #[tokio::test]
    async fn work_ends_before_what_it_stands_on() {
        let supervisor = Supervisor::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for (stage, name) in [(Stage::Foundation, "lease"), (Stage::Work, "controller")] {
            let (stop, order) = (supervisor.stop(stage), order.clone());
            supervisor.spawn(stage, name, async move {
                stop.cancelled().await;
                order.lock().unwrap().push(name);
                Ok::<_, Infallible>(())
            });
        }
        supervisor.run(ready(()), GRACE).await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["controller", "lease"]);
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_reported() {
        let supervisor = Supervisor::default();
        supervisor.spawn::<Infallible>(Stage::Work, "stuck", pending());
        let grace = Duration::from_millis(1);
        assert_eq!(
            supervisor.run(ready(()), grace).await,
            Err(Failure::Overdue(grace))
        );
    }
}
