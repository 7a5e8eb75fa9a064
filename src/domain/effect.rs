//! Effects: what has to be done in the world because of a decision, as data.
//!
//! Each is idempotent and can be derived again from objects and facts after a crash. Knows nothing of how it is done.

use crate::api::facts::{Armed, Baseline, Spent};
use crate::api::vocabulary::RevocationReason;

/// Something to do before the status is written, because the status must not say it otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Put on record what stands there now: without it the gate admits nothing.
    Arm(Armed),
    /// Create the Approval that ends the permit's power (`decisions.md` 3).
    Revoke {
        /// Why.
        reason: RevocationReason,
        /// What was found, with numbers.
        message: String,
    },
    /// Pause the rollout of a target.
    Pause {
        /// Key of the target.
        target: String,
    },
    /// Restore the prior pod template of a target.
    RollBack {
        /// Key of the target.
        target: String,
    },
    /// The permit is at rest: disarm, remember it as spent, and move the baselines that it earned.
    Settle {
        /// How it ended.
        spent: Spent,
        /// New baselines by target; `None` removes one (a permitted Delete).
        baselines: Vec<(String, Option<Baseline>)>,
    },
    /// Forget what the checks saw: a person has ended the hold.
    Forgive,
}

/// An Event to show, at most one a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// One CamelCase word.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
    /// Something is wrong.
    pub warning: bool,
    /// Also on the workloads.
    pub on_targets: bool,
}
