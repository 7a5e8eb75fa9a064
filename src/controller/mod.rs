//! The controller: walks every permit along its life: gather, decide, apply.
//!
//! Runs only on the leader. Decides nothing itself; `domain::decide` does. Does not know how a change was admitted.

pub mod admitted;
mod apply;
mod ask;
mod book;
mod census;
mod desk;
mod drifts;
mod effects;
mod enrol;
mod error;
mod events;
mod facts;
mod findings;
mod gather;
mod granted;
mod journal;
mod orphans;
mod permit;
mod queue;
mod record;
mod recorder;
mod revisions;
mod rights;
mod rollback;
mod sweep;
mod unpermitted;
mod unreadable;
mod watch;

use std::sync::Arc;

use kube::Client;

pub use admitted::AdmittedBook;
pub use book::GuardBook;
pub use desk::Desk;
pub use drifts::record_drifts;
pub use error::Error;
pub use findings::FindingBook;
pub use granted::GrantedBook;
pub use permit::run;
pub use recorder::Recorder;
pub use rights::follow_rights;
pub use watch::watch;

use crate::api::vocabulary::GateMode;
use crate::clock::Clock;
use crate::cluster::access::Access;
use crate::cluster::caches::Caches;
use crate::cluster::leadership::Leadership;
use crate::ledger::{Backlog, Ledger};
use crate::metrics::Metrics;
use crate::probe::Probe;

/// Everything that the controller acts with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The operator's own namespace.
    pub namespace: String,
    /// What is known of the cluster, kept by watches.
    pub caches: Arc<Caches>,
    /// Who may do what.
    pub access: Access,
    /// The audit record.
    pub ledger: Arc<dyn Ledger>,
    /// Records that wait until the ledger can be written.
    pub backlog: Backlog,
    /// Prometheus.
    pub probe: Arc<dyn Probe>,
    /// What the checks have seen.
    pub guard: GuardBook,
    /// What was done last to each permit.
    pub desk: Desk,
    /// Who made which change.
    pub admitted: Arc<AdmittedBook>,
    /// What the gate let pass without a permit.
    pub granted: Arc<GrantedBook>,
    /// What sweeps found that is not told yet.
    pub findings: FindingBook,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The mode of namespaces without a label.
    pub default_mode: GateMode,
    /// The right to write; asked before each effect.
    pub leadership: Arc<Leadership>,
    /// Events, with their series.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Metrics,
}

impl Context {
    /// Refuses when this process no longer leads: a stopped and resumed leader must not write (threat rule 11).
    pub(crate) fn ensure_leading(&self) -> Result<(), Error> {
        self.leadership.ensure().map_err(Error::NotLeading)
    }

    /// The lease transitions under which records are written.
    pub(crate) fn fence(&self) -> u64 {
        u64::try_from(self.leadership.fence).unwrap_or(0)
    }
}
