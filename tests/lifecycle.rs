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

/// Each phase, and where each event leads from there; what is not listed means nothing there.
const DESIGN: &str = "
    Requested: Accepted InReview, Refused Rejected, Cancelled Cancelled
    InReview: Refused Rejected, ChangesAsked ChangesRequested, QuorumMet Approved, WindowClosed Expired, Cancelled Cancelled
    ChangesRequested: Edited InReview, WindowClosed Expired, Cancelled Cancelled
    Approved: Edited InReview, QuorumLost InReview, IssueDue Issued, WindowClosed Expired, Revoked Revoked, Cancelled Cancelled
    Issued: ChangeStored Executing, WindowClosed Expired, Revoked Revoked, Cancelled Cancelled
    Executing: RolledOut Validating, Revoked Revoked
    Validating: SoakPassed Closed, Revoked Revoked
    Closed:
    Rejected:
    Expired:
    Revoked:
    Cancelled:
";

/// Where the design says that an event leads from a phase, as a word.
fn designed(from: Phase, event: Event) -> Option<&'static str> {
    let mut rows = DESIGN.lines().filter_map(|row| row.trim().split_once(':'));
    let (_, steps) = rows.find(|(phase, _)| *phase == from.as_str()).unwrap();
    let mut steps = steps
        .split(',')
        .filter_map(|step| step.trim().split_once(' '));
    steps
        .find(|(word, _)| *word == format!("{event:?}"))
        .map(|(_, to)| to)
}

#[test]
fn every_pair_leads_where_the_design_says_exhaustive() {
    for from in Phase::ALL {
        for event in Event::ALL {
            let reached = next(*from, event);
            assert_eq!(
                reached.ok().map(Phase::as_str),
                designed(*from, event),
                "{from} on {event:?}"
            );
            let refused = Err(IllegalTransition { from: *from, event });
            assert!(reached.is_ok() || reached == refused);
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
    assert!(!after.contains(BEGIN), "README.md has the block twice");
    let drawn = mermaid();
    golden::assert_golden(
        "README.md",
        &format!("{before}{BEGIN}\n```mermaid\n{drawn}```\n{END}{after}"),
    );
}
