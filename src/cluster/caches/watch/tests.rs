//! A watch that is broken, late or early.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Request, Response};
use futures::stream;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::ObjectMeta;
use kube::client::Body;
use serde_json::json;

use super::*;

fn map(version: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            namespace: Some("shop".into()),
            name: Some("a".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn version(map: &ConfigMap) -> Read<String> {
    Read {
        keys: Vec::new(),
        value: map.metadata.resource_version.clone(),
    }
}

fn watch(client: Client, patience: Duration) -> Watch<ConfigMap, String> {
    Watch {
        name: "maps",
        api: Api::all(client),
        config: watcher::Config::default(),
        patience,
        shelf: Arc::default(),
        read: Box::new(version),
        concerns: Box::new(|_| Vec::new()),
    }
}

/// A client whose first lists are answered by `first`: a code, or never.
fn late(first: Option<u16>, times: usize) -> Client {
    let asked = Arc::new(AtomicUsize::new(0));
    let service = tower::service_fn(move |request: Request<Body>| {
        let nth = asked.fetch_add(1, Ordering::SeqCst);
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|q| q.contains("watch=true"));
        async move {
            let body = if nth < times {
                let Some(code) = first else {
                    return std::future::pending().await;
                };
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code})
            } else if is_watch {
                return std::future::pending().await;
            } else {
                json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})
            };
            let code = if nth < times {
                first.unwrap_or(500)
            } else {
                200
            };
            let answer = Response::builder().status(code);
            answer.body(Body::from(body.to_string().into_bytes()))
        }
    });
    Client::new(service, "permit-system")
}

async fn fills(watch: Watch<ConfigMap, String>) {
    let mut filled = watch.shelf.filled();
    tokio::select! {
        () = watch.run(Due::default()) => panic!("a watch runs for ever"),
        filled = filled.wait_for(|f| *f) => assert!(filled.is_ok()),
        () = sleep(Duration::from_mins(1)) => panic!("never filled"),
    }
}

#[tokio::test]
async fn a_kind_that_is_not_served_yet_is_asked_for_again() {
    fills(watch(late(Some(404), 3), LIST_LIMIT)).await;
}

#[tokio::test]
async fn a_list_without_an_answer_is_asked_anew() {
    fills(watch(late(None, 2), Duration::from_millis(20))).await;
}

#[tokio::test]
async fn what_changed_while_the_watch_was_broken_is_named_when_it_can_be_found() {
    let mut watch = watch(late(None, 0), LIST_LIMIT);
    let due = Due::default();
    let (_listener, _dues) = due.listen();
    let found = Arc::new(Mutex::new(Vec::new()));
    let (shelf, finds) = (Arc::clone(&watch.shelf), Arc::clone(&found));
    watch.concerns = Box::new(move |t| {
        finds.lock().unwrap().push(shelf.get(&t.namespace, &t.name));
        Vec::new()
    });
    let list = |version| [Event::Init, Event::InitApply(map(version)), Event::InitDone];
    let gone = [Event::Init, Event::InitDone];
    let events = list("1")
        .into_iter()
        .chain(list("1"))
        .chain(list("2"))
        .chain(gone);
    let events = stream::iter(events.map(Ok));
    let ended = watch
        .follow(events, (&due, &mut Trouble::new("maps")))
        .await;
    assert_eq!(ended, "the watch ended");
    let found = found.lock().unwrap();
    assert_eq!(*found, [Some("1".to_owned()), Some("2".to_owned()), None]);
}

#[test]
fn pauses_grow_to_a_bound_and_begin_anew_when_the_trouble_is_over() {
    let mut trouble = Trouble::new("maps");
    let (first, longest) = PAUSES;
    assert!(trouble.pause("no") <= first);
    for _ in 0..100 {
        assert!(trouble.pause("no") <= longest);
    }
    assert!(trouble.pause("no") > first);
    trouble.is_over();
    assert!(trouble.pause("no") <= first);
}

#[test]
fn a_watch_that_fails_again_and_again_says_so_once_in_a_while() {
    let mut trouble = Trouble::new("maps");
    for _ in 0..5 {
        trouble.pause("no");
    }
    assert_eq!(trouble.untold, 4);
}
