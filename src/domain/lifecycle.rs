//! The lifecycle of a permit: which event leads from which phase to which.
//!
//! The table is the whole truth; whatever it does not list is illegal. Knows nothing of why an event happened.

use std::fmt::Write as _;

use thiserror::Error;

use crate::api::vocabulary::Phase;

/// What can happen to a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Template, requester and spec are in order.
    Accepted,
    /// It can never proceed, or somebody who may said no.
    Refused,
    /// An approver asked for changes.
    ChangesAsked,
    /// The spec is another one than the one that was decided about.
    Edited,
    /// Enough of the right people said yes.
    QuorumMet,
    /// An approval that counted no longer does.
    QuorumLost,
    /// Everything that issuance waits for is there.
    IssueDue,
    /// A covered change was stored.
    ChangeStored,
    /// Every target's rollout is complete.
    RolledOut,
    /// The guard was content for the whole soak.
    SoakPassed,
    /// The window for what comes next has closed.
    WindowClosed,
    /// A person or the guard ended its power.
    Revoked,
    /// The requester ended it.
    Cancelled,
}

impl Event {
    /// Every event, in declared order.
    pub const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Refused,
        Self::ChangesAsked,
        Self::Edited,
        Self::QuorumMet,
        Self::QuorumLost,
        Self::IssueDue,
        Self::ChangeStored,
        Self::RolledOut,
        Self::SoakPassed,
        Self::WindowClosed,
        Self::Revoked,
        Self::Cancelled,
    ];
}

/// Every legal transition: from, event, to (`domain.md`, section 2).
pub const TRANSITIONS: &[(Phase, Event, Phase)] = &[
    (Phase::Requested, Event::Accepted, Phase::InReview),
    (Phase::Requested, Event::Refused, Phase::Rejected),
    (Phase::Requested, Event::Cancelled, Phase::Cancelled),
    (Phase::InReview, Event::QuorumMet, Phase::Approved),
    (
        Phase::InReview,
        Event::ChangesAsked,
        Phase::ChangesRequested,
    ),
    (Phase::InReview, Event::Refused, Phase::Rejected),
    (Phase::InReview, Event::WindowClosed, Phase::Expired),
    (Phase::InReview, Event::Cancelled, Phase::Cancelled),
    (Phase::ChangesRequested, Event::Edited, Phase::InReview),
    (Phase::ChangesRequested, Event::WindowClosed, Phase::Expired),
    (Phase::ChangesRequested, Event::Cancelled, Phase::Cancelled),
    (Phase::Approved, Event::IssueDue, Phase::Issued),
    (Phase::Approved, Event::Edited, Phase::InReview),
    (Phase::Approved, Event::QuorumLost, Phase::InReview),
    (Phase::Approved, Event::WindowClosed, Phase::Expired),
    (Phase::Approved, Event::Revoked, Phase::Revoked),
    (Phase::Approved, Event::Cancelled, Phase::Cancelled),
    (Phase::Issued, Event::ChangeStored, Phase::Executing),
    (Phase::Issued, Event::WindowClosed, Phase::Expired),
    (Phase::Issued, Event::Revoked, Phase::Revoked),
    (Phase::Issued, Event::Cancelled, Phase::Cancelled),
    (Phase::Executing, Event::RolledOut, Phase::Validating),
    (Phase::Executing, Event::Revoked, Phase::Revoked),
    (Phase::Validating, Event::SoakPassed, Phase::Closed),
    (Phase::Validating, Event::Revoked, Phase::Revoked),
];

/// An event that means nothing in its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no transition from {from} on {event:?}")]
pub struct IllegalTransition {
    /// The phase it was in.
    pub from: Phase,
    /// The event that came.
    pub event: Event,
}

/// The phase after `event`, or why there is none.
pub fn next(from: Phase, event: Event) -> Result<Phase, IllegalTransition> {
    TRANSITIONS
        .iter()
        .find(|(f, e, _)| *f == from && *e == event)
        .map(|(_, _, to)| *to)
        .ok_or(IllegalTransition { from, event })
}

/// The table as a Mermaid state diagram, for README and docs.
pub fn mermaid() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Requested\n");
    for (from, event, to) in TRANSITIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {from} --> {to}: {event:?}");
    }
    for phase in Phase::ALL.iter().filter(|p| p.is_terminal()) {
        let _ = writeln!(text, "    {phase} --> [*]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_phase_and_event_is_legal_exactly_where_the_table_says() {
        let mut legal = 0;
        for from in Phase::ALL {
            for event in Event::ALL {
                legal += usize::from(next(*from, event).is_ok());
            }
        }
        assert_eq!(legal, TRANSITIONS.len(), "a pair is listed twice");
        assert_eq!(Phase::ALL.len() * Event::ALL.len(), 156);
    }

    #[test]
    fn a_terminal_phase_absorbs_everything() {
        for from in Phase::ALL.iter().filter(|p| p.is_terminal()) {
            for event in Event::ALL {
                assert_eq!(
                    next(*from, event),
                    Err(IllegalTransition { from: *from, event })
                );
            }
        }
    }

    #[test]
    fn no_path_reaches_execution_without_issuance() {
        let into = |phase| {
            TRANSITIONS
                .iter()
                .filter(move |t| t.2 == phase)
                .map(|t| t.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(into(Phase::Executing), [Phase::Issued]);
        assert_eq!(into(Phase::Issued), [Phase::Approved]);
        assert_eq!(into(Phase::Approved), [Phase::InReview]);
        assert_eq!(into(Phase::Closed), [Phase::Validating]);
    }

    #[test]
    fn every_phase_that_is_not_at_rest_can_come_to_rest() {
        for phase in Phase::ALL.iter().filter(|p| !p.is_terminal()) {
            let mut seen = vec![*phase];
            let mut i = 0;
            while let Some(at) = seen.get(i).copied() {
                seen.extend(
                    TRANSITIONS
                        .iter()
                        .filter(|t| t.0 == at && !seen.contains(&t.2))
                        .map(|t| t.2)
                        .collect::<Vec<_>>(),
                );
                i += 1;
            }
            assert!(seen.iter().any(|p| p.is_terminal()), "{phase}");
        }
    }
}
