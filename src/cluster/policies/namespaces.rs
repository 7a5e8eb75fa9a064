//! Namespaces: who may make one less guarded, or leave with it.
//!
//! Both labels, on every way to write them, need the verb `unenrol` on the virtual subresource `namespaces/gate`: on
//! `namespaces` itself everyone with `*` there would have it. Has no memory: a namespace made anew is labelled again by
//! the operator, whose own account may change nothing else of a namespace here.

use super::draft::{Draft, demand, rule, variable};
use super::is_operator;
use crate::cluster::webhook_settings::{Settings, Unlabelled};
use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

const GATE: &str = "metadata.?labels[?'permits.dev/gate'].orValue('')";
const ENVIRONMENT: &str = "metadata.?labels[?'permits.dev/environment'].orValue('')";

/// The policy.
pub(super) fn draft(settings: &Settings) -> Draft {
    let resources = ["namespaces", "namespaces/status", "namespaces/finalize"];
    Draft {
        rules: vec![rule("", &resources, &["CREATE", "UPDATE", "DELETE"])],
        variables: variables(settings.unlabelled),
        validations: vec![unenrol(), only_labels(settings)],
        ..Draft::default()
    }
}

/// How much is guarded before and after. What a word that is none counts as is what no label counts as; a namespace
/// that is left takes its label with it, and counts as enrolled without one only where that enforces.
fn variables(unlabelled: Unlabelled) -> Vec<Variable> {
    let (none, left) = match unlabelled {
        Unlabelled::Off => (0, 0),
        Unlabelled::Report => (1, 0),
        Unlabelled::Enforce => (3, 3),
    };
    let rank = |of: &str, or: i32| {
        format!("{{'off': 0, 'audit': 1, 'warn': 2, 'enforce': 3}}[?{of}].orValue({or})")
    };
    let before = |part: &str| format!("request.operation == 'CREATE' ? '' : oldObject.{part}");
    let after = |part: &str| format!("request.operation == 'DELETE' ? '' : object.{part}");
    vec![
        variable("gateBefore", before(GATE)),
        variable("gateAfter", after(GATE)),
        variable("environmentBefore", before(ENVIRONMENT)),
        variable("environmentAfter", after(ENVIRONMENT)),
        variable(
            "leaves",
            format!(
                "request.operation == 'DELETE' && !has(oldObject.metadata.deletionTimestamp) && {} > 0",
                rank("variables.gateBefore", left)
            ),
        ),
        variable(
            "loosened",
            format!(
                "request.operation != 'DELETE' && ({} < {}
|| (variables.environmentAfter != variables.environmentBefore && !(variables.environmentAfter in ['', 'production'])))",
                rank("variables.gateAfter", none),
                rank("variables.gateBefore", none)
            ),
        ),
        variable(
            "name",
            "request.operation == 'DELETE' ? oldObject.metadata.name : object.metadata.name",
        ),
    ]
}

fn unenrol() -> Validation {
    let may = "authorizer.group('').resource('namespaces').subresource('gate').name(variables.name).check('unenrol').allowed()";
    Validation {
        message_expression: Some(
            "'PermitGuard: namespace ' + variables.name + (variables.leaves ? ' is enrolled; to delete it' : ' would be less guarded; that')
+ ' needs the verb unenrol on namespaces/gate'"
                .to_owned(),
        ),
        ..demand(
            format!("request.dryRun || !(variables.leaves || variables.loosened) || {may}"),
            "PermitGuard: the namespace would be less guarded; that needs the verb unenrol on namespaces/gate",
        )
    }
}

/// The operator may patch any namespace, because a right cannot be narrowed to two labels. This does.
fn only_labels(settings: &Settings) -> Validation {
    let same = |one: &str, other: &str| {
        format!(
            "{one}.metadata.?labels.orValue({{}}).all(k, k in ['permits.dev/gate', 'permits.dev/environment']
|| {other}.metadata.?labels[?k].orValue('') == {one}.metadata.labels[k])"
        )
    };
    demand(
        format!(
            "request.dryRun || !{} || (request.operation == 'UPDATE' && object.spec == oldObject.spec
&& object.metadata.?annotations.orValue({{}}) == oldObject.metadata.?annotations.orValue({{}})
&& object.metadata.?finalizers.orValue([]) == oldObject.metadata.?finalizers.orValue([])
&& object.metadata.?ownerReferences.orValue([]) == oldObject.metadata.?ownerReferences.orValue([])
&& {} && {})",
            is_operator(settings),
            same("object", "oldObject"),
            same("oldObject", "object")
        ),
        "PermitGuard: the operator changes nothing of a namespace but the labels of the gate",
    )
}
