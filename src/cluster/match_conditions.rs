//! Match conditions: what the API server drops by itself because it cannot be a change that anybody decides on.
//!
//! They keep one rollout at one call, and our outage out of the way of the garbage collector. Controllers are told by
//! exact username and by the id of their credential, which an impersonated request has not; never by a group. An error
//! in a condition refuses the request, so absent fields are asked for with `has` and `?`.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;

/// An equal spec is a change all the same when an owner is added or altered (a dead one gets the workload deleted; the
/// gate compares references whole, and so does this) or the annotation that restores an old template is set.
const COULD_BE_A_CHANGE: &str = "request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
|| (request.resource.resource == 'deployments'
&& object.metadata.?ownerReferences.orValue([]).exists(o, !oldObject.metadata.?ownerReferences.orValue([]).exists(p, p == o)))
|| !(object.metadata.?annotations[?'deprecated.deployment.rollback.to'].orValue('') in
['', oldObject.metadata.?annotations[?'deprecated.deployment.rollback.to'].orValue('')])";

/// From or to no replicas is judged; in between the autoscaler works within limits that are gated themselves.
const NOT_THE_AUTOSCALER: &str =
    "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({})
&& request.userInfo.username == 'system:serviceaccount:kube-system:horizontal-pod-autoscaler'
&& request.?subResource.orValue('') == 'scale' && request.operation == 'UPDATE'
&& oldObject.spec.?replicas.orValue(0) > 0 && object.spec.?replicas.orValue(0) > 0)";

const NOT_A_COLLECTORS_DELETION: &str = "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({})
&& request.operation == 'DELETE' && request.userInfo.username in
['system:serviceaccount:kube-system:generic-garbage-collector', 'system:serviceaccount:kube-system:namespace-controller',
'system:serviceaccount:kube-system:ttl-after-finished-controller'])";

/// The conditions of the entries for workloads.
pub fn for_workloads() -> Vec<MatchCondition> {
    vec![
        condition("could-be-a-change", COULD_BE_A_CHANGE.to_owned()),
        condition(
            "not-the-autoscaler-on-a-running-workload",
            NOT_THE_AUTOSCALER.to_owned(),
        ),
        condition(
            "not-a-collectors-deletion",
            NOT_A_COLLECTORS_DELETION.to_owned(),
        ),
    ]
}

/// Drops the operator's own revocation: ending a permit's power must not wait for what may be broken.
pub(crate) fn not_the_operators_revocation(namespace: &str) -> String {
    format!(
        "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({{}})
&& request.userInfo.username == 'system:serviceaccount:{namespace}:permit-operator'
&& request.resource.resource == 'approvals' && request.operation == 'CREATE'
&& object.spec.?decision.orValue('') == 'Revoke')"
    )
}

/// The conditions of the entries for our own kinds.
pub fn for_own_kinds(namespace: &str) -> Vec<MatchCondition> {
    vec![
        condition(
            "not-the-operators-revocation",
            not_the_operators_revocation(namespace),
        ),
        condition(
            "not-a-collectors-deletion",
            NOT_A_COLLECTORS_DELETION.to_owned(),
        ),
    ]
}

fn condition(name: &str, expression: String) -> MatchCondition {
    MatchCondition {
        name: name.to_owned(),
        expression,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exemption_asks_for_an_exact_user_and_a_credential() {
        for condition in for_workloads()
            .into_iter()
            .chain(for_own_kinds("permit-system"))
        {
            if condition.name.starts_with("not-") {
                assert!(
                    condition
                        .expression
                        .contains("authentication.kubernetes.io/credential-id"),
                    "{}",
                    condition.name
                );
                assert!(
                    condition.expression.contains("request.userInfo.username"),
                    "{}",
                    condition.name
                );
            }
            assert!(
                !condition.expression.contains("groups"),
                "{}",
                condition.name
            );
        }
    }

    #[test]
    fn t54_an_owner_is_known_by_its_whole_reference() {
        assert!(
            COULD_BE_A_CHANGE.contains("exists(p, p == o)") && !COULD_BE_A_CHANGE.contains("uid")
        );
    }

    #[test]
    fn a_subresource_is_never_compared_where_it_may_be_absent() {
        for condition in for_workloads()
            .into_iter()
            .chain(for_own_kinds("permit-system"))
        {
            assert!(
                !condition.expression.contains("request.subResource"),
                "{}",
                condition.name
            );
        }
    }
}
