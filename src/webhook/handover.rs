//! Handover: tells the leader who made an admitted change (`decisions.md` 17).
//!
//! Bounded and never waited for; a loss is counted, and the record then says that the executor is unknown.

use tokio::sync::mpsc;

/// An admitted change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// UID of the permit that covers it.
    pub permit_uid: String,
    /// Who made it.
    pub username: String,
    /// The decision that admitted it.
    pub decision_id: String,
}

/// The most handovers that may wait.
const DEPTH: usize = 1024;

/// Both ends of the handover.
pub fn channel() -> (mpsc::Sender<Handover>, mpsc::Receiver<Handover>) {
    mpsc::channel(DEPTH)
}
