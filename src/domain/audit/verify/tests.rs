//! Every kind of damage to an export is found, and at the right line.

mod any;

use std::collections::BTreeMap;

use super::*;
use crate::domain::audit::{
    Actor, ActorKind, Draft, Personal, PseudonymKey, RecordType, Stamp, Subject, payload_line,
    seal, trailer_line,
};

const LOG: &str = "permits";

/// An export of records `from..=to`, as lines without their ends; every fourth payload is erased.
fn export(from: u64, to: u64) -> Vec<Vec<u8>> {
    let key = PseudonymKey::new([7; 32]);
    let (mut head, mut prev, mut lines) = (Head::genesis(LOG), Head::genesis(LOG), Vec::new());
    for seq in 1..=to {
        if seq == from {
            prev = head;
        }
        let salt = [u8::try_from(seq).unwrap(); 32];
        let time = format!("2026-11-22T09:00:{seq:02}Z").parse().unwrap();
        let stamp = Stamp {
            log: LOG,
            time,
            salt,
            pseudonyms: &key,
            operator_version: "0.1.0",
        };
        let actor = Actor {
            name: format!("alice-{seq}"),
            kind: ActorKind::Person,
        };
        let draft = Draft::new(
            RecordType::Transition,
            actor,
            Subject::default(),
            format!("key-{seq}"),
        );
        let sealed = seal(&draft, &stamp, &head).unwrap();
        let body: BTreeMap<String, String> = serde_json::from_slice(&sealed.payload).unwrap();
        let personal = (seq % 4 != 0).then_some(Personal { salt, body });
        if seq >= from {
            lines.push(sealed.line);
            lines.push(payload_line(LOG, seq, personal).unwrap());
        }
        head = sealed.head;
    }
    if from > to {
        prev = head;
    }
    let log = LOG.to_owned();
    let trailer = Trailer {
        log,
        records: to + 1 - from,
        from,
        to,
        prev: prev.hash,
        head: head.hash,
    };
    lines.push(trailer_line(&trailer).unwrap());
    lines
}

fn file(lines: &[Vec<u8>]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| line.iter().copied().chain([b'\n']))
        .collect()
}

/// The record that line `at` of an export from record `from` concerns; none for the trailer.
fn owner(lines: &[Vec<u8>], from: u64, at: usize) -> Option<u64> {
    (at + 1 < lines.len()).then(|| from + at as u64 / 2)
}

#[track_caller]
fn check(lines: &[Vec<u8>], line: usize, seq: Option<u64>, why: &Fault) {
    let broken = verify(&file(lines), None).unwrap_err();
    assert_eq!(
        (broken.line, broken.seq, &broken.why),
        (line, seq, why),
        "{broken}"
    );
}

#[test]
fn a_whole_export_verifies() {
    let verified = verify(&file(&export(1, 5)), None).unwrap();
    assert_eq!(
        (verified.records, verified.from, verified.head.seq),
        (5, 1, 5)
    );
    assert_eq!(verified.without_payload, 1);
    assert_eq!(verified.log, LOG);
    assert!(verified.first_time < verified.last_time);
}

#[test]
fn an_export_of_a_part_verifies() {
    let verified = verify(&file(&export(3, 5)), None).unwrap();
    assert_eq!(
        (verified.records, verified.from, verified.head.seq),
        (3, 3, 5)
    );
}

#[test]
fn an_export_without_records_verifies() {
    let verified = verify(&file(&export(1, 0)), None).unwrap();
    assert_eq!((verified.records, verified.head), (0, Head::genesis(LOG)));
    assert_eq!(verify(&file(&export(4, 3)), None).unwrap().head.seq, 3);
}

#[test]
fn an_altered_record_is_named() {
    let mut lines = export(1, 5);
    let text = String::from_utf8(lines[4].clone()).unwrap();
    lines[4] = text.replace("Person", "persoN").into_bytes();
    check(&lines, 5, Some(3), &Fault::Altered);
}

#[test]
fn the_last_record_is_vouched_for_by_the_trailer() {
    let mut lines = export(1, 5);
    let text = String::from_utf8(lines[8].clone()).unwrap();
    lines[8] = text.replace("key-5", "key-6").into_bytes();
    check(&lines, 9, Some(5), &Fault::Altered);
}

