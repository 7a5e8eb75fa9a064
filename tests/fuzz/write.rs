//! Writes: one mutation in each of the ways in which the API server takes it, as a dry run that stores nothing.
//!
//! Knows HTTP and how lists are merged by name. Does not know what the answer means.

use anyhow::{Context as _, Result};
use http::Request;
use kube::Client;
use kube::client::Body;
use permit_operator::domain::verdict_line::{VerdictLine, parse};
use serde_json::{Value, json};

use crate::stand::Kind;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Update,
    Merge,
    Json,
    Strategic,
    Apply,
}

impl Style {
    pub(crate) const ALL: [Self; 5] = [
        Self::Update,
        Self::Merge,
        Self::Json,
        Self::Strategic,
        Self::Apply,
    ];
}

/// What the API server said.
pub(crate) enum Answer {
    /// It would be stored so, and this is what the gate said, if it was asked.
    Stored(Box<Value>, Option<VerdictLine>),
    /// It is refused, by whatever rule of the API server.
    Refused(String),
}

/// Adds what is in `sparse` to an object; lists of named things name by name, others by replacing them.
pub(crate) fn merged(mut object: Value, sparse: &Value) -> Value {
    match (&mut object, sparse) {
        (Value::Object(members), Value::Object(more)) => {
            for (key, value) in more {
                let before = members.remove(key).unwrap_or(Value::Null);
                members.insert(key.clone(), merged(before, value));
            }
            object
        }
        (Value::Array(list), Value::Array(more)) if more.iter().all(|m| m["name"].is_string()) => {
            for value in more {
                match list.iter_mut().find(|known| known["name"] == value["name"]) {
                    Some(known) => *known = merged(known.take(), value),
                    None => list.push(value.clone()),
                }
            }
            object
        }
        _ => sparse.clone(),
    }
}

/// Writes `sparse` over what stands there, without storing it.
pub(crate) async fn rehearse(
    client: &Client,
    (kind, sub): (&Kind, &str),
    (style, before, sparse): (Style, &Value, &Value),
) -> Result<Answer> {
    let whole = merged(before.clone(), sparse);
    let (method, content, body) = match style {
        Style::Update => ("PUT", "application/json", whole),
        Style::Merge => (
            "PATCH",
            "application/merge-patch+json",
            part(&whole, sparse),
        ),
        Style::Json => (
            "PATCH",
            "application/json-patch+json",
            json_patch(&whole, sparse),
        ),
        Style::Strategic => (
            "PATCH",
            "application/strategic-merge-patch+json",
            sparse.clone(),
        ),
        Style::Apply => {
            let mut applied = sparse.clone();
            applied["apiVersion"] = kind.version.into();
            applied["kind"] = kind.word.into();
            applied["metadata"] = merged(json!({"name": kind.name()}), &sparse["metadata"]);
            ("PATCH", "application/apply-patch+yaml", applied)
        }
    };
    let apply = if style == Style::Apply {
        "&force=true"
    } else {
        ""
    };
    let url = format!("{}{sub}?dryRun=All&fieldManager=fuzz{apply}", kind.path());
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", content);
    let request = request.body(Body::from(serde_json::to_vec(&body)?))?;
    let response = client.send(request).await.context("dry run")?;
    let is_stored = response.status().is_success();
    let warnings = response.headers().get_all("warning").iter();
    let lines = warnings
        .filter_map(|w| parse(text(w.to_str().ok()?)?))
        .collect::<Vec<_>>();
    let bytes = response.into_body().collect_bytes().await?;
    if !is_stored {
        return Ok(Answer::Refused(
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
    Ok(Answer::Stored(
        Box::new(serde_json::from_slice(&bytes)?),
        lines.into_iter().next(),
    ))
}

/// The text of a warning: `299 - "TEXT"`.
fn text(header: &str) -> Option<&str> {
    header.strip_prefix("299 - \"")?.strip_suffix('"')
}

/// The top members that the mutation touches, whole.
fn part(whole: &Value, sparse: &Value) -> Value {
    let keys = sparse
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    keys.map(|key| (key.clone(), whole[key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn json_patch(whole: &Value, sparse: &Value) -> Value {
    let keys = sparse
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    keys.map(|key| json!({"op": "add", "path": format!("/{key}"), "value": whole[key]}))
        .collect()
}
