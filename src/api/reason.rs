//! The reasons of conditions: a stable list, which programs may match and people may look up.
//!
//! A permit at rest may also give one of a revocation's reasons or its outcome. When a reason holds is decided in
//! `domain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vocabulary::vocabulary;

vocabulary! {
    /// Why a condition is as it is.
    Reason {
        /// Somebody's rights could not be asked; it is asked again.
        AccessUnknown,
        /// Approvals are missing.
        AwaitingApproval,
        /// A matching change may start now.
        AwaitingChange,
        /// The requester ended it.
        CancelledByRequester,
        /// A covered change was stored.
        ChangeStored,
        /// An approver asked for changes.
        ChangesRequested,
        /// The request is another one than the one that was decided about.
        Edited,
        /// The permit names another environment than the namespace's.
        EnvironmentMismatch,
        /// The change is being carried out.
        Executing,
        /// The guard holds; a person decides.
        Held,
        /// An emergency names no incident.
        IncidentMissing,
        /// A field of the spec is wrong.
        InvalidSpec,
        /// It was issued.
        Issued,
        /// The record cannot be written, and the next step waits for it.
        LedgerNotWritable,
        /// Issuance waits until a freeze is over.
        FreezeActive,
        /// It is not approved, so nothing may start.
        NotApproved,
        /// The guard holds nothing.
        NotHeld,
        /// Its review has not begun.
        NotInReview,
        /// No change was started under it.
        NotStarted,
        /// It has not come to rest.
        Open,
        /// An approval that counted no longer does: withdrawn, its approver's right gone, or the request edited.
        QuorumLost,
        /// Enough of the right people approved, or none has to.
        QuorumReached,
        /// An approver said no.
        RejectedByApprover,
        /// A service account delivered the permit, and no person signed the request.
        RequesterUnproved,
        /// The rollout of every target is complete.
        RolledOut,
        /// The former state is being restored.
        RollingBack,
        /// A rollout is not complete.
        RollingOut,
        /// The template demands signatures, which this version cannot verify.
        SignatureUnsupported,
        /// The change is rolled out, and the guard watches.
        Soaking,
        /// The template has other content now.
        TemplateChanged,
        /// The template is as it was at the request.
        TemplateCurrent,
        /// The template cannot be used.
        TemplateInvalid,
        /// The template does not govern this place.
        TemplateNotApplicable,
        /// There is no such template.
        TemplateNotFound,
        /// The requester may not use the template.
        TemplateNotPermitted,
        /// The spec is sound, and a template governs it.
        TemplateResolved,
        /// Nobody has decided yet.
        Undecided,
        /// The guard was content for the whole soak.
        Validated,
        /// The window for what comes next has closed.
        WindowClosed,
        /// The window has just closed; what was admitted in its last moment may still appear.
        WindowClosing,
        /// The window opens later.
        WindowNotOpen,
    }
}
