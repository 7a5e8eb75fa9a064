//! Access: who may do what, asked of the API server by SubjectAccessReview.
//!
//! RBAC alone says who may act (`decisions.md` 6). A review that fails or is late is `None`, and nothing takes that
//! for a yes. Remembers nothing for the gate, where a binding that was deleted counts at once; for reports it may.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::answers::Answers;
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
    answers: Option<Arc<Answers>>,
}

impl Access {
    /// Reviews through this client, each question asked anew.
    pub const fn new(client: Client) -> Self {
        Self {
            client,
            answers: None,
        }
    }

    /// Reviews through this client, each question asked once until it is forgotten.
    pub fn remembering(client: Client) -> Self {
        Self {
            client,
            answers: Some(Arc::default()),
        }
    }

    /// Forgets every answer.
    pub fn forget(&self) {
        if let Some(answers) = &self.answers {
            answers.forget();
        }
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
        let spec = SubjectAccessReviewSpec {
            user: Some(who.username.clone()),
            groups: Some(who.groups.clone()),
            uid: who.uid.clone(),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let Some(answers) = &self.answers else {
            return self.review(spec).await;
        };
        let question = serde_json::to_string(&spec).ok()?;
        let asking = match answers.find(question, Instant::now()) {
            Ok(answer) => return Some(answer),
            Err(asking) => asking,
        };
        let answer = self.review(spec).await?;
        answers.learn(asking, answer, Instant::now());
        Some(answer)
    }

    async fn review(&self, spec: SubjectAccessReviewSpec) -> Option<bool> {
        let review = SubjectAccessReview {
            spec,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// A client whose every review is answered with this code and a yes, and how many came.
    fn reviewer(code: StatusCode) -> (Client, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let answer = move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let review = json!({"metadata": {}, "spec": {}, "status": {"allowed": true}});
            let mut response = Response::new(Body::from(review.to_string().into_bytes()));
            *response.status_mut() = code;
            async move { Ok::<_, std::convert::Infallible>(response) }
        };
        (
            Client::new(tower::service_fn(answer), "permit-system"),
            asked,
        )
    }

    async fn holds(access: &Access) -> Option<bool> {
        let bob = Identity {
            username: "bob@example.com".into(),
            ..Identity::default()
        };
        access
            .holds(&bob, "approve", "tech-lead", ("shop", "checkout-1"))
            .await
    }

    #[tokio::test]
    async fn a_question_is_asked_once_until_rights_may_have_changed() {
        let (client, asked) = reviewer(StatusCode::OK);
        let access = Access::remembering(client);
        for _ in 0..3 {
            assert_eq!(holds(&access).await, Some(true));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        access.forget();
        assert_eq!(holds(&access).await, Some(true));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_gate_asks_every_time() {
        let (client, asked) = reviewer(StatusCode::OK);
        let access = Access::new(client);
        for _ in 0..3 {
            assert_eq!(holds(&access).await, Some(true));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn what_could_not_be_asked_is_asked_again() {
        let (client, asked) = reviewer(StatusCode::INTERNAL_SERVER_ERROR);
        let access = Access::remembering(client);
        for _ in 0..2 {
            assert_eq!(holds(&access).await, None);
        }
        assert!(asked.load(Ordering::Relaxed) >= 2);
    }
}
