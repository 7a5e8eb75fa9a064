//! Refusals: the first words of what is said when a write to one of our own kinds is refused.
//!
//! A list for the reference, which a test compares with what is said. Does not know when each holds.

/// Each code, and what it means.
pub const REFUSALS: [(&str, &str); 20] = [
    (
        "ApprovalFrozen",
        "a decision stays as it was made; make another one",
    ),
    (
        "ApprovalProtected",
        "an approval is not deleted while its permit is not at rest; withdraw it",
    ),
    (
        "DigestMismatch",
        "the approval is at another digest than the request has now; the message tells the right one",
    ),
    (
        "GateUnavailable",
        "something could not be asked or judged; nothing was changed, try again",
    ),
    (
        "IdentityMismatch",
        "who sent it, or the request's identity, is not what admission stamped",
    ),
    (
        "InvalidObject",
        "the object is not of its kind: an unknown field or word",
    ),
    ("InvalidPermit", "mistakes in a permit, each with its path"),
    (
        "InvalidReason",
        "people revoke with ApproverRequest, Incident or Emergency",
    ),
    (
        "InvalidTemplate",
        "mistakes in a template, each with its path",
    ),
    (
        "NotAPerson",
        "service accounts and the operator never approve",
    ),
    (
        "NotTheRequester",
        "only its requester edits or cancels a permit",
    ),
    (
        "PermitFrozen",
        "the spec stays as it was approved; request a new permit",
    ),
    (
        "PermitMismatch",
        "the approval is for an earlier permit of that name",
    ),
    (
        "PermitNotFound",
        "there is no permit of that name that you may get",
    ),
    (
        "PermitProtected",
        "a permit that is issued or executing is not deleted; cancel or revoke it",
    ),
    ("RoleNotHeld", "you do not hold the verb in that role"),
    (
        "SelfApprovalBlocked",
        "the requester never approves, except alone in an emergency with break-glass",
    ),
    (
        "TemplateNotFound",
        "there is no template of that name; the message lists those that are",
    ),
    (
        "TemplateNotPermitted",
        "you lack the verb `use` on the template",
    ),
    (
        "WildcardHolder",
        "who holds every role holds none, from level 2",
    ),
];
