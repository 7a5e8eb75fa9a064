//! Ballots: what an Approval object says, as far as it concerns a request.
//!
//! Who spoke is what admission stamped, never what the writer claims (threat rows 34, 37). Does not know what counts.

use k8s_openapi::jiff::Timestamp;

use super::quorum::{Ballot, Rights};
use super::request::Request;
use crate::api::approval::Approval;

/// The ballot of an approval, unless it speaks of another request under the same name.
pub fn of(approval: &Approval, request: &Request) -> Option<Ballot> {
    let spec = &approval.spec;
    let stated = spec.permit_ref.request_id.as_deref();
    if spec.permit_ref.name != request.name
        || (stated.is_some() && stated != request.spec.request_id.as_deref())
    {
        return None;
    }
    let cast = approval
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    // An approval from before the permit is about an earlier one of that name.
    if cast < request.created {
        return None;
    }
    let sender = spec.submitted_by.clone().unwrap_or_default();
    Some(Ballot {
        approval: approval.metadata.name.clone().unwrap_or_default(),
        person: sender.username,
        groups: sender.groups,
        role: spec.role.clone(),
        decision: spec.decision,
        digest: spec.permit_ref.digest.clone(),
        request_id: spec.permit_ref.request_id.clone(),
        reason: spec.reason,
        reasoning: spec.reasoning.clone(),
        cast,
        rights: Rights::default(),
    })
}
