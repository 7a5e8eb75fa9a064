//! Approvals: sent by a person, as themselves, with the right of their role.
//!
//! Does not know who requested the permit, what was approved before, or what else was done with it.

use super::draft::{Draft, condition, demand, rule, variable};
use crate::api::GROUP;
use crate::cluster::match_conditions::not_the_operators_revocation;
use crate::cluster::webhook_settings::Settings;
use k8s_openapi::api::admissionregistration::v1::Validation;

/// The policy. Only creations: a label set by somebody else is no decision.
pub(super) fn draft(settings: &Settings) -> Draft {
    Draft {
        rules: vec![rule(GROUP, &["approvals"], &["CREATE"])],
        conditions: vec![condition(
            "not-the-operators-revocation",
            not_the_operators_revocation(&settings.namespace),
        )],
        variables: vec![
            variable("role", "object.spec.?role.orValue('')"),
            variable(
                "verb",
                "object.spec.decision in ['Withdraw', 'Cancel'] ? '' : object.spec.decision == 'Revoke' ? 'revoke' : 'approve'",
            ),
        ],
        validations: vec![
            demand(
                "object.spec.?submittedBy.?username.orValue('') == request.userInfo.username",
                "IdentityMismatch: spec.submittedBy.username must be the sender",
            ),
            person(),
            demand(
                "object.spec.?approver.?username.orValue('') == request.userInfo.username",
                "IdentityMismatch: spec.approver.username must be the sender",
            ),
            right(),
        ],
        ..Draft::default()
    }
}

fn person() -> Validation {
    let said = "NotAPerson: a service account is never an approver";
    Validation {
        message_expression: Some(format!(
            "'{said}; this was sent by ' + request.userInfo.username"
        )),
        ..demand(
            "!request.userInfo.username.startsWith('system:serviceaccount:') && !request.userInfo.username.startsWith('system:node:')",
            said,
        )
    }
}

fn right() -> Validation {
    Validation {
        message_expression: Some(
            "'RoleNotHeld: you do not hold the verb `' + variables.verb + '` in the role ' + variables.role".to_owned(),
        ),
        ..demand(
            "variables.verb == '' || authorizer.group('permits.dev').resource('permits').subresource(variables.role)
.namespace(request.namespace).name(object.spec.permitRef.name).check(variables.verb).allowed()",
            "RoleNotHeld: you do not hold the role that this decision is made in",
        )
    }
}
