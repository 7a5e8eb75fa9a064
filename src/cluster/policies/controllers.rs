//! Controllers: which account derives which objects from which owner.
//!
//! By exact username and credential and by the controlling owner's kind, together; never by a group. Whether the owner is
//! real is not known here.

use crate::cluster::match_conditions::derived;
use crate::domain::kind::controller;

/// An impersonated request has no credential of its own.
pub(super) const HAS_CREDENTIAL: &str =
    "'authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({})";

/// Resource, and the controller that writes its status.
const REPORT: [(&str, &str); 4] = [
    ("deployments", "deployment-controller"),
    ("replicasets", "replicaset-controller"),
    ("statefulsets", "statefulset-controller"),
    ("daemonsets", "daemon-set-controller"),
];

/// Whether the object is written by the controller that its controlling owner's kind has.
pub(super) fn derives() -> String {
    format!(
        "({HAS_CREDENTIAL} && !has(request.subResource)
&& object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false)
&& [request.resource.resource, string(o.kind), request.userInfo.username] in {}))",
        derived(|_| true)
    )
}

/// Whether the status is written by the controller of its kind.
pub(super) fn reports() -> String {
    let rows =
        REPORT.map(|(resource, account)| format!("['{resource}', '{}']", controller(account)));
    format!(
        "({HAS_CREDENTIAL} && [request.resource.resource, request.userInfo.username] in [{}])",
        rows.join(",\n")
    )
}

/// Whether what goes is deleted because its owner or its namespace goes.
pub(super) fn collects() -> String {
    format!(
        "({HAS_CREDENTIAL} && request.operation == 'DELETE' && request.userInfo.username in ['{}', '{}'])",
        controller("generic-garbage-collector"),
        controller("namespace-controller")
    )
}
