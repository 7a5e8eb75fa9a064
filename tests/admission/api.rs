//! An API server of a few scripted objects, as kube's client sees it: reads, lists, access reviews.
//!
//! Watches stay silent after their list, so that what the caches know and what a live read finds can differ. Knows no
//! admission.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// The scripted server; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Objects by their path.
    objects: BTreeMap<String, Value>,
    /// `USER VERB RESOURCE[/SUBRESOURCE]`; `*` stands for any subresource.
    grants: Vec<String>,
    /// Reads whose path contains this answer 500.
    broken: Option<String>,
    /// Reads whose path contains this are never answered.
    silent: Option<String>,
    /// How many unanswered reads there are, and the most there were.
    waiting: usize,
    most: usize,
    /// Every request after the caches were filled: `METHOD PATH`, for a review `REVIEW USER VERB RESOURCE`.
    seen: Vec<String>,
}

impl Api {
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "permit-system")
    }

    /// Puts an object under the path of its kind.
    pub(crate) fn put(&self, object: Value) {
        let mut state = self.0.lock().unwrap();
        let path = path_of(&object);
        state.objects.insert(path, object);
    }

    /// Changes an object as somebody else would.
    pub(crate) fn change(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock().unwrap();
        edit(state.objects.get_mut(path).unwrap());
    }

    pub(crate) fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path).unwrap();
    }

    pub(crate) fn grant(&self, grant: &str) {
        self.0.lock().unwrap().grants.push(grant.to_owned());
    }

    pub(crate) fn withdraw(&self, grant: &str) {
        self.0.lock().unwrap().grants.retain(|g| g != grant);
    }

    pub(crate) fn break_reads(&self, of: &str) {
        self.0.lock().unwrap().broken = Some(of.to_owned());
    }

    pub(crate) fn silence_reads(&self, of: &str) {
        self.0.lock().unwrap().silent = Some(of.to_owned());
    }

    /// What was asked since this was last called.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().seen)
    }

    /// The most reads that were unanswered at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.0.lock().unwrap().most
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let path = head.uri.path().to_owned();
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (is_watch, is_silent) = {
            let mut state = self.0.lock().unwrap();
            let is_watch = query.contains("watch=true");
            if !is_watch {
                state.seen.push(told(&head.method, &path, &body));
            }
            let contains = |part: &Option<String>| part.as_ref().is_some_and(|p| path.contains(p));
            if contains(&state.broken) {
                return respond(500, &failure(500, "InternalError"));
            }
            (is_watch, contains(&state.silent))
        };
        if is_watch {
            return std::future::pending().await;
        }
        if is_silent {
            let _waiting = Waiting::begin(self);
            return std::future::pending().await;
        }
        let state = self.0.lock().unwrap();
        if head.method == Method::POST {
            return respond(201, &state.review(body));
        }
        match state.read(&path, &query) {
            Some(found) => respond(200, &found),
            None => respond(404, &failure(404, "NotFound")),
        }
    }
}

/// An unanswered read, until its caller gives up.
struct Waiting(Api);

impl Waiting {
    fn begin(api: &Api) -> Self {
        let mut state = api.0.lock().unwrap();
        state.waiting += 1;
        state.most = state.most.max(state.waiting);
        Self(api.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().waiting -= 1;
    }
}

impl State {
    fn read(&self, path: &str, query: &str) -> Option<Value> {
        if let Some(object) = self.objects.get(path) {
            return Some(object.clone());
        }
        let (prefix, plural) = path.rsplit_once('/')?;
        if !PLURALS.contains(&plural) {
            return None;
        }
        let is_listed = |at: &str, object: &Value| {
            let (collection, _) = at.rsplit_once('/').unwrap_or_default();
            let (root, kind) = collection.rsplit_once('/').unwrap_or_default();
            let is_under = root == prefix || root.starts_with(&format!("{prefix}/namespaces/"));
            is_under && kind == plural && is_selected(object, query)
        };
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(at, o)| is_listed(at, o))
            .map(|(_, o)| o)
            .collect();
        Some(
            json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "100"}, "items": items}),
        )
    }

    fn review(&self, mut review: Value) -> Value {
        let (user, verb, resource) = asked(&review);
        let wild = resource
            .split_once('/')
            .map(|(resource, _)| format!("{user} {verb} {resource}/*"));
        let exact = format!("{user} {verb} {resource}");
        let allowed = self
            .grants
            .iter()
            .any(|g| *g == exact || Some(g) == wild.as_ref());
        review["status"] = json!({"allowed": allowed});
        review
    }
}

const PLURALS: &[&str] = &[
    "permits",
    "approvals",
    "permittemplates",
    "namespaces",
    "configmaps",
    "secrets",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "controllerrevisions",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
    "pods",
    "horizontalpodautoscalers",
];

/// The one field selector that is used.
fn is_selected(object: &Value, query: &str) -> bool {
    let about = query
        .split('&')
        .find_map(|q| q.strip_prefix("fieldSelector="));
    let name = about.and_then(|a| a.strip_prefix("spec.permitRef.name%3D"));
    name.is_none_or(|name| object["spec"]["permitRef"]["name"] == name)
}

fn asked(review: &Value) -> (String, String, String) {
    let text = |pointer: &str| {
        let found = review.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let at = "/spec/resourceAttributes";
    let mut resource = text(&format!("{at}/resource"));
    let sub = text(&format!("{at}/subresource"));
    if !sub.is_empty() {
        resource = format!("{resource}/{sub}");
    }
    (text("/spec/user"), text(&format!("{at}/verb")), resource)
}

fn told(method: &Method, path: &str, body: &Value) -> String {
    if path.ends_with("/subjectaccessreviews") {
        let (user, verb, resource) = asked(body);
        return format!("REVIEW {user} {verb} {resource}");
    }
    format!("{method} {path}")
}

fn path_of(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, name) = (text("/apiVersion"), text("/metadata/name"));
    let root = if version == "v1" {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{version}")
    };
    let plural = format!("{}s", text("/kind").to_lowercase());
    match text("/metadata/namespace") {
        "" => format!("{root}/{plural}/{name}"),
        namespace => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
    }
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn respond(code: u16, body: &Value) -> Response<Body> {
    let body = Body::from(body.to_string().into_bytes());
    Response::builder().status(code).body(body).unwrap()
}
