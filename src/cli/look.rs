//! How things look in a terminal: marks, colours, and the lines of a tree.
//!
//! Never colour alone: every mark is an icon and stands beside a word. Whether colours are shown is decided where
//! they are printed.

use crate::api::vocabulary::Phase;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Met, passed, done.
    Good,
    /// Failed, denied, ended badly.
    Bad,
    /// Under way.
    Running,
    /// Waits for somebody or for a time.
    Waiting,
    /// Needs attention.
    Warning,
    /// Not yet, or not asked.
    Neutral,
    /// Cannot be told.
    Unknown,
}

/// Which characters and whether colours may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether the terminal takes more than ASCII.
    pub(super) unicode: bool,
    /// Whether colour codes are written at all.
    pub(super) colour: bool,
}

impl Look {
    /// The mark as it is printed.
    pub(super) fn mark(self, mark: Mark) -> String {
        let (unicode, ascii, code) = match mark {
            Mark::Good => ("✔", "+", "32"),
            Mark::Bad => ("✖", "x", "31"),
            Mark::Running => ("◌", "~", "34"),
            Mark::Waiting => ("◷", "o", "35"),
            Mark::Warning => ("⚠", "!", "33"),
            Mark::Neutral => ("•", "-", "2"),
            Mark::Unknown => ("?", "?", "2"),
        };
        let icon = if self.unicode { unicode } else { ascii };
        if self.colour {
            format!("\u{1b}[{code}m{icon}\u{1b}[0m")
        } else {
            icon.to_owned()
        }
    }

    /// The line between two stages.
    pub(super) const fn dash(self) -> &'static str {
        if self.unicode { "──" } else { "--" }
    }

    /// What stands before a row of a tree; the last row closes it.
    pub(super) const fn branch(self, last: bool) -> &'static str {
        match (self.unicode, last) {
            (true, false) => "├──",
            (true, true) => "└──",
            (false, false) => "|--",
            (false, true) => "`--",
        }
    }
}

/// The mark of a phase.
pub(super) const fn phase_mark(phase: Option<Phase>) -> Mark {
    match phase {
        Some(Phase::Closed | Phase::Approved) => Mark::Good,
        Some(Phase::Executing | Phase::Validating) => Mark::Running,
        Some(Phase::Requested | Phase::InReview | Phase::Issued) => Mark::Waiting,
        Some(Phase::ChangesRequested) => Mark::Warning,
        Some(Phase::Rejected | Phase::Revoked) => Mark::Bad,
        Some(Phase::Expired | Phase::Cancelled) => Mark::Neutral,
        None => Mark::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Mark; 7] = [
        Mark::Good,
        Mark::Bad,
        Mark::Running,
        Mark::Waiting,
        Mark::Warning,
        Mark::Neutral,
        Mark::Unknown,
    ];

    #[test]
    fn without_unicode_every_mark_is_ascii() {
        let plain = Look {
            unicode: false,
            colour: false,
        };
        assert!(MARKS.iter().all(|mark| plain.mark(*mark).is_ascii()));
        assert!(
            plain.branch(true).is_ascii()
                && plain.branch(false).is_ascii()
                && plain.dash().is_ascii()
        );
    }

    #[test]
    fn without_colour_no_escape_is_written() {
        let plain = Look {
            unicode: true,
            colour: false,
        };
        assert!(
            MARKS
                .iter()
                .all(|mark| !plain.mark(*mark).contains('\u{1b}'))
        );
    }

    #[test]
    fn every_mark_has_its_own_icon_in_either_character_set() {
        for unicode in [true, false] {
            let look = Look {
                unicode,
                colour: false,
            };
            let icons: std::collections::BTreeSet<_> =
                MARKS.iter().map(|mark| look.mark(*mark)).collect();
            assert_eq!(icons.len(), MARKS.len());
        }
    }
}
