//! Digests: what makes two contents the same content?
//!
//! A digest is SHA-256 over a domain separator and the canonical JSON (RFC 8785) of a value, so that the order of
//! keys never matters and a digest of one sort of thing is never taken for one of another. Knows the two identities of
//! a workload, its spec and its pod template. Does not know which digest was permitted, or where one is kept.

mod write;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::kind::{self, Pods, word_of};
use write::{Every, Members as _, Present, object_but};

const SPEC: &str = "permit-operator/workload-spec/v1";
const TEMPLATE: &str = "permit-operator/pod-template/v1";
const POD: &str = "permit-operator/pod-spec/v1";
const CONTENT: &str = "permit-operator/object-content/v1";
const UNREADABLE: &str = "permit-operator/unreadable/v1";
const PREFIX: &str = "sha256:";

/// The SHA-256 of some content, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: write `sha256:` and 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl Digest {
    /// The digest as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(hash: Sha256) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(hash.finalize())))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotADigest)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() == 64 && digits.bytes().all(is_hex) {
            Ok(Self(text))
        } else {
            Err(NotADigest)
        }
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        Self::try_from(text.to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// The digest of a value under a domain separator: over the separator, a line feed and the canonical JSON.
///
/// For types of our own: string keys, no floats, and integers within ±2^53, which every field here is. What has no
/// JSON at all is digested as unreadable, under a separator of its own, and so equals the digest of no real content.
pub fn digest_of(domain_separator: &str, value: &impl Serialize) -> Digest {
    digest_with(domain_separator, |hash| {
        write::value(hash, &serde_json::to_value(value)?, Every)
    })
}

fn digest_with(
    domain_separator: &str,
    write: impl FnOnce(&mut Sha256) -> serde_json::Result<()>,
) -> Digest {
    let mut hash = Sha256::new();
    hash.update(domain_separator);
    hash.update("\n");
    match write(&mut hash) {
        Ok(()) => Digest::of(hash),
        Err(error) => Digest::of(Sha256::new_with_prefix(format!(
            "{UNREADABLE}\n{domain_separator}\n{error}"
        ))),
    }
}

/// The identity of what a workload runs: its spec without `replicas`, which are a matter of `Scale`.
///
/// `paused` stays in, and absent means false: a paused spec is not the baseline, and leaving pause leads back to it.
/// The restart annotation stays in as well, because a restart is an operation of its own. A null member counts as an
/// absent one, as it does to the API server. An object that has more than a spec, or something else, is digested with
/// all of it. There is none where there is neither, nor for a `Scale`.
pub fn spec_digest(object: &Value) -> Option<Digest> {
    if word_of(object) == "Scale" {
        return None;
    }
    let members = object.as_object()?;
    let is_more =
        |key: &str, value: &Value| Present.keeps(key, value) && key != "spec" && is_content(key);
    if members.iter().any(|(key, value)| is_more(key, value)) {
        return Some(digest_with(CONTENT, |hash| {
            object_but(hash, members, |key, value| {
                Present.keeps(key, value) && is_content(key)
            })
        }));
    }
    let spec = object.get("spec")?.as_object()?;
    let keeps = |key: &str, value: &Value| {
        Present.keeps(key, value)
            && key != "replicas"
            && !(key == "paused" && *value == Value::Bool(false))
    };
    Some(digest_with(SPEC, |hash| object_but(hash, spec, keeps)))
}

/// The identity of what the pods of a workload are: its pod template as the API server defaulted it.
///
/// A pod is its own template, by its spec. There is none where the object makes no pods.
pub fn template_digest(object: &Value) -> Option<Digest> {
    let digest = |template: &Value, keeps: fn(&str) -> bool| {
        let template = template.as_object()?;
        Some(digest_with(TEMPLATE, |hash| {
            object_but(hash, template, |key, value| {
                Present.keeps(key, value) && keeps(key)
            })
        }))
    };
    match kind::pods_of(word_of(object)) {
        Pods::Template(path) => digest(kind::at(object, path)?, |_| true),
        Pods::Itself => digest(object, |key| key == "spec"),
        Pods::Nowhere => None,
    }
}

/// The identity of a pod spec, wherever it stands: the same in a workload and in what its controller derives from it,
/// whose metadata differ.
pub fn pod_digest(spec: &Value) -> Option<Digest> {
    let spec = spec.as_object()?;
    Some(digest_with(POD, |hash| {
        object_but(hash, spec, |key, value| Present.keeps(key, value))
    }))
}

/// Whether a member of an object says what it is for, and not whose it is or how it stands.
fn is_content(member: &str) -> bool {
    !["apiVersion", "kind", "metadata", "status"].contains(&member)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn deployment(spec: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": spec})
    }

    #[test]
    fn a_digest_is_sha_256_over_separator_line_feed_and_canonical_json() {
        let expected = Sha256::digest("some/thing/v1\n{\"a\":1,\"b\":[1.5,\"ä\"]}");
        let digest = digest_of("some/thing/v1", &json!({"b": [1.50, "ä"], "a": 1}));
        assert_eq!(digest.as_str(), format!("sha256:{}", hex::encode(expected)));
    }

    #[test]
    fn t43_the_order_of_keys_does_not_matter_and_the_order_of_elements_does() {
        let parse = |text: &str| deployment(&serde_json::from_str(text).unwrap());
        let one = parse(r#"{"template": {"a": 1, "b": [1, 2]}, "selector": {}}"#);
        let two = parse(r#"{"selector": {}, "template": {"b": [1, 2], "a": 1}}"#);
        let three = parse(r#"{"selector": {}, "template": {"b": [2, 1], "a": 1}}"#);
        assert_eq!(spec_digest(&one), spec_digest(&two));
        assert_eq!(template_digest(&one), template_digest(&two));
        assert_ne!(template_digest(&one), template_digest(&three));
    }

    #[test]
    fn the_separator_keeps_sorts_of_content_apart() {
        assert_ne!(digest_of("a/v1", &1), digest_of("b/v1", &1));
    }

    #[test]
    fn replicas_are_not_part_of_the_spec_digest() {
        let three = deployment(&json!({"replicas": 3, "template": {}}));
        let none = deployment(&json!({"template": {}}));
        assert_eq!(spec_digest(&three), spec_digest(&none));
    }

    #[test]
    fn absent_paused_means_false_and_true_is_another_spec() {
        let absent = spec_digest(&deployment(&json!({"template": {}})));
        assert_eq!(
            spec_digest(&deployment(&json!({"template": {}, "paused": false}))),
            absent
        );
        assert_ne!(
            spec_digest(&deployment(&json!({"template": {}, "paused": true}))),
            absent
        );
    }

    #[test]
    fn a_key_named_like_one_left_out_still_counts_deeper_in_the_spec() {
        let plain = spec_digest(&deployment(&json!({"template": {}})));
        assert_ne!(
            spec_digest(&deployment(&json!({"template": {"replicas": 1}}))),
            plain
        );
        assert_ne!(
            spec_digest(&deployment(&json!({"template": {"paused": false}}))),
            plain
        );
    }

    #[test]
    fn a_restart_is_another_template() {
        let at = |time: &str| json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": time}}});
        let (one, two) = (
            deployment(&json!({"template": at("1")})),
            deployment(&json!({"template": at("2")})),
        );
        assert_ne!(template_digest(&one), template_digest(&two));
        assert_ne!(spec_digest(&one), spec_digest(&two));
    }

    #[test]
    fn a_null_member_is_an_absent_one_and_a_null_element_is_not() {
        let template = |value| template_digest(&deployment(&json!({"template": value})));
        assert_eq!(
            template(json!({"metadata": {"creationTimestamp": null}})),
            template(json!({"metadata": {}}))
        );
        assert_ne!(
            template(json!({"args": [null]})),
            template(json!({"args": []}))
        );
    }

    #[test]
    fn t05_a_null_member_beside_the_spec_is_an_absent_one() {
        let plain = deployment(&json!({"template": {}}));
        let mut with_null = plain.clone();
        with_null["data"] = Value::Null;
        assert_eq!(spec_digest(&with_null), spec_digest(&plain));
        with_null["data"] = json!({});
        assert_ne!(spec_digest(&with_null), spec_digest(&plain));
    }

    #[test]
    fn large_integers_that_a_double_cannot_tell_apart_have_different_digests() {
        let template =
            |value: i64| template_digest(&deployment(&json!({"template": {"runAsUser": value}})));
        assert_ne!(
            template(9_007_199_254_740_992),
            template(9_007_199_254_740_993)
        );
        assert_ne!(
            template(-9_007_199_254_740_993),
            template(9_007_199_254_740_993)
        );
        assert_ne!(template(i64::MAX), template(i64::MAX - 1));
    }

    #[test]
    fn an_object_without_spec_or_template_and_a_scale_have_no_digest() {
        assert_eq!(spec_digest(&json!({"kind": "Deployment"})), None);
        assert_eq!(spec_digest(&json!({"kind": "Scale", "spec": {}})), None);
        assert_eq!(template_digest(&deployment(&json!({"replicas": 1}))), None);
    }

    #[test]
    fn what_has_no_json_equals_no_real_content() {
        let no_json = BTreeMap::from([(vec![1], 1)]);
        assert_ne!(digest_of("a/v1", &no_json), digest_of("a/v1", &Value::Null));
        assert_ne!(digest_of("a/v1", &no_json), digest_of("a/v1", &json!({})));
    }

    #[test]
    fn a_digest_is_read_only_in_its_one_spelling() {
        let good = digest_of("a/v1", &1);
        assert_eq!(good.as_str().parse(), Ok(good.clone()));
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), good);
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            &good.as_str().to_uppercase(),
            &good.as_str()[7..],
            &format!("{good}0"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(NotADigest), "{bad}");
        }
        assert!(serde_json::from_str::<Digest>("\"sha256:xyz\"").is_err());
    }
}
