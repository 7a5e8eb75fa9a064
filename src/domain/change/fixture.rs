//! Objects that the tests of changes and scopes begin with, and random ones near them.
//!
//! Knows what the API server sends. Does not know what any test expects.

use proptest::prelude::*;
use serde_json::{Value, json};

/// A Deployment as the API server shows it, with two containers, an init container and an environment.
pub(crate) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "1", "labels": {"app": "checkout"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "checkout"}},
            "strategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"creationTimestamp": null, "labels": {"app": "checkout"}},
                "spec": {
                    "initContainers": [{"name": "init", "image": "shop/init:1"}],
                    "containers": [
                        {"name": "app", "image": "shop/checkout:1.4.2", "args": ["--serve"], "resources": {},
                         "env": [{"name": "TOKEN", "value": "hunter2"}, {"name": "MODE", "value": "live"}]},
                        {"name": "proxy", "image": "shop/proxy:2"},
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
        "status": {"replicas": 3},
    })
}

/// The Deployment with one place, as a JSON pointer, set to a value; null takes it away.
pub(crate) fn with(pointer: &str, value: impl Into<Value>) -> Value {
    set(deployment(), pointer, value)
}

/// The object with one place set; members on the way are made.
pub(crate) fn set(mut object: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let mut place = &mut object;
    for step in pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/"))
    {
        place = match place {
            Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
            Value::Object(members) => members.entry(step).or_insert(Value::Null),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                *place = json!({});
                &mut place[step]
            }
        };
    }
    *place = value.into();
    object
}

/// A `Scale` of the Deployment, written as the API server does: 0 replicas are left out.
pub(crate) fn scale(replicas: u32) -> Value {
    let spec = if replicas == 0 {
        json!({})
    } else {
        json!({"replicas": replicas})
    };
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "checkout", "namespace": "shop"},
           "spec": spec, "status": {"replicas": 3, "selector": "app=checkout"}})
}

/// Any JSON, of words that mean something in a pod template.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "name", "image", "app", "env", "args", "paused", "replicas", "x].image", "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The pod template of the Deployment with some of its places replaced by anything.
pub(crate) fn any_template() -> impl Strategy<Value = Value> {
    prop::collection::vec((0usize..40, any_json()), 0..3).prop_map(|edits| {
        edits.into_iter().fold(
            deployment()["spec"]["template"].take(),
            |mut template, (place, value)| {
                replace(&mut template, &mut place.clone(), &value);
                template
            },
        )
    })
}

/// Replaces the n-th value on the walk through a value.
fn replace(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    if *place > 1000 {
        return;
    }
    match value {
        Value::Array(list) => list
            .iter_mut()
            .for_each(|inner| replace(inner, place, with)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|inner| replace(inner, place, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