#[test]
fn an_altered_link_is_not_blamed_on_the_record_before() {
    let mut lines = export(1, 5);
    let other = Hash::of(b"other").to_string();
    let text = String::from_utf8(lines[4].clone()).unwrap();
    let at = text.find("\"prev\":\"").unwrap() + 8;
    lines[4] = format!("{}{other}{}", &text[..at], &text[at + other.len()..]).into_bytes();
    check(&lines, 5, Some(3), &Fault::Altered);
}

#[test]
fn dropped_records_are_numbered() {
    let mut lines = export(1, 6);
    lines.drain(4..8);
    check(&lines, 5, Some(3), &Fault::Missing { first: 3, last: 4 });
}

#[test]
fn dropped_records_at_the_end_are_numbered() {
    let mut lines = export(1, 6);
    lines.drain(8..12);
    check(&lines, 9, Some(5), &Fault::Missing { first: 5, last: 6 });
}

#[test]
fn a_dropped_payload_is_not_an_erased_one() {
    let mut lines = export(1, 5);
    lines.remove(5);
    check(&lines, 6, Some(3), &Fault::PayloadMissing);
}

#[test]
fn a_foreign_payload_is_named() {
    let mut lines = export(1, 5);
    let body = BTreeMap::from([("actor".to_owned(), "mallory".to_owned())]);
    lines[5] = payload_line(
        LOG,
        3,
        Some(Personal {
            salt: [3; 32],
            body,
        }),
    )
    .unwrap();
    check(&lines, 6, Some(3), &Fault::PayloadAltered);
}

#[test]
fn swapped_records_are_named() {
    let mut lines = export(1, 5);
    lines.swap(2, 6);
    lines.swap(3, 7);
    check(&lines, 3, Some(2), &Fault::Swapped);
}

#[test]
fn a_doubled_record_is_named() {
    let mut lines = export(1, 5);
    lines.insert(4, lines[2].clone());
    lines.insert(5, lines[3].clone());
    check(&lines, 5, Some(2), &Fault::Doubled);
}

#[test]
fn a_second_record_with_the_same_number_is_inserted() {
    let mut lines = export(1, 5);
    let text = String::from_utf8(lines[2].clone()).unwrap();
    lines.insert(4, text.replace("key-2", "key-x").into_bytes());
    lines.insert(5, lines[3].clone());
    check(&lines, 5, Some(2), &Fault::Inserted);
}

#[test]
fn a_record_of_another_log_is_named() {
    let mut lines = export(1, 5);
    let text = String::from_utf8(lines[4].clone()).unwrap();
    lines[4] = text.replace("\"permits\"", "\"grants!\"").into_bytes();
    check(&lines, 5, Some(3), &Fault::OtherLog("grants!".to_owned()));
}

#[test]
fn a_record_of_another_version_is_named() {
    let mut lines = export(1, 5);
    let text = String::from_utf8(lines[4].clone()).unwrap();
    lines[4] = text.replace("\"v\":1", "\"v\":2").into_bytes();
    check(&lines, 5, Some(3), &Fault::Version(2));
}

#[test]
fn an_export_without_a_trailer_was_cut() {
    let mut lines = export(1, 5);
    lines.pop();
    check(&lines, 11, Some(6), &Fault::Cut);
    check(&[], 1, Some(1), &Fault::Cut);
}

#[test]
fn a_trailer_cannot_claim_another_beginning() {
    let mut lines = export(1, 1);
    let head = Hash::of(lines[0].as_slice());
    let log = LOG.to_owned();
    let forged = Trailer {
        log,
        records: 0,
        from: 1,
        to: 0,
        prev: head,
        head,
    };
    lines = vec![trailer_line(&forged).unwrap()];
    check(&lines, 1, None, &Fault::Trailer);
}

#[test]
fn a_history_that_was_written_anew_does_not_meet_its_anchor() {
    let file = file(&export(1, 5));
    let head = verify(&file, None).unwrap().head;
    assert!(verify(&file, Some(&head)).is_ok());
    assert!(verify(&file, Some(&Head::genesis(LOG))).is_ok());
    let other = Head {
        seq: 3,
        hash: head.hash,
    };
    assert_eq!(
        verify(&file, Some(&other)).unwrap_err().why,
        Fault::Unexpected
    );
    let ahead = Head {
        seq: 9,
        hash: head.hash,
    };
    assert_eq!(verify(&file, Some(&ahead)).unwrap_err().seq, Some(9));
}
