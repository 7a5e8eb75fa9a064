//! A probe that answers what it was told, for tests and for running without Prometheus.
//!
//! Knows nothing of queries: every check gets the same readings until they are set anew.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};

use super::Probe;
use crate::domain::check::ResolvedCheck;
use crate::domain::reading::{Observed, Readings};

/// Answers the same readings until they are set anew; clones share them.
#[derive(Clone, Debug)]
pub struct Fixed(Arc<Mutex<Readings>>);

impl Fixed {
    /// Answers these readings.
    pub fn new(readings: Readings) -> Self {
        Self(Arc::new(Mutex::new(readings)))
    }

    /// Answers that there is no source: everything that is watched waits.
    pub fn unconfigured() -> Self {
        Self::new(Readings::none(
            Observed::SourceDown,
            "no Prometheus is configured; start with `--prometheus-url`",
        ))
    }

    /// Answers these readings from now on.
    pub fn set(&self, readings: Readings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = readings;
    }
}

impl Probe for Fixed {
    fn ask<'a>(&'a self, _check: &'a ResolvedCheck) -> BoxFuture<'a, Readings> {
        let readings = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        async move { readings }.boxed()
    }
}
