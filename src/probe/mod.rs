//! Probes: who is asked how a workload does.
//!
//! A probe asks and reports; it never judges and never retries. Does not know permits, limits or verdicts.

pub mod fixed;
pub mod prometheus;

use futures::future::BoxFuture;

use crate::domain::check::ResolvedCheck;
use crate::domain::reading::Readings;

/// Whatever can answer the queries of a check.
pub trait Probe: Send + Sync + 'static {
    /// Asks once, about every watched workload. A source that fails is an answer as well, so there is no error.
    fn ask<'a>(&'a self, check: &'a ResolvedCheck) -> BoxFuture<'a, Readings>;
}
