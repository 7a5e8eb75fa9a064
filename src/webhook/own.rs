//! Our own kinds: what people may write, and what stays as it is.
//!
//! Every mistake at once with its path; frozen specs and protected deletions answer 403, so that `kubectl apply
//! --force` loses nothing (`decisions.md` 10). The same rights are looked up again at every later decision.

mod approval;
mod permit;

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Gate;
use super::review::{Answer, Request};
use super::whole::whole;
use crate::api::PermitTemplate;
use crate::api::permit::Identity;
use crate::domain::parse;

/// The controller of namespaces, which deletes what is in one that goes.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// What is wrong with a write, if anything is.
type Verdict = Result<(), String>;

/// Judges a write to one of our kinds.
pub(super) async fn review(gate: &Gate, request: &Request) -> Answer {
    let verdict = match request.resource.resource.as_str() {
        "permits" => permit::review(gate, request).await,
        "approvals" => approval::review(gate, request).await,
        "permittemplates" => template(request),
        other => Err(format!(
            "GateUnavailable: `{other}` is no kind that this gate judges"
        )),
    };
    match verdict {
        Ok(()) => Answer::admit(),
        Err(message) => Answer::deny(message),
    }
}

fn template(request: &Request) -> Verdict {
    if request.operation == "DELETE" {
        return Ok(());
    }
    let template: PermitTemplate = typed(request.object.as_ref())?;
    match parse::template(&template.name_any(), "", &template.spec) {
        Ok(_) => Ok(()),
        Err(errors) => Err(mistakes("InvalidTemplate", &errors)),
    }
}

/// The object as our own type, nothing left behind.
fn typed<K: DeserializeOwned + Serialize>(object: Option<&Value>) -> Result<K, String> {
    let object = object.ok_or("InvalidObject: the review carries no object")?;
    whole(object).map_err(|why| format!("InvalidObject: {why}"))
}

/// Every mistake, each on its own line.
fn mistakes(code: &str, errors: &[parse::FieldError]) -> String {
    let listed: Vec<_> = errors.iter().map(|e| format!("  {e}")).collect();
    format!(
        "{code}: {} mistake(s):\n{}",
        errors.len(),
        listed.join("\n")
    )
}

/// Whether a stamp is the sender as the API server authenticated them: username, uid and groups as a set (threat row
/// 37). What else is known of a token is not stamped.
fn is_sender(stamp: Option<&Identity>, request: &Request) -> bool {
    stamp.is_some_and(|stamp| is_same(stamp, &request.identity()))
}

fn is_same(one: &Identity, other: &Identity) -> bool {
    let groups = |i: &Identity| i.groups.iter().cloned().collect::<BTreeSet<_>>();
    let uid = |i: &Identity| i.uid.clone().filter(|uid| !uid.is_empty());
    one.username == other.username && uid(one) == uid(other) && groups(one) == groups(other)
}

/// Whether what goes with its namespace is deleted by who does that.
fn leaves_with_namespace(gate: &Gate, request: &Request) -> bool {
    request.user_info.username == NAMESPACE_CONTROLLER
        && gate.caches.is_terminating(&request.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(username: &str, uid: Option<&str>, groups: &[&str]) -> Identity {
        Identity {
            username: username.into(),
            uid: uid.map(str::to_owned),
            groups: groups.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn t37_a_stamp_is_the_sender_by_name_uid_and_groups_as_a_set() {
        let sender = identity("ana", Some("7"), &["dev", "ops"]);
        assert!(is_same(
            &identity("ana", Some("7"), &["ops", "dev", "dev"]),
            &sender
        ));
        for other in [
            identity("bob", Some("7"), &["dev", "ops"]),
            identity("ana", None, &["dev", "ops"]),
            identity("ana", Some("8"), &["dev", "ops"]),
            identity("ana", Some("7"), &["dev"]),
            identity("ana", Some("7"), &["dev", "ops", "security"]),
        ] {
            assert!(!is_same(&other, &sender), "{other:?}");
        }
        assert!(is_same(
            &identity("ana", Some(""), &[]),
            &identity("ana", None, &[])
        ));
    }
}
