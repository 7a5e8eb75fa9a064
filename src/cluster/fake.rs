//! A few objects behind a client, for tests: versions, conflicts and refusals as an API server answers them.
//!
//! Keeps what is written under its path and counts writes. Knows no kinds, no validation and no watches.

use axum::http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    writes: usize,
    failing: Option<u16>,
}

/// The objects, shared by all clients made from it.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// A client that talks to these objects.
    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        Client::new(service, "permit-system")
    }

    /// The object at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    /// Changes an object behind everybody's back.
    pub(crate) fn change(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.get(path).unwrap();
        edit(&mut object);
        self.0.lock().unwrap().store(path, object);
    }

    /// Deletes an object.
    pub(crate) fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// Answers everything with this code from now on.
    pub(crate) fn fail_with(&self, code: u16) {
        self.0.lock().unwrap().failing = Some(code);
    }

    /// How many writes came.
    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let (code, answer) = self
            .0
            .lock()
            .unwrap()
            .handle(&head.method, head.uri.path(), body);
        let status = StatusCode::from_u16(code).unwrap();
        Response::builder()
            .status(status)
            .body(Body::from(serde_json::to_vec(&answer).unwrap()))
            .unwrap()
    }
}

impl State {
    fn handle(&mut self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        if let Some(code) = self.failing {
            return refusal(code);
        }
        if method == Method::GET {
            return self
                .objects
                .get(path)
                .map_or_else(|| refusal(404), |object| (200, object.clone()));
        }
        self.writes += 1;
        if method == Method::POST {
            let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
            return if self.objects.contains_key(&path) {
                refusal(409)
            } else {
                (201, self.store(&path, body))
            };
        }
        let old = self.objects.get(path).cloned();
        if method == Method::PATCH {
            // Server-side apply of the whole object: what is not named stays.
            let mut merged = old.unwrap_or_else(|| json!({}));
            merge(&mut merged, body);
            return (200, self.store(path, merged));
        }
        match old {
            None => refusal(404),
            Some(old)
                if old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] =>
            {
                refusal(409)
            }
            Some(_) => (200, self.store(path, body)),
        }
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        // Lists of named items are maps to the API server.
        (Value::Array(into), Value::Array(from))
            if from.iter().all(|item| item["name"].is_string()) =>
        {
            for item in from {
                match into.iter_mut().find(|old| old["name"] == item["name"]) {
                    Some(old) => merge(old, item),
                    None => into.push(item),
                }
            }
        }
        (into, from) => *into = from,
    }
}

fn refusal(code: u16) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        403 => "Forbidden",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused", "reason": reason, "code": code,
    });
    (code, status)
}
