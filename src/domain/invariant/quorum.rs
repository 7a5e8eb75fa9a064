//! The quorum, counted a second time: by trying every seat, not by moving people along paths.
//!
//! Does not know phases.

use std::collections::BTreeSet;

use crate::api::template::ApprovalRule;
use crate::api::vocabulary::{Decision, Grant};
use crate::domain::quorum::Ballot;
use crate::domain::template::{Level, Template};
use crate::domain::world::World;

/// Whether enough distinct people in the right roles approve exactly this request now.
pub(super) fn is_met(world: &World) -> bool {
    let Some(Ok(template)) = world.revision.as_ref().map(|r| &r.template) else {
        return false;
    };
    if template.grant == Grant::Automatic {
        return true;
    }
    let seats: Vec<&ApprovalRule> = template
        .rules
        .iter()
        .flat_map(|rule| std::iter::repeat_n(rule, usize::try_from(rule.count).unwrap_or(0)))
        .collect();
    let votes: Vec<(&str, &str)> = world
        .ballots
        .iter()
        .filter(|ballot| is_vote(world, template, ballot))
        .filter_map(|ballot| Some((ballot.person.as_str(), ballot.role.as_deref()?)))
        .collect();
    !seats.is_empty() && fills(&seats, &votes, &mut BTreeSet::new())
}

fn is_vote(world: &World, template: &Template, ballot: &Ballot) -> bool {
    let at_digest = ballot.digest == Some(world.request.digest(&template.digest));
    let is_person =
        !ballot.person.is_empty() && !ballot.person.starts_with("system:serviceaccount:");
    let is_own = ballot.person == world.request.requester.username;
    let breaks_glass =
        template.level == Level::Emergency && ballot.rights.break_glass == Some(true);
    let is_nobodys_role = match template.level {
        Level::Numbered(0 | 1) => false,
        _ => ballot.rights.wildcard != Some(false),
    };
    let is_withdrawn = world.ballots.iter().any(|other| {
        other.decision == Decision::Withdraw
            && other.person == ballot.person
            && other.cast >= ballot.cast
    });
    ballot.decision == Decision::Approve
        && at_digest
        && is_person
        && (!is_own || breaks_glass)
        && ballot.rights.role == Some(true)
        && !is_nobodys_role
        && !is_withdrawn
}

/// Whether somebody who sits nowhere yet can be found for each seat.
fn fills<'a>(
    seats: &[&ApprovalRule],
    votes: &[(&'a str, &'a str)],
    seated: &mut BTreeSet<&'a str>,
) -> bool {
    let Some((seat, rest)) = seats.split_first() else {
        return true;
    };
    for (person, role) in votes {
        if seat.roles.iter().any(|r| r == role) && seated.insert(person) {
            if fills(rest, votes, seated) {
                return true;
            }
            seated.remove(person);
        }
    }
    false
}
