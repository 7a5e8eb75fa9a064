//! Writes the canonical JSON (RFC 8785) of a value straight into a hash.
//!
//! Byte for byte what `serde_json_canonicalizer` writes, without its buffers: a gate digests several specs for each
//! decision. Does not know what is digested, nor which members are left out.

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// Integers up to here are written the same by every reader of JSON (RFC 8785, section 3.2.2.3).
const EXACT: u64 = 1 << 53;

/// Which members of an object are written.
pub(super) trait Members: Copy {
    /// Whether this member is.
    fn keeps(self, key: &str, value: &Value) -> bool;

    /// An integer that canonical JSON would round to a double.
    fn inexact(self, hash: &mut Sha256, number: &Number) -> serde_json::Result<()>;
}

/// Every member, as it stands: for types of our own.
#[derive(Clone, Copy)]
pub(super) struct Every;

/// All but null ones, which count as absent ones, as they do to the API server.
#[derive(Clone, Copy)]
pub(super) struct Present;

impl Members for Every {
    fn keeps(self, _: &str, _: &Value) -> bool {
        true
    }

    fn inexact(self, hash: &mut Sha256, number: &Number) -> serde_json::Result<()> {
        serde_json_canonicalizer::to_writer(number, hash)
    }
}

impl Members for Present {
    fn keeps(self, _: &str, value: &Value) -> bool {
        !value.is_null()
    }

    /// As a double two of them could share a digest.
    fn inexact(self, hash: &mut Sha256, number: &Number) -> serde_json::Result<()> {
        hash.update("{\"integer\":");
        text(hash, &number.to_string())?;
        hash.update("}");
        Ok(())
    }
}

/// Writes an object with the members that `top` keeps; what is inside loses its null members.
pub(super) fn object_but(
    hash: &mut Sha256,
    map: &Map<String, Value>,
    top: impl Fn(&str, &Value) -> bool,
) -> serde_json::Result<()> {
    object(hash, map, (Present, top))
}

/// Writes a value.
pub(super) fn value(
    hash: &mut Sha256,
    value: &Value,
    members: impl Members,
) -> serde_json::Result<()> {
    match value {
        Value::Null => hash.update("null"),
        Value::Bool(true) => hash.update("true"),
        Value::Bool(false) => hash.update("false"),
        Value::Number(found) => return number(hash, found, members),
        Value::String(found) => return text(hash, found),
        Value::Array(list) => return array(hash, list, members),
        Value::Object(map) => {
            return object(
                hash,
                map,
                (members, |key: &str, inner: &Value| {
                    members.keeps(key, inner)
                }),
            );
        }
    }
    Ok(())
}

fn object<M: Members>(
    hash: &mut Sha256,
    map: &Map<String, Value>,
    (members, keeps): (M, impl Fn(&str, &Value) -> bool),
) -> serde_json::Result<()> {
    let kept = map.iter().filter(|(key, inner)| keeps(key, inner));
    if is_ordered(map) {
        return each(hash, kept, members);
    }
    let mut sorted: Vec<_> = kept.collect();
    sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    each(hash, sorted.into_iter(), members)
}

/// Whether the members stand in canonical order: by UTF-16, which differs from ours only beyond plain characters.
fn is_ordered(map: &Map<String, Value>) -> bool {
    map.keys()
        .is_sorted_by(|a, b| a.encode_utf16().lt(b.encode_utf16()))
}

fn each<'a>(
    hash: &mut Sha256,
    kept: impl Iterator<Item = (&'a String, &'a Value)>,
    members: impl Members,
) -> serde_json::Result<()> {
    hash.update("{");
    for (at, (key, inner)) in kept.enumerate() {
        if at > 0 {
            hash.update(",");
        }
        text(hash, key)?;
        hash.update(":");
        value(hash, inner, members)?;
    }
    hash.update("}");
    Ok(())
}

