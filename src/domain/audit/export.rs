//! The lines of an export: records, payloads and the trailer, each JSON on one line.
//!
//! A record is followed by its payload's line, which stays (empty) when the payload was erased or withheld, so that a
//! lost line is seen. The trailer tells how many records there are and where the chain ends, so that a cut is seen.
//! Does not know where an export comes from or whether its records fit together.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FORMAT, Fault, Hash};

/// What the chain needs to know of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name of the log.
    pub log: String,
    /// Place in the log.
    pub seq: u64,
    /// When it was appended.
    pub time: Timestamp,
    /// Hash of the line before.
    pub prev: Hash,
    /// Hash of salt and payload.
    pub payload_hash: Hash,
    /// Hash of this line.
    pub hash: Hash,
}

/// A record's payload with its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// The salt.
    pub salt: [u8; 32],
    /// Names and comments.
    pub body: BTreeMap<String, String>,
}

/// The last line of an export: what the file holds. An export without records has `to` one below `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trailer {
    /// Name of the log.
    pub log: String,
    /// How many records.
    pub records: u64,
    /// The first record.
    pub from: u64,
    /// The last record.
    pub to: u64,
    /// The hash before the first record.
    pub prev: Hash,
    /// The hash of the last record.
    pub head: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadBody {
    log: String,
    seq: u64,
    salt: Option<String>,
    body: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct PayloadLine<'a> {
    v: u64,
    payload: &'a PayloadBody,
}

#[derive(Serialize)]
struct TrailerLine<'a> {
    v: u64,
    export: &'a Trailer,
    /// Hash of `export`: tells damage of the trailer from damage of the last record.
    digest: Hash,
}

/// A payload's line as it was read; nothing is in it when it was erased or withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) log: String,
    pub(super) seq: u64,
    pub(super) hash: Option<Hash>,
}

/// A line of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Record(Link),
    Payload(Payload),
    Trailer(Trailer),
}

/// Every field that tells the three kinds of line apart; what else a record says is covered by its hash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    v: u64,
    log: Option<String>,
    seq: Option<u64>,
    time: Option<Timestamp>,
    prev: Option<Hash>,
    payload_hash: Option<Hash>,
    payload: Option<PayloadBody>,
    export: Option<Trailer>,
}

#[derive(Deserialize)]
struct Version {
    v: Option<u64>,
}

/// The line of a payload; `None` when it was erased or is withheld.
pub fn payload_line(
    log: &str,
    seq: u64,
    personal: Option<Personal>,
) -> Result<Vec<u8>, serde_json::Error> {
    let (salt, body) = personal.map(|p| (hex::encode(p.salt), p.body)).unzip();
    let payload = PayloadBody {
        log: log.to_owned(),
        seq,
        salt,
        body,
    };
    serde_json_canonicalizer::to_vec(&PayloadLine {
        v: FORMAT,
        payload: &payload,
    })
}

/// The line of a trailer.
pub fn trailer_line(trailer: &Trailer) -> Result<Vec<u8>, serde_json::Error> {
    let digest = Hash::of(&serde_json_canonicalizer::to_vec(trailer)?);
    serde_json_canonicalizer::to_vec(&TrailerLine {
        v: FORMAT,
        export: trailer,
        digest,
    })
}

/// Reads what the chain needs from a record's line.
pub fn read_link(line: &[u8]) -> Result<Link, Fault> {
    match read(line)? {
        Line::Record(record) => Ok(record),
        Line::Payload(_) | Line::Trailer(_) => Err(Fault::NotARecord),
    }
}

/// Reads a line of any kind.
pub(super) fn read(line: &[u8]) -> Result<Line, Fault> {
    let Ok(shape) = serde_json::from_slice::<Shape>(line) else {
        return Err(unread(line));
    };
    match shape {
        Shape { v, .. } if v != FORMAT => Err(Fault::Version(v)),
        Shape {
            export: Some(trailer),
            ..
        } => read_trailer(line, trailer),
        Shape {
            payload: Some(payload),
            ..
        } => read_payload(line, payload),
        Shape {
            log: Some(log),
            seq: Some(seq),
            time: Some(time),
            prev: Some(prev),
            payload_hash: Some(payload_hash),
            ..
        } => Ok(Line::Record(Link {
            log,
            seq,
            time,
            prev,
            payload_hash,
            hash: Hash::of(line),
        })),
        _ => Err(Fault::NotARecord),
    }
}

