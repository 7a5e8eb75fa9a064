//! Frozen specs: a decision stays as it was made, and an issued permit as it was approved.
//!
//! Refused with 403 by a policy and never by a rule of the CRD, whose 422 makes `kubectl apply --force` delete the
//! object. Does not know who may edit a permit before it is issued.

use super::draft::{Draft, demand, rule};
use crate::api::GROUP;

/// The policy.
pub(super) fn draft() -> Draft {
    Draft {
        rules: vec![rule(GROUP, &["approvals", "permits"], &["UPDATE"])],
        validations: vec![
            demand(
                "request.resource.resource != 'approvals' || object.spec == oldObject.spec",
                "ApprovalFrozen: a decision stays as it was made; make another one instead",
            ),
            demand(
                "request.resource.resource != 'permits' || !oldObject.?status.?issuedTime.hasValue() || object.spec == oldObject.spec",
                "PermitFrozen: a permit that was issued keeps the spec that was approved; request a new permit instead",
            ),
        ],
        ..Draft::default()
    }
}
