//! Which line is to blame, and for what, when a line is not the one that must come next?
//!
//! Looks back at what was read and ahead at what follows. Does not know how the walk goes on: it ends here.

use super::{Walk, broken};
use crate::domain::audit::export::{Line, Payload, read};
use crate::domain::audit::{Broken, Fault, Hash, Link, Trailer};

impl Walk<'_> {
    /// What a record is that does not follow from the one before it.
    pub(super) fn misplaced(&self, at: usize, link: &Link, expected: u64) -> Broken {
        if link.seq < expected {
            let why = if self.is_known(link) {
                Fault::Doubled
            } else {
                Fault::Inserted
            };
            return broken(at, Some(link.seq), why);
        }
        if link.seq == expected {
            let is_first = self.hashes.is_empty();
            return if self.is_vouched_for(at, link.hash) && !is_first {
                broken(self.last, Some(expected.saturating_sub(1)), Fault::Altered)
            } else {
                broken(at, Some(expected), Fault::Altered)
            };
        }
        if self.comes_later(
            at,
            |line| matches!(line, Line::Record(later) if later.seq == expected),
        ) {
            return broken(at, Some(expected), Fault::Swapped);
        }
        let why = Fault::Missing {
            first: expected,
            last: link.seq.saturating_sub(1),
        };
        broken(at, Some(expected), why)
    }

    /// A record stands where a payload should.
    pub(super) fn record_too_soon(&self, at: usize, link: &Link, owner: u64) -> Broken {
        if self.is_known(link) {
            broken(at, Some(link.seq), Fault::Doubled)
        } else {
            self.absent_payload(at, owner)
        }
    }

    pub(super) fn absent_payload(&self, at: usize, seq: u64) -> Broken {
        let is_later = self.comes_later(
            at,
            |line| matches!(line, Line::Payload(later) if later.seq == seq),
        );
        broken(
            at,
            Some(seq),
            if is_later {
                Fault::Swapped
            } else {
                Fault::PayloadMissing
            },
        )
    }

    /// A payload stands where a record should.
    pub(super) fn stray_payload(&self, at: usize, payload: &Payload) -> Broken {
        let expected = self.next();
        if self.comes_later(
            at,
            |line| matches!(line, Line::Record(later) if later.seq == expected),
        ) {
            return broken(at, Some(expected), Fault::Swapped);
        }
        if payload.seq < expected {
            return broken(at, Some(payload.seq), Fault::Doubled);
        }
        broken(
            at,
            Some(expected),
            Fault::Missing {
                first: expected,
                last: payload.seq,
            },
        )
    }

    /// A trailer stands before the end. If it closes what was read, whatever follows it is too much.
    pub(super) fn early_trailer(&self, at: usize, trailer: &Trailer, owner: Option<u64>) -> Broken {
        if owner.is_some()
            || self.next() != trailer.to.saturating_add(1)
            || self.prev != Some(trailer.head)
        {
            return broken(
                at,
                Some(owner.unwrap_or_else(|| self.next())),
                Fault::Swapped,
            );
        }
        let after = at.saturating_add(1);
        match self.body.get(after).map(|line| read(line)) {
            Some(Ok(Line::Record(link))) if self.is_known(&link) => {
                broken(after, Some(link.seq), Fault::Doubled)
            }
            Some(Ok(Line::Payload(payload))) => broken(after, Some(payload.seq), Fault::Doubled),
            Some(Ok(Line::Trailer(_))) | None if self.trailer.is_some() => {
                broken(after, None, Fault::Doubled)
            }
            _ => broken(after, Some(self.next()), Fault::Inserted),
        }
    }

    /// Whether this very record was read before.
    fn is_known(&self, link: &Link) -> bool {
        link.seq
            .checked_sub(self.from)
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| self.hashes.get(place))
            .is_some_and(|hash| *hash == link.hash)
    }

    /// Whether the next record after line `at`, or the trailer, carries this hash.
    pub(super) fn is_vouched_for(&self, at: usize, hash: Hash) -> bool {
        let next = self
            .body
            .iter()
            .skip(at.saturating_add(1))
            .map(|line| read(line))
            .find_map(|line| match line {
                Ok(Line::Record(link)) => Some(link.prev),
                Ok(Line::Trailer(trailer)) => Some(trailer.head),
                Ok(Line::Payload(_)) | Err(_) => None,
            });
        next.or_else(|| self.trailer.as_ref().map(|trailer| trailer.head)) == Some(hash)
    }

    fn comes_later(&self, at: usize, is_it: impl Fn(&Line) -> bool) -> bool {
        self.body
            .iter()
            .skip(at.saturating_add(1))
            .any(|line| read(line).is_ok_and(|line| is_it(&line)))
    }
}
