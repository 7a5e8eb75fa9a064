//! A draft and its seal: what the caller says, and the chained line that becomes of it.
//!
//! Splits what may be chained from what names people: the actor's name, comments and the facts of a trace go to the
//! payload. Does not know which record came before (the head is given), the time, or where salt and key come from.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, Mac as _};
use k8s_openapi::jiff::Timestamp;
use sha2::Sha256;

use super::{ActorKind, FORMAT, Hash, Head, Pseudonym, Record, RecordType, Subject, Verdict};
use crate::api::vocabulary::Phase;

/// The longest text that a record keeps; an audit log must not be a way to fill a disk.
const MAX_TEXT: usize = 4096;
/// The most entries that a map or a trace keeps.
const MAX_ENTRIES: usize = 128;

/// Who did it, by name. The name reaches the payload and the pseudonym, never the chained line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The username or the operator's name.
    pub name: String,
    /// What kind of actor.
    pub kind: ActorKind,
}

/// One step of a trace. `because` may name people, so it goes to the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Name of the rule.
    pub rule: String,
    /// What it said.
    pub verdict: String,
    /// The fact, in words.
    pub because: String,
}

/// A record before it has a place: everything but log, number, time and chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What happened.
    pub kind: RecordType,
    /// Who did it.
    pub actor: Actor,
    /// The object that it happened to.
    pub subject: Subject,
    /// Digest of the permit that was decided on.
    pub permit_digest: Option<String>,
    /// The decision, in one word.
    pub decision: Option<String>,
    /// Identity of the decision.
    pub decision_id: Option<String>,
    /// The rules that were asked.
    pub trace: Vec<Ruling>,
    /// The phase that was left.
    pub from: Option<Phase>,
    /// The phase that was entered.
    pub to: Option<Phase>,
    /// The reason, in one word.
    pub reason: Option<String>,
    /// What makes a repeated append the same record.
    pub key: String,
    /// Lease transitions of the leader that writes.
    pub fence: u64,
    /// Paths, digests and numbers, chained.
    pub details: BTreeMap<String, String>,
    /// Names and comments: kept in the payload, erasable.
    pub personal: BTreeMap<String, String>,
}

impl Draft {
    /// A draft that says who did what kind of thing to which object, and is known by `key`.
    pub fn new(kind: RecordType, actor: Actor, subject: Subject, key: impl Into<String>) -> Self {
        Self {
            kind,
            actor,
            subject,
            permit_digest: None,
            decision: None,
            decision_id: None,
            trace: Vec::new(),
            from: None,
            to: None,
            reason: None,
            key: key.into(),
            fence: 0,
            details: BTreeMap::new(),
            personal: BTreeMap::new(),
        }
    }

    /// The payload: the actor's name, the facts of the trace, and what the caller marked as personal.
    fn payload(&self) -> BTreeMap<String, String> {
        let mut payload = clip_map(&self.personal);
        for (step, ruling) in self.trace.iter().take(MAX_ENTRIES).enumerate() {
            payload.insert(format!("trace.{step}"), clip(&ruling.because));
        }
        payload.insert("actor".to_owned(), clip(&self.actor.name));
        payload
    }
}

/// The key of the pseudonyms. Whoever has it can try names; whoever has not, cannot.
#[derive(Clone, PartialEq, Eq)]
pub struct PseudonymKey([u8; 32]);

impl PseudonymKey {
    /// The key with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A name's pseudonym: the same for the same name, and telling nothing without the key.
    pub fn pseudonym(&self, name: &str) -> String {
        let digest = self.mac(name.as_bytes());
        format!("p:{}", hex::encode(digest.get(..16).unwrap_or(&digest)))
    }

    /// A value that names the key without telling it, so that a store notices that another key came back.
    pub fn fingerprint(&self) -> String {
        hex::encode(Hash::of_both(b"permit pseudonym key\0", &self.0).as_bytes())
    }

    fn mac(&self, message: &[u8]) -> Vec<u8> {
        // A key of any length is taken, so the error cannot occur; an empty answer would only make names alike.
        Hmac::<Sha256>::new_from_slice(&self.0)
            .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
            .unwrap_or_default()
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(…)")
    }
}

/// What the store adds to a draft.
#[derive(Clone, Debug)]
pub struct Stamp<'a> {
    /// Name of the log.
    pub log: &'a str,
    /// The time now.
    pub time: Timestamp,
    /// Random bytes, new for each record: without them a short comment could be guessed from its hash.
    pub salt: [u8; 32],
    /// The key of the pseudonyms.
    pub pseudonyms: &'a PseudonymKey,
    /// Version of the operator.
    pub operator_version: &'a str,
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The chained line, without its line end.
    pub line: Vec<u8>,
    /// The head that the line makes.
    pub head: Head,
    /// Canonical JSON of the payload.
    pub payload: Vec<u8>,
}

