//! Is an export whole, and if not, which line is the first that is wrong?
//!
//! A record's bytes are vouched for by the next record, the last one's by the trailer. So when a link is broken, the
//! line after tells which of the two was altered: the one that nobody vouches for. Does not know who signed what;
//! that the whole file was not written anew is what `anchor` (a head seen elsewhere) is for.

mod blame;
mod end;

use k8s_openapi::jiff::Timestamp;

use super::export::{Line, Payload, read};
use super::{Broken, Fault, Hash, Head, Link, Trailer};

/// What a whole export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Name of the log.
    pub log: String,
    /// How many records.
    pub records: u64,
    /// The first record.
    pub from: u64,
    /// The last record and its hash.
    pub head: Head,
    /// When the first record was appended.
    pub first_time: Option<Timestamp>,
    /// When the last record was appended.
    pub last_time: Option<Timestamp>,
    /// Records whose payload was erased or withheld.
    pub without_payload: u64,
}

/// Checks an export, and that its history holds `anchor`. Names the first line that is wrong.
pub fn verify(file: &[u8], anchor: Option<&Head>) -> Result<Verified, Broken> {
    let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let partial = lines.pop_if(|line| !line.ends_with(b"\n")).is_some();
    let lines: Vec<&[u8]> = lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
        .collect();
    let (body, trailer) = match lines.split_last() {
        Some((last, body)) if !partial => match read(last) {
            Ok(Line::Trailer(trailer)) => (body, Some(trailer)),
            Ok(Line::Record(_) | Line::Payload(_)) | Err(_) => (lines.as_slice(), None),
        },
        _ => (lines.as_slice(), None),
    };
    let mut walk = Walk::new(body, trailer);
    for at in 0..body.len() {
        walk.step(at)?;
    }
    walk.end()?;
    walk.meet(anchor)?;
    Ok(walk.verified())
}

/// A record that was read and waits for its payload.
struct Owner {
    at: usize,
    link: Link,
}

/// The way through an export, line by line.
struct Walk<'a> {
    body: &'a [&'a [u8]],
    trailer: Option<Trailer>,
    log: String,
    /// The first record's number.
    from: u64,
    /// The hash before the next record.
    prev: Option<Hash>,
    /// Line of the last record.
    last: usize,
    /// The hashes of all records so far.
    hashes: Vec<Hash>,
    owner: Option<Owner>,
    times: Option<(Timestamp, Timestamp)>,
    without_payload: u64,
}

impl<'a> Walk<'a> {
    fn new(body: &'a [&'a [u8]], trailer: Option<Trailer>) -> Self {
        // The trailer says where the file begins, wherever it stands; without it the first record is believed.
        let first = body.first().and_then(|line| read(line).ok());
        let (log, from, prev) = match (&trailer, first) {
            (Some(trailer), _) => (trailer.log.clone(), trailer.from, Some(trailer.prev)),
            (None, Some(Line::Trailer(trailer))) => (trailer.log, trailer.from, Some(trailer.prev)),
            (None, Some(Line::Record(link))) => (link.log, link.seq, Some(link.prev)),
            (None, Some(Line::Payload(_)) | None) => (String::new(), 1, None),
        };
        let prev = if from == 1 {
            Some(Head::genesis(&log).hash)
        } else {
            prev
        };
        Self {
            body,
            trailer,
            log,
            from,
            prev,
            last: 0,
            hashes: Vec::new(),
            owner: None,
            times: None,
            without_payload: 0,
        }
    }

    /// The number that the next record must have.
    fn next(&self) -> u64 {
        self.from
            .saturating_add(u64::try_from(self.hashes.len()).unwrap_or(u64::MAX))
    }

    /// The record that the next line concerns.
    fn awaited(&self) -> u64 {
        self.owner
            .as_ref()
            .map_or_else(|| self.next(), |owner| owner.link.seq)
    }

    fn step(&mut self, at: usize) -> Result<(), Broken> {
        let line = self.body.get(at).copied().unwrap_or_default();
        let read = read(line).map_err(|why| {
            let seq = (why != Fault::Trailer).then(|| self.awaited());
            broken(at, seq, why)
        })?;
        match (read, self.owner.take()) {
            (Line::Record(next), None) => self.record(at, next),
            (Line::Payload(payload), Some(owner)) => self.payload(at, &payload, &owner),
            (Line::Record(next), Some(owner)) => {
                Err(self.record_too_soon(at, &next, owner.link.seq))
            }
            (Line::Payload(payload), None) => Err(self.stray_payload(at, &payload)),
            (Line::Trailer(trailer), owner) => {
                Err(self.early_trailer(at, &trailer, owner.map(|o| o.link.seq)))
            }
        }
    }

    fn record(&mut self, at: usize, link: Link) -> Result<(), Broken> {
        let expected = self.next();
        if link.log != self.log {
            return Err(broken(at, Some(expected), Fault::OtherLog(link.log)));
        }
        let is_linked = self.prev.is_none_or(|prev| prev == link.prev);
        if link.seq == expected && is_linked {
            self.times = Some((self.times.map_or(link.time, |times| times.0), link.time));
            self.hashes.push(link.hash);
            self.prev = Some(link.hash);
            self.last = at;
            self.owner = Some(Owner { at, link });
            return Ok(());
        }
        if is_linked {
            return Err(broken(at, Some(expected), Fault::Altered));
        }
        Err(self.misplaced(at, &link, expected))
    }

    fn payload(&mut self, at: usize, payload: &Payload, owner: &Owner) -> Result<(), Broken> {
        let seq = owner.link.seq;
        if payload.seq != seq {
            return Err(self.absent_payload(at, seq));
        }
        if payload.log != self.log {
            return Err(broken(at, Some(seq), Fault::PayloadAltered));
        }
        match payload.hash {
            None => self.without_payload = self.without_payload.saturating_add(1),
            Some(hash) if hash == owner.link.payload_hash => {}
            Some(_) if self.is_vouched_for(at, owner.link.hash) => {
                return Err(broken(at, Some(seq), Fault::PayloadAltered));
            }
            Some(_) => return Err(broken(owner.at, Some(seq), Fault::Altered)),
        }
        Ok(())
    }

    fn verified(self) -> Verified {
        let records = u64::try_from(self.hashes.len()).unwrap_or(u64::MAX);
        let seq = self.next().saturating_sub(1);
        let hash = self.prev.unwrap_or_else(|| Head::genesis(&self.log).hash);
        Verified {
            records,
            from: self.from,
            head: Head { seq, hash },
            first_time: self.times.map(|times| times.0),
            last_time: self.times.map(|times| times.1),
            without_payload: self.without_payload,
            log: self.log,
        }
    }
}

/// A fault at a line counted from 0.
fn broken(at: usize, seq: Option<u64>, why: Fault) -> Broken {
    Broken {
        line: at.saturating_add(1),
        seq,
        why,
    }
}

#[cfg(test)]
mod tests;
