//! Match conditions: what the API server drops by itself because it cannot be a change that anybody decides on.
//!
//! They keep one rollout at one call, and our outage out of the way of the garbage collector. Controllers are told by
//! exact username and by the id of their credential, which an impersonated request has not; never by a group. An error
//! in a condition refuses the request, so absent fields are asked for with `has` and `?`.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;

use crate::domain::change::ADOPTED;
use crate::domain::kind::{COLLECTORS, DERIVED, GATED, controller};

/// An equal spec is a change all the same when an owner is added or altered (a dead one gets the object deleted; the
/// gate compares references whole, and so does this), when what is adopted by its labels gets others, or when the
/// annotation that restores an old template is set.
fn could_be_a_change() -> String {
    let owned = GATED.iter().filter(|form| form.judges_delete);
    let owned = listed(owned.map(|form| form.resource));
    let adopted = GATED.iter().filter(|form| ADOPTED.contains(&form.word));
    let adopted = listed(adopted.map(|form| form.resource));
    format!(
        "request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
|| (request.resource.resource in {owned}
&& object.metadata.?ownerReferences.orValue([]).exists(o, !oldObject.metadata.?ownerReferences.orValue([]).exists(p, p == o)))
|| (request.resource.resource in {adopted} && object.metadata.?labels.orValue({{}}) != oldObject.metadata.?labels.orValue({{}}))
|| !(object.metadata.?annotations[?'deprecated.deployment.rollback.to'].orValue('') in
['', oldObject.metadata.?annotations[?'deprecated.deployment.rollback.to'].orValue('')])"
    )
}

/// What exactly its controller writes for an owner of its kind: told by username, credential and controlling owner
/// together. Of a ReplicaSet its template stays, of a pod nothing may change.
fn not_derived_by_its_controller() -> String {
    format!(
        "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({{}}) && !has(request.subResource)
&& (request.operation == 'DELETE' ? oldObject : object).metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false)
&& [request.resource.resource, string(o.kind), request.userInfo.username] in {})
&& (request.operation != 'UPDATE' || request.resource.resource == 'controllerrevisions'
|| (request.resource.resource == 'replicasets' && object.spec.template == oldObject.spec.template)))",
        derived(|_| true)
    )
}

/// The writers of derived objects as a list of CEL: resource, kind of the owner, username.
pub fn derived(of: impl Fn(&str) -> bool) -> String {
    let known = DERIVED.iter().filter(|(resource, ..)| of(resource));
    let one = |(resource, owner, account): &(&str, &str, &str)| {
        format!("['{resource}', '{owner}', '{}']", controller(account))
    };
    format!("[{}]", known.map(one).collect::<Vec<_>>().join(",\n"))
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.map(|word| format!("'{word}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// From or to no replicas is judged; in between the autoscaler works within limits that are gated themselves.
const NOT_THE_AUTOSCALER: &str =
    "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({})
&& request.userInfo.username == 'system:serviceaccount:kube-system:horizontal-pod-autoscaler'
&& request.?subResource.orValue('') == 'scale' && request.operation == 'UPDATE'
&& oldObject.spec.?replicas.orValue(0) > 0 && object.spec.?replicas.orValue(0) > 0)";

fn not_a_collectors_deletion() -> String {
    let accounts: Vec<_> = COLLECTORS.iter().map(|name| controller(name)).collect();
    format!(
        "!('authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({{}})
&& request.operation == 'DELETE' && request.userInfo.username in {})",
        listed(accounts.iter().map(String::as_str))
    )
}

/// The conditions of the entries for workloads.
pub fn for_workloads() -> Vec<MatchCondition> {
    vec![
        condition("could-be-a-change", could_be_a_change()),
        condition(
            "not-derived-by-its-controller",
            not_derived_by_its_controller(),
        ),
        condition(
            "not-the-autoscaler-on-a-running-workload",
            NOT_THE_AUTOSCALER.to_owned(),
        ),
        condition("not-a-collectors-deletion", not_a_collectors_deletion()),
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
        condition("not-a-collectors-deletion", not_a_collectors_deletion()),
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
            could_be_a_change().contains("exists(p, p == o)")
                && !could_be_a_change().contains("uid")
        );
    }

    #[test]
    fn a_subresource_is_never_compared_where_it_may_be_absent() {
        for condition in for_workloads()
            .into_iter()
            .chain(for_own_kinds("permit-system"))
        {
            assert!(
                !condition
                    .expression
                    .replace("has(request.subResource)", "")
                    .contains("request.subResource"),
                "{}",
                condition.name
            );
        }
    }
}
