//! The lifecycle: every pair of phase and event, and the diagram in the README.
//!
//! The list below is written out by hand from the design, so that an edit of the table is an edit of two places.
#![cfg(test)]

#[path = "support/golden.rs"]
mod golden;

use std::fs;
use std::path::Path;

use permit_operator::api::vocabulary::Phase;
use permit_operator::domain::lifecycle::{Event, IllegalTransition, TRANSITIONS, mermaid, next};

const BEGIN: &str = "<!-- lifecycle -->";
const END: &str = "<!-- /lifecycle -->";

/// Where each event leads from a phase, in the events' declared order; `None` where it means nothing.
const fn row(from: Phase) -> [Option<Phase>; 13] {
    use Phase::{
        Approved, Cancelled, ChangesRequested, Closed, Executing, Expired, InReview, Issued,
        Rejected, Requested, Revoked, Validating,
    };
    // Accepted, Refused, ChangesAsked, Edited, QuorumMet, QuorumLost, IssueDue, ChangeStored, RolledOut, SoakPassed,
    // WindowClosed, Revoked, Cancelled
    let n = None;
    match from {
        Requested => [
            Some(InReview),
            Some(Rejected),
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            Some(Cancelled),
        ],
        InReview => [
            n,
            Some(Rejected),
            Some(ChangesRequested),
            n,
            Some(Approved),
            n,
            n,
            n,
            n,
            n,
            Some(Expired),
            n,
            Some(Cancelled),
        ],
        ChangesRequested => [
            n,
            n,
            n,
            Some(InReview),
            n,
            n,
            n,
            n,
            n,
            n,
            Some(Expired),
            n,
            Some(Cancelled),
        ],
        Approved => [
            n,
            n,
            n,
            Some(InReview),
            n,
            Some(InReview),
            Some(Issued),
            n,
            n,
            n,
            Some(Expired),
            Some(Revoked),
            Some(Cancelled),
        ],
        Issued => [
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            Some(Executing),
            n,
            n,
            Some(Expired),
            Some(Revoked),
            Some(Cancelled),
        ],
        Executing => [
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            n,
            Some(Validating),
            n,
            n,
            Some(Revoked),
            n,
        ],
        Validating => [n, n, n, n, n, n, n, n, n, Some(Closed), n, Some(Revoked), n],
        Closed | Rejected | Expired | Revoked | Cancelled => [n; 13],
    }
}

#[test]
fn every_pair_leads_where_the_design_says_exhaustive() {
    for from in Phase::ALL {
        for (event, to) in Event::ALL.into_iter().zip(row(*from)) {
            let expected = to.ok_or(IllegalTransition { from: *from, event });
            assert_eq!(next(*from, event), expected, "{from} on {event:?}");
        }
    }
    assert_eq!(Phase::ALL.len() * Event::ALL.len(), 156);
}

#[test]
fn the_diagram_draws_every_transition_once() {
    let drawn = mermaid();
    for (from, event, to) in TRANSITIONS {
        assert_eq!(
            drawn
                .matches(&format!("    {from} --> {to}: {event:?}\n"))
                .count(),
            1
        );
    }
}

#[test]
fn the_diagram_in_the_readme_is_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has the block");
    let (_, after) = rest.split_once(END).expect("the block has its end");
    let drawn = mermaid();
    golden::assert_golden(
        "README.md",
        &format!("{before}{BEGIN}\n```mermaid\n{drawn}```\n{END}{after}"),
    );
}