/// Why a line could not be read.
fn unread(line: &[u8]) -> Fault {
    match serde_json::from_slice::<Version>(line) {
        Ok(Version { v: Some(v) }) if v != FORMAT => Fault::Version(v),
        Ok(_) => Fault::NotARecord,
        Err(error) if error.is_data() => Fault::NotARecord,
        Err(_) => Fault::NotJson,
    }
}

/// No hash covers the trailer's or a payload's own line, so only its one canonical spelling is taken.
fn read_trailer(line: &[u8], trailer: Trailer) -> Result<Line, Fault> {
    let is_itself = trailer_line(&trailer).is_ok_and(|written| written == line);
    let is_counted =
        trailer.from.checked_add(trailer.records) == trailer.to.checked_add(1) && trailer.from > 0;
    if is_itself && is_counted {
        Ok(Line::Trailer(trailer))
    } else {
        Err(Fault::Trailer)
    }
}

fn read_payload(line: &[u8], payload: PayloadBody) -> Result<Line, Fault> {
    let written = serde_json_canonicalizer::to_vec(&PayloadLine {
        v: FORMAT,
        payload: &payload,
    });
    if !written.is_ok_and(|written| written == line) {
        return Err(Fault::PayloadAltered);
    }
    let hash = match (&payload.salt, &payload.body) {
        (None, None) => None,
        (Some(salt), Some(body)) => Some(hash_payload(salt, body).ok_or(Fault::PayloadAltered)?),
        (None, Some(_)) | (Some(_), None) => return Err(Fault::PayloadAltered),
    };
    Ok(Line::Payload(Payload {
        log: payload.log,
        seq: payload.seq,
        hash,
    }))
}

fn hash_payload(salt: &str, body: &BTreeMap<String, String>) -> Option<Hash> {
    let mut raw = [0_u8; 32];
    hex::decode_to_slice(salt, &mut raw).ok()?;
    // Upper-case digits decode too, and would be a second spelling of the same salt.
    if hex::encode(raw) != salt {
        return None;
    }
    Some(Hash::of_both(
        &raw,
        &serde_json_canonicalizer::to_vec(body).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_version_says_so() {
        assert_eq!(read(br#"{"v":2,"seq":"other"}"#), Err(Fault::Version(2)));
        assert_eq!(read(br#"{"v":7}"#), Err(Fault::Version(7)));
    }

    #[test]
    fn a_line_that_is_nothing_of_ours_says_so() {
        assert_eq!(read(b"{\"v\":1"), Err(Fault::NotJson));
        assert_eq!(read(b""), Err(Fault::NotJson));
        assert_eq!(read(b"\xff\xfe"), Err(Fault::NotJson));
        assert_eq!(read(b"[1]"), Err(Fault::NotARecord));
        assert_eq!(read(br#"{"v":1,"seq":4}"#), Err(Fault::NotARecord));
        assert_eq!(read(br#"{"v":"1"}"#), Err(Fault::NotARecord));
    }

    #[test]
    fn an_erased_payload_leaves_its_line() {
        let line = payload_line("permits", 3, None).unwrap();
        assert_eq!(
            read(&line),
            Ok(Line::Payload(Payload {
                log: "permits".to_owned(),
                seq: 3,
                hash: None
            }))
        );
    }

    #[test]
    fn a_second_spelling_of_a_payload_is_refused() {
        let line = payload_line(
            "permits",
            3,
            Some(Personal {
                salt: [0xab; 32],
                body: BTreeMap::new(),
            }),
        )
        .unwrap();
        let text = String::from_utf8(line).unwrap();
        assert!(read(text.as_bytes()).is_ok());
        assert_eq!(
            read(text.replacen("ab", "AB", 1).as_bytes()),
            Err(Fault::PayloadAltered)
        );
        assert_eq!(
            read(format!("{text} ").as_bytes()),
            Err(Fault::PayloadAltered)
        );
    }

    #[test]
    fn a_trailer_that_miscounts_is_refused() {
        let hash = Hash::of(b"permits");
        let mut trailer = Trailer {
            log: "permits".to_owned(),
            records: 2,
            from: 1,
            to: 2,
            prev: hash,
            head: hash,
        };
        assert!(read(&trailer_line(&trailer).unwrap()).is_ok());
        trailer.records = 3;
        assert_eq!(read(&trailer_line(&trailer).unwrap()), Err(Fault::Trailer));
    }
}