fn array(hash: &mut Sha256, list: &[Value], members: impl Members) -> serde_json::Result<()> {
    hash.update("[");
    for (at, inner) in list.iter().enumerate() {
        if at > 0 {
            hash.update(",");
        }
        value(hash, inner, members)?;
    }
    hash.update("]");
    Ok(())
}

/// The escapes of plain JSON are the canonical ones.
fn text(hash: &mut Sha256, text: &str) -> serde_json::Result<()> {
    serde_json::to_writer(hash, text)
}

fn number(hash: &mut Sha256, number: &Number, members: impl Members) -> serde_json::Result<()> {
    match size(number) {
        Some(size) if size <= EXACT => serde_json::to_writer(hash, number),
        Some(_) => members.inexact(hash, number),
        None => serde_json_canonicalizer::to_writer(number, hash),
    }
}

/// The size of an integer; none of a number with a fraction.
fn size(number: &Number) -> Option<u64> {
    let negative = || number.as_i64().map(i64::unsigned_abs);
    number.as_u64().or_else(negative)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::change::fixture::{any_json, any_template};

    /// A value without its null members, as the digest sees it.
    fn stripped(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.iter().filter(|(_, inner)| !inner.is_null());
                Value::Object(kept.map(|(k, v)| (k.clone(), stripped(v))).collect())
            }
            Value::Array(list) => list.iter().map(stripped).collect(),
            other => other.clone(),
        }
    }

    fn ours(value: &Value, members: impl Members) -> Vec<u8> {
        let mut hash = Sha256::new();
        super::value(&mut hash, value, members).unwrap();
        hash.finalize().to_vec()
    }

    #[track_caller]
    fn agrees(value: &Value) {
        let whole = serde_json_canonicalizer::to_vec(value).unwrap();
        let present = serde_json_canonicalizer::to_vec(&stripped(value)).unwrap();
        let told = String::from_utf8_lossy(&whole).into_owned();
        assert_eq!(
            ours(value, Every),
            Sha256::digest(&whole).to_vec(),
            "{told}"
        );
        assert_eq!(
            ours(value, Present),
            Sha256::digest(&present).to_vec(),
            "{told}"
        );
    }

    #[test]
    fn an_integer_beyond_a_double_is_rounded_in_our_own_types_only() {
        let large = json!({"n": u64::MAX});
        let rounded = serde_json_canonicalizer::to_vec(&large).unwrap();
        assert_eq!(ours(&large, Every), Sha256::digest(&rounded).to_vec());
        assert_ne!(ours(&large, Present), ours(&large, Every));
    }

    #[test]
    fn every_sort_of_value_is_written_as_the_canonicalizer_does() {
        agrees(
            &json!({"b": [1, -7, 0, null, true], "a": {"z": null, "y": false}, "": {}, "l": []}),
        );
        agrees(&json!([
            1.5,
            -0.0,
            1e21,
            1e-7,
            0.1,
            100.0,
            9_007_199_254_740_992_u64
        ]));
        agrees(&json!([
            "\u{0}\u{1f}\u{7f}\u{8}\u{c}\n\r\t\"\\/",
            "ä€\u{10ffff}",
            ""
        ]));
    }

    #[test]
    fn members_are_ordered_by_utf_16_and_not_by_bytes() {
        // U+FB33 stands after U+1F600 in UTF-16 and before it in UTF-8.
        agrees(&json!({"\u{fb33}": 1, "\u{1f600}": 2, "a": 3}));
        agrees(
            &json!({"\u{20ac}": 1, "\r": 2, "1": 3, "\u{80}": 4, "\u{f6}": 5, "\n": {"\u{1f600}": 6, "\u{fb33}": 7}}),
        );
    }

    proptest! {
        #[test]
        fn any_value_is_written_as_the_canonicalizer_does(value in any_json(), template in any_template()) {
            agrees(&value);
            agrees(&template);
        }

        #[test]
        fn any_text_and_any_double_too(key in ".*", text in ".*", double in any::<f64>(), whole in -(1i64 << 53)..(1i64 << 53)) {
            agrees(&json!({key: [text, double, whole]}));
        }
    }
}
