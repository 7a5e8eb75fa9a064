//! Background: a service that lives as long as its handle, whichever test's runtime made it.
//!
//! Decides on which thread it runs and how it ends. Does not know what it does.

use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// A thread with a runtime of its own: it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Runs what `service` makes until it is over or this is dropped.
    pub(crate) fn start<F, Fut>(name: &str, service: F) -> Result<Self>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.with_context(|| format!("make a runtime for {name}"))?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let run = move || {
            // None is the cancelled service: nothing more to do about it.
            let _ = runtime.block_on(stopped.run_until_cancelled(service()));
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.with_context(|| format!("start the thread of {name}"))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn dropping_the_handle_ends_the_service() {
        let (started, start) = mpsc::channel();
        let service = move || async move {
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        let background = Background::start("service", service).unwrap();
        start.recv().unwrap();
        drop(background);
        assert!(
            start.recv().is_err(),
            "the service still holds its end of the channel"
        );
    }
}
