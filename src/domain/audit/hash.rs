//! The hash that chains lines, and the head of a chain.
//!
//! Knows SHA-256 and its one spelling, `sha256:` and 64 lower-case hexadecimal digits. Does not know what is hashed.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256:";

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of two parts, one after the other.
    pub fn of_both(first: &[u8], second: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update(first)
                .chain_update(second)
                .finalize()
                .into(),
        )
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash with these raw bytes, if they are as many as a hash has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    /// Reads the one spelling: a second one would be a second line with the same meaning.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WANTED: &str = "not a hash: want `sha256:` and 64 lower-case hexadecimal digits";
        let digits = text.strip_prefix(PREFIX).ok_or(WANTED)?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(WANTED);
        }
        let mut raw = [0; 32];
        hex::decode_to_slice(digits, &mut raw).map_err(|_| WANTED)?;
        Ok(Self(raw))
    }
}

/// The last record of a log and its hash. An empty log has `seq` 0 and the hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Place of the last record.
    pub seq: u64,
    /// Hash of its line.
    pub hash: Hash,
}

impl Head {
    /// The head of a log that has no records.
    pub fn genesis(log: &str) -> Self {
        Self {
            seq: 0,
            hash: Hash::of(log.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = Hash::of(b"permits");
        assert_eq!(Hash::try_from(hash.to_string()), Ok(hash));
        assert!(Hash::try_from(hash.to_string().to_uppercase()).is_err());
        assert!(Hash::try_from(hash.to_string().replacen('a', "A", 2)).is_err());
        assert!(Hash::try_from("sha256:00".to_owned()).is_err());
    }

    #[test]
    fn an_empty_log_has_the_hash_of_its_name() {
        assert_eq!(
            Head::genesis("abc").hash.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
