//! A request: what a permit asks, and the digest that approvals bind to.
//!
//! The digest is over a versioned projection of the stored spec, so that it does not move with the API version
//! (`identity.md`). Does not know whether the request is granted.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::calendar::Recurring;
use super::canonical::digest_of;
use crate::api::calendar::Recurrence;
use crate::api::permit::{Identity, PermitSpec, Target};

/// A permit's request, checked for form.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The permit's namespace; its targets live there too.
    pub namespace: String,
    /// The permit's name.
    pub name: String,
    /// The permit's UID.
    pub uid: String,
    /// When it was made, by the API server's clock. The approval window counts from here.
    pub created: Timestamp,
    /// The spec as stored.
    pub spec: PermitSpec,
    /// Who asked.
    pub requester: Identity,
    /// The change may start only while one of these is open.
    pub openings: Vec<Recurring>,
    /// The change may not start before.
    pub earliest_start: Option<Timestamp>,
    /// The change may not start after.
    pub latest_start: Option<Timestamp>,
}

/// What is digested. Declared order does not matter: the canonical form sorts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Projection<'a> {
    namespace: &'a str,
    name: &'a str,
    request_id: Option<&'a str>,
    requester: &'a str,
    template: TemplateRef<'a>,
    environment: Option<&'a str>,
    targets: &'a [Target],
    earliest_start: Option<String>,
    latest_start: Option<String>,
    #[serde(skip_serializing_if = "<[Recurrence]>::is_empty")]
    recurring: &'a [Recurrence],
    executors: &'a [String],
    purpose: &'a str,
    ticket: Option<&'a str>,
    incident: Option<&'a str>,
}

#[derive(Serialize)]
struct TemplateRef<'a> {
    name: &'a str,
    digest: &'a str,
}

impl Request {
    /// The digest that approvals name; any edit, and any other template revision, gives another one.
    pub fn digest(&self, template_digest: &str) -> String {
        let seconds = |t: Timestamp| t.as_second().to_string();
        digest_of(
            "permit-operator/permit-spec/v1",
            &Projection {
                namespace: &self.namespace,
                name: &self.name,
                request_id: self.spec.request_id.as_deref(),
                requester: &self.requester.username,
                template: TemplateRef {
                    name: &self.spec.template,
                    digest: template_digest,
                },
                environment: self.spec.environment.as_deref(),
                targets: &self.spec.targets,
                earliest_start: self.earliest_start.map(seconds),
                latest_start: self.latest_start.map(seconds),
                recurring: self.spec.schedule.as_ref().map_or(&[], |s| &s.recurring),
                executors: &self.spec.executors,
                purpose: &self.spec.purpose,
                ticket: self.spec.ticket.as_deref(),
                incident: self.spec.incident.as_deref(),
            },
        )
        .to_string()
    }

    /// Who may make the change: the executors that are named, else the requester alone.
    pub fn executors(&self) -> Vec<&str> {
        if self.spec.executors.is_empty() {
            vec![&self.requester.username]
        } else {
            self.spec.executors.iter().map(String::as_str).collect()
        }
    }

    /// Whether this user may make the change.
    pub fn may_execute(&self, username: &str) -> bool {
        !username.is_empty() && self.executors().contains(&username)
    }
}

/// Whether a username is a service account's; those never count as a person (threat row 35).
pub fn is_service_account(username: &str) -> bool {
    username.starts_with("system:serviceaccount:")
}

/// The key of a workload in facts, traces and records. Example: `Deployment/checkout`.
pub fn target_key(target: &Target) -> String {
    format!("{}/{}", target.kind, target.name)
}
