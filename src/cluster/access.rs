//! Access: who may do what, asked of the API server by SubjectAccessReview.
//!
//! RBAC alone says who may act (`decisions.md` 6). A review that fails or is late is `None`, and nothing takes that
//! for a yes. Remembers nothing: a binding that was deleted counts at once.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::client::deadline;
use crate::api::GROUP;
use crate::api::permit::Identity;
use crate::domain::quorum::Rights;
use crate::domain::request::Request;
use crate::domain::template::Level;

/// A role that nobody is ever granted: whoever holds it holds every role (threat row 33).
const NOBODYS_ROLE: &str = "nobody-is-ever-granted-this-role";
/// The group that passes every review.
const MASTERS: &str = "system:masters";

/// Asks access reviews.
#[derive(Clone)]
pub struct Access {
    client: Client,
}

impl Access {
    /// Reviews through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Whether somebody may use a template (verb `use` on `permittemplates/NAME`). `None`: it could not be asked.
    pub async fn may_use_template(&self, who: &Identity, template: &str) -> Option<bool> {
        self.ask(
            who,
            resource("use", "permittemplates", None, None, template),
        )
        .await
    }

    /// Whether somebody holds `verb` on `permits/ROLE` for a permit.
    pub async fn holds(
        &self,
        who: &Identity,
        verb: &str,
        role: &str,
        permit: (&str, &str),
    ) -> Option<bool> {
        let (namespace, name) = permit;
        self.ask(
            who,
            resource(verb, "permits", Some(role), Some(namespace), name),
        )
        .await
    }

    /// Whether somebody may see a permit.
    pub async fn may_get(&self, who: &Identity, permit: (&str, &str)) -> Option<bool> {
        let (namespace, name) = permit;
        self.ask(who, resource("get", "permits", None, Some(namespace), name))
            .await
    }

    /// Whether somebody holds every role at once, which is nobody's role.
    pub async fn is_wildcard(
        &self,
        who: &Identity,
        verb: &str,
        permit: (&str, &str),
    ) -> Option<bool> {
        if who.groups.iter().any(|g| g == MASTERS) {
            return Some(true);
        }
        self.holds(who, verb, NOBODYS_ROLE, permit).await
    }

    /// Everything that a ballot has to be asked about, side by side. `own`: it is the requester's.
    pub async fn rights(
        &self,
        who: &Identity,
        request: &Request,
        role: &str,
        asked: (Level, bool),
    ) -> Rights {
        let (level, own) = asked;
        let permit = (request.namespace.as_str(), request.name.as_str());
        let wildcard = async {
            if level.admits_wildcards() {
                Some(false)
            } else {
                self.is_wildcard(who, "approve", permit).await
            }
        };
        let break_glass = async {
            if own && level == Level::Emergency {
                self.holds(who, "break-glass", role, permit).await
            } else {
                Some(false)
            }
        };
        let (role, wildcard, break_glass) = futures::join!(
            self.holds(who, "approve", role, permit),
            wildcard,
            break_glass
        );
        Rights {
            role,
            wildcard,
            break_glass,
        }
    }

    async fn ask(&self, who: &Identity, attributes: ResourceAttributes) -> Option<bool> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(who.username.clone()),
                groups: Some(who.groups.clone()),
                uid: who.uid.clone(),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = deadline(api.create(&PostParams::default(), &review))
            .await
            .ok()?;
        let status = answer.status?;
        Some(status.allowed && status.denied != Some(true))
    }
}

fn resource(
    verb: &str,
    resource: &str,
    subresource: Option<&str>,
    namespace: Option<&str>,
    name: &str,
) -> ResourceAttributes {
    ResourceAttributes {
        group: Some(GROUP.into()),
        resource: Some(resource.into()),
        subresource: subresource.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        name: Some(name.into()),
        verb: Some(verb.into()),
        version: Some("*".into()),
        ..ResourceAttributes::default()
    }
}
