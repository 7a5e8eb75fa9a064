//! Does the walk end where the trailer says, and does it pass the anchor?
//!
//! Looks at the whole way once it is done. Does not read a line.

use super::{Walk, broken};
use crate::domain::audit::{Broken, Fault, Head};

impl Walk<'_> {
    pub(super) fn end(&self) -> Result<(), Broken> {
        let at = self.body.len();
        let Some(trailer) = &self.trailer else {
            return Err(broken(at, Some(self.awaited()), Fault::Cut));
        };
        if let Some(owner) = &self.owner {
            return Err(broken(at, Some(owner.link.seq), Fault::PayloadMissing));
        }
        let next = self.next();
        if next <= trailer.to {
            return Err(broken(
                at,
                Some(next),
                Fault::Missing {
                    first: next,
                    last: trailer.to,
                },
            ));
        }
        if next != trailer.to.saturating_add(1)
            || (trailer.from == 1 && trailer.prev != Head::genesis(&trailer.log).hash)
        {
            return Err(broken(at, None, Fault::Trailer));
        }
        if self.prev != Some(trailer.head) {
            let seq = (!self.hashes.is_empty()).then_some(trailer.to);
            return Err(broken(self.last, seq, Fault::Altered));
        }
        Ok(())
    }

    /// Whether the history holds a head that was seen elsewhere.
    pub(super) fn meet(&self, anchor: Option<&Head>) -> Result<(), Broken> {
        let Some(anchor) = anchor else { return Ok(()) };
        let before = self.from.saturating_sub(1);
        let place = anchor
            .seq
            .checked_sub(self.from)
            .and_then(|place| usize::try_from(place).ok());
        let here = match place {
            Some(place) => self.hashes.get(place).copied(),
            None if anchor.seq == before => self.trailer.as_ref().map(|trailer| trailer.prev),
            None => None,
        };
        if here == Some(anchor.hash) {
            return Ok(());
        }
        let line = place
            .map_or(0, |place| place.saturating_mul(2))
            .min(self.body.len());
        Err(broken(line, Some(anchor.seq), Fault::Unexpected))
    }
}