/// Puts a draft behind a head. Fails only if a value cannot be written as JSON.
pub fn seal(draft: &Draft, stamp: &Stamp<'_>, head: &Head) -> Result<Sealed, serde_json::Error> {
    let payload = serde_json_canonicalizer::to_vec(&draft.payload())?;
    let seq = head.seq.saturating_add(1);
    let record = Record {
        v: FORMAT,
        log: stamp.log.to_owned(),
        seq,
        time: stamp.time,
        kind: draft.kind,
        actor: Pseudonym {
            person_pseudonym: stamp.pseudonyms.pseudonym(&draft.actor.name),
            kind: draft.actor.kind,
        },
        subject: draft.subject.clone(),
        permit_digest: draft.permit_digest.clone(),
        decision: draft.decision.clone(),
        decision_id: draft.decision_id.clone(),
        trace: verdicts(&draft.trace),
        from: draft.from,
        to: draft.to,
        reason: draft.reason.as_deref().map(clip),
        key: draft.key.clone(),
        fence: draft.fence,
        details: clip_map(&draft.details),
        payload_hash: Hash::of_both(&stamp.salt, &payload),
        operator_version: stamp.operator_version.to_owned(),
        prev: head.hash,
    };
    let line = serde_json_canonicalizer::to_vec(&record)?;
    let hash = Hash::of(&line);
    Ok(Sealed {
        line,
        head: Head { seq, hash },
        payload,
    })
}

fn verdicts(trace: &[Ruling]) -> Vec<Verdict> {
    trace
        .iter()
        .take(MAX_ENTRIES)
        .map(|ruling| Verdict {
            rule: clip(&ruling.rule),
            verdict: clip(&ruling.verdict),
        })
        .collect()
}

fn clip_map(map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.iter()
        .take(MAX_ENTRIES)
        .map(|(name, text)| (clip(name), clip(text)))
        .collect()
}

fn clip(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let kept = text
        .get(..text.floor_char_boundary(MAX_TEXT))
        .unwrap_or_default();
    format!("{kept}… ({} bytes in all)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let actor = Actor {
            name: "alice@example.org".to_owned(),
            kind: ActorKind::Person,
        };
        let subject = Subject {
            kind: "Permit".to_owned(),
            ns: "shop".to_owned(),
            ..Subject::default()
        };
        Draft::new(RecordType::Transition, actor, subject, "uid/1/issue")
    }

    fn sealed(draft: &Draft) -> Sealed {
        let key = PseudonymKey::new([7; 32]);
        let stamp = Stamp {
            log: "permits",
            time: "2026-11-22T09:00:00Z".parse().unwrap(),
            salt: [1; 32],
            pseudonyms: &key,
            operator_version: "0.1.0",
        };
        seal(draft, &stamp, &Head::genesis("permits")).unwrap()
    }

    #[test]
    fn no_name_and_no_comment_stands_in_a_chained_line() {
        let mut draft = draft();
        draft
            .personal
            .insert("comment".to_owned(), "bob asked me to".to_owned());
        draft.trace.push(Ruling {
            rule: "SeparationOfDuties".to_owned(),
            verdict: "Deny".to_owned(),
            because: "alice@example.org is the requester".to_owned(),
        });
        let sealed = sealed(&draft);
        let (line, payload) = (
            String::from_utf8(sealed.line).unwrap(),
            String::from_utf8(sealed.payload).unwrap(),
        );
        for word in ["alice", "bob"] {
            assert!(!line.contains(word), "{line}");
            assert!(payload.contains(word), "{payload}");
        }
        assert!(line.contains("SeparationOfDuties"));
    }

    #[test]
    fn a_line_is_canonical_and_reads_back_as_its_record() {
        let line = sealed(&draft()).line;
        let record: Record = serde_json::from_slice(&line).unwrap();
        assert_eq!(record.prev, Head::genesis("permits").hash);
        assert_eq!(record.seq, 1);
        assert_eq!(serde_json_canonicalizer::to_vec(&record).unwrap(), line);
    }

    #[test]
    fn a_name_has_one_pseudonym_for_one_key() {
        let (one, other) = (PseudonymKey::new([1; 32]), PseudonymKey::new([2; 32]));
        assert_eq!(one.pseudonym("alice"), one.pseudonym("alice"));
        assert_ne!(one.pseudonym("alice"), one.pseudonym("alicf"));
        assert_ne!(one.pseudonym("alice"), other.pseudonym("alice"));
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert!(!format!("{one:?}").contains('1'));
    }

    #[test]
    fn a_pseudonym_is_an_hmac() {
        // RFC 4231, test case 1: twenty bytes 0x0b; a shorter key is padded with zeros, so these are the same key.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            PseudonymKey::new(key).pseudonym("Hi There"),
            "p:b0344c61d8db38535ca8afceaf0bf12b"
        );
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let mut draft = draft();
        draft.details.insert("path".to_owned(), "ä".repeat(100_000));
        let line = sealed(&draft).line;
        assert!(line.len() < 2 * MAX_TEXT);
        assert!(
            String::from_utf8(line)
                .unwrap()
                .contains("(200000 bytes in all)")
        );
    }
}
