//! The closed vocabularies shared by wire and domain: one spelling each, everywhere.
//!
//! Words only; what follows from a word is decided in `domain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares a closed vocabulary: an enum with its wire spelling, `ALL`, and `Display`.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $means:literal] $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $(#[doc = $means] $variant),+ }

        impl $name {
            /// Every word of this vocabulary, in its declared order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// What the word means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $means.trim()),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(super) use vocabulary;

vocabulary! {
    /// Where a permit stands in its life.
    Phase {
        /// Accepted by the API server, not yet checked.
        Requested,
        /// Template resolved, digest computed, approvers known.
        InReview,
        /// An approver asked for changes.
        ChangesRequested,
        /// Quorum met at this digest.
        Approved,
        /// Issued: a matching change is admitted inside the window.
        Issued,
        /// A covered change was stored; its rollout runs.
        Executing,
        /// The rollout is complete; the guard watches.
        Validating,
        /// The soak passed.
        Closed,
        /// It can never proceed, or an approver said no.
        Rejected,
        /// A window closed.
        Expired,
        /// Its power was ended by a person or the guard.
        Revoked,
        /// The requester ended it.
        Cancelled,
    }
}

impl Phase {
    /// Whether nothing ever leads out of this phase.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Closed | Self::Rejected | Self::Expired | Self::Revoked | Self::Cancelled
        )
    }

    /// Whether a change under this permit is live: its target is busy for every other permit.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Executing | Self::Validating)
    }
}

vocabulary! {
    /// How a permit ended.
    Outcome {
        /// The change was made and validated.
        Succeeded,
        /// The change was undone and the workload is stable again.
        RolledBack,
        /// The change could not be undone.
        RollbackFailed,
        /// The change was made and its permit ended without undoing it.
        Failed,
        /// Nothing was changed.
        Unused,
    }
}

vocabulary! {
    /// What an Approval object says (`decisions.md` 7).
    Decision {
        /// Yes, at this digest.
        Approve,
        /// No; ends the permit.
        Reject,
        /// Not like this: the requester edits the spec and review starts again.
        RequestChanges,
        /// Takes back one's own approval.
        Withdraw,
        /// The requester ends the permit.
        Cancel,
        /// Ends the permit's power, at any time before it is at rest.
        Revoke,
        /// Ends a hold of the guard.
        Resume,
    }
}

vocabulary! {
    /// Why a permit was revoked. People use the first three; the others are machine findings.
    RevocationReason {
        /// An approver or the requester's side wants it ended.
        ApproverRequest,
        /// An incident elsewhere makes the change unwise.
        Incident,
        /// An emergency takes the target.
        Emergency,
        /// The change ran longer than its template allows.
        TimeExceeded,
        /// The error rate breached its limit.
        SafetyViolation,
        /// The latency breached its limit.
        PerformanceDegradation,
        /// More was changed than permitted.
        ScopeExpansion,
    }
}

impl RevocationReason {
    /// Whether people may give this reason; the others belong to the operator.
    pub const fn is_for_people(self) -> bool {
        matches!(
            self,
            Self::ApproverRequest | Self::Incident | Self::Emergency
        )
    }
}

vocabulary! {
    /// What an Event tells of, on a permit and for some on its workloads.
    EventReason {
        /// A permit was made.
        PermitRequested,
        /// It is valid and waits for approvals.
        ReviewStarted,
        /// An approver asked for changes.
        ChangesRequested,
        /// Quorum is met.
        PermitApproved,
        /// The change may start.
        PermitIssued,
        /// A covered change was stored.
        ExecutionStarted,
        /// The rollout is complete and the guard watches.
        ValidationStarted,
        /// The soak passed.
        PermitClosed,
        /// It can never proceed, or an approver said no.
        PermitRejected,
        /// A window closed.
        PermitExpired,
        /// A check breached its limit, and the permit is revoked.
        GuardBreached,
        /// Its power was ended otherwise.
        PermitRevoked,
        /// The requester ended it.
        PermitCancelled,
        /// The former pod template is being restored.
        RollbackStarted,
        /// The workload is stable on its former template.
        RollbackCompleted,
        /// The change could not be undone.
        RollbackFailed,
        /// The rollout waits for a person.
        PermitHeld,
        /// A person ended the hold, or what was held for has passed.
        PermitResumed,
        /// The next step waits until the record can be written.
        LedgerNotWritable,
        /// Issuance waits until a freeze is over.
        FreezeActive,
        /// Something stands that nobody permitted.
        UnpermittedChange,
        /// What nobody permitted is gone, or is permitted now.
        UnpermittedChangeGone,
        /// `permit-config` cannot be read; nothing is admitted but the baseline and emergencies.
        ConfigurationUnreadable,
        /// A template cannot be read; nothing below its level is granted where it applies.
        TemplateUnreadable,
    }
}

vocabulary! {
    /// What a change does to a workload, worked out from the difference of old and new.
    Operation {
        /// Images, commands, arguments.
        Deploy,
        /// Environment, volumes, probes, resources, any other field of the spec.
        Configure,
        /// Replicas.
        Scale,
        /// Only the restart annotation of the pod template.
        Restart,
        /// Pauses the rollout.
        Pause,
        /// Leaves pause.
        Resume,
        /// Asks a controller to restore an old template.
        Rollback,
        /// A new workload.
        Create,
        /// The workload goes, or is handed to the garbage collector.
        Delete,
        /// A Job that the permit names as a migration is created.
        DatabaseMigration,
        /// A container is put into a running pod to look at it; `exec` and the like where they are gated.
        Diagnose,
    }
}

vocabulary! {
    /// How a workload is written.
    Method {
        /// It is new.
        Create,
        /// It is there before and after.
        Update,
        /// It goes.
        Delete,
    }
}

vocabulary! {
    /// The class of a template.
    TemplateClass {
        /// The ordinary way, by level.
        Standard,
        /// An incident: one hour, reviewed afterwards.
        Emergency,
    }
}

vocabulary! {
    /// How far one approval reaches.
    Grant {
        /// No human approval; the permit of record follows the change.
        Automatic,
        /// Every change has its own permit, naming the exact outcome.
        EachChange,
    }
}

vocabulary! {
    /// How strictly a namespace is gated.
    GateMode {
        /// Denials deny.
        Enforce,
        /// Denials are warnings.
        Warn,
        /// Denials are admitted, counted and logged, and noted in the API server's audit log.
        Audit,
        /// Not gated.
        Off,
    }
}

impl GateMode {
    /// The mode that a namespace's label asks for; an unknown word is the strictest (fail secure).
    pub fn of_label(label: Option<&str>, default: Self) -> Self {
        match label {
            None | Some("") => default,
            Some("warn") => Self::Warn,
            Some("audit") => Self::Audit,
            Some("off") => Self::Off,
            Some(_) => Self::Enforce,
        }
    }
}
