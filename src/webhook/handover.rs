//! Handover: tells the leader who made an admitted change (`decisions.md` 17).
//!
//! Bounded and never waited for; a loss is counted, and the record then says that the executor is unknown.

use tokio::sync::mpsc;

/// An admitted change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    /// One under a permit.
    Permitted {
        /// UID of the permit that covers it.
        permit_uid: String,
        /// Who made it.
        username: String,
        /// The decision that admitted it.
        decision_id: String,
    },
    /// One that needs no permit: a template grants it, or the configuration exempts its writer.
    Granted {
        /// The namespace.
        namespace: String,
        /// Key of the workload.
        key: String,
        /// Digest of its spec before, empty if there was none: what was not in order does not become so by this.
        before: String,
        /// Digest of its new spec, empty for a deletion.
        digest: String,
    },
}

/// The most handovers that may wait.
const DEPTH: usize = 1024;

/// Both ends of the handover.
pub fn channel() -> (mpsc::Sender<Handover>, mpsc::Receiver<Handover>) {
    mpsc::channel(DEPTH)
}
