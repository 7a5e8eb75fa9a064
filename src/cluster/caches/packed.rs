//! Packed: JSON in few bytes, for what is known in great number and looked at seldom.
//!
//! Decides how it is packed: LZ4 against a text that most of ours resemble. Does not know what the text says; what the
//! dictionary does not foresee is only packed less well.

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Permits as the API server shows them, in several phases.
const DICTIONARY: &[u8] = include_bytes!("packed/dictionary.txt");

/// JSON, packed.
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// What cannot be written is packed as nothing, which cannot be read.
    pub(super) fn of(value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).unwrap_or_default();
        Self(compress_prepend_size_with_dict(&json, DICTIONARY).into())
    }

    /// What it says, if it can be read.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let json = decompress_size_prepended_with_dict(&self.0, DICTIONARY).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_was_packed_is_read_again() {
        for value in [
            Value::Null,
            json!({"phase": "Issued", "summary": {"level": "2"}}),
            json!(["ä", "\u{7}"]),
        ] {
            assert_eq!(Packed::of(&value).read(), Some(value));
        }
    }

    #[test]
    fn what_resembles_the_dictionary_takes_a_tenth() {
        let text = std::str::from_utf8(DICTIONARY).unwrap();
        let status = text.lines().last().unwrap().replace("checkout", "cart");
        let status: Value = serde_json::from_str(&status.replace("20:00:00", "21:30:12")).unwrap();
        let Packed(packed) = Packed::of(&status);
        assert!(
            packed.len() * 10 < status.to_string().len(),
            "{}",
            packed.len()
        );
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        assert_eq!(Packed::of(&"a").read::<u8>(), None);
        assert_eq!(Packed([1, 2, 3, 4, 5, 6].into()).read::<Value>(), None);
    }
}
