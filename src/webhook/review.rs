//! AdmissionReview v1, in and out.
//!
//! The answer is built as a denial; one place turns it into an admission. Knows nothing of what is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::permit::Identity;
use crate::domain::gate::line;

/// The longest first line of a denial, in bytes.
const FIRST_LINE: usize = 160;
/// The longest denial, in bytes.
const WHOLE: usize = 1000;
/// What stands where lines were left out.
const MORE: &str = "\n  ...";
/// The extra under which the API server tells the credential of whoever writes.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// What the API server sends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) request: Option<Request>,
}

/// What is about to be stored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) uid: String,
    pub(super) resource: Resource,
    #[serde(default)]
    pub(super) sub_resource: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    pub(super) operation: String,
    pub(super) user_info: User,
    pub(super) object: Option<Value>,
    pub(super) old_object: Option<Value>,
    #[serde(default)]
    pub(super) dry_run: Option<bool>,
}

/// The resource that is written.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Resource {
    #[serde(default)]
    pub(super) group: String,
    pub(super) resource: String,
}

/// Who writes.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) uid: Option<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Whether the API server knows the credential that they came with; of someone impersonated it knows none.
    pub(super) fn has_credential(&self) -> bool {
        let ids = self.extra.get(CREDENTIAL_ID);
        ids.is_some_and(|ids| ids.iter().any(|id| !id.is_empty()))
    }
}

impl Request {
    /// Who writes, as it is stamped: groups in order, nothing of the token.
    pub(super) fn identity(&self) -> Identity {
        let mut groups = self.user_info.groups.clone();
        groups.sort();
        groups.dedup();
        Identity {
            username: self.user_info.username.clone(),
            uid: self.user_info.uid.clone().filter(|u| !u.is_empty()),
            groups,
        }
    }

    /// The object's name; on deletion of a collection it stands in the old object only.
    pub(super) fn object_name(&self) -> String {
        let named = |o: &Option<Value>| {
            o.as_ref()?
                .pointer("/metadata/name")?
                .as_str()
                .map(str::to_owned)
        };
        if self.name.is_empty() {
            named(&self.object)
                .or_else(|| named(&self.old_object))
                .unwrap_or_default()
        } else {
            self.name.clone()
        }
    }

    /// Takes out what was stored and what will be: nothing after a deletion, whatever the review carries.
    pub(super) fn take_objects(&mut self) -> (Option<Value>, Option<Value>) {
        let new = self.object.take().filter(|_| self.operation != "DELETE");
        (self.old_object.take(), new)
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }
}

/// The answer to one review.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    allowed: bool,
    message: String,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) patch: Option<Value>,
}

impl Answer {
    /// A denial with its message, whose first line stands alone.
    pub(super) fn deny(message: impl AsRef<str>) -> Self {
        Self {
            message: bounded(message.as_ref()),
            ..Self::default()
        }
    }

    /// The one place that admits.
    pub(super) fn admit() -> Self {
        Self {
            allowed: true,
            ..Self::default()
        }
    }

    /// Adds a warning: one line without control characters, or it vanishes.
    pub(super) fn warn(mut self, text: &str) -> Self {
        self.warnings.push(line(text));
        self
    }

    pub(super) fn annotate(mut self, key: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    pub(super) const fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// The review that goes back. Always 403 when denied: on 422 and 409 `kubectl apply --force` deletes the object.
    pub(super) fn render(self, uid: &str) -> Value {
        let mut response = Rendered {
            uid: uid.to_owned(),
            allowed: self.allowed,
            status: None,
            warnings: self.warnings,
            audit_annotations: self.annotations,
            patch_type: None,
            patch: None,
        };
        if !self.allowed {
            response.status = Some(serde_json::json!({
                "status": "Failure", "code": 403, "reason": "Forbidden", "message": self.message,
            }));
        }
        if let Some(patch) = self.patch.filter(|_| self.allowed) {
            response.patch_type = Some("JSONPatch");
            response.patch = Some(base64(patch.to_string().as_bytes()));
        }
        serde_json::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rendered {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Value>,
}

/// A message in its bounds: lines without control characters, as many as fit, each whole or cut at a character.
fn bounded(message: &str) -> String {
    let mut lines = message.lines().map(without_control);
    let mut text = cut(&lines.next().unwrap_or_default(), FIRST_LINE).to_owned();
    for line in lines {
        let left = WHOLE.saturating_sub(text.len() + MORE.len() + 1);
        if left < line.len() {
            text.push_str(MORE);
            break;
        }
        text.push('\n');
        text.push_str(&line);
    }
    text
}

fn without_control(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The wire form of bytes, by the type that Kubernetes itself uses for them.
fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_bounded_whole_and_line_by_line() {
        let long = format!(
            "Code: {}\n{}",
            "ä".repeat(200),
            "  a\u{7}line\n".repeat(300)
        );
        let told = bounded(&long);
        let first = told.lines().next().unwrap();
        assert!(
            first.len() <= FIRST_LINE && told.len() <= WHOLE,
            "{}",
            told.len()
        );
        assert!(told.lines().all(|l| !l.chars().any(char::is_control)));
        assert!(
            told.ends_with("\n  ..."),
            "it says that something was left out"
        );
        assert_eq!(bounded("Code: why\n  next"), "Code: why\n  next");
    }

    #[test]
    fn a_denial_is_always_a_403() {
        let rendered = Answer::deny("Code: why").render("u");
        assert_eq!(rendered["response"]["allowed"], false);
        assert_eq!(rendered["response"]["status"]["code"], 403);
        assert_eq!(rendered["response"]["status"]["reason"], "Forbidden");
    }

    #[test]
    fn a_denial_patches_nothing() {
        let mut answer = Answer::deny("Code: why");
        answer.patch = Some(serde_json::json!([{"op": "remove", "path": "/spec"}]));
        assert!(answer.render("u")["response"].get("patch").is_none());
    }
}
