//! Quorum: have enough of the right, distinct people said yes to this digest?
//!
//! Knows ballots and rules. Does not know Kubernetes; what access reviews said comes in with each ballot.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::request::is_service_account;
use super::template::{Level, Template};
use crate::api::vocabulary::{Decision, RevocationReason};

/// What the access reviews said about a ballot's caster, now. `None`: it could not be asked, which never counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// They hold the verb on `permits/ROLE`.
    pub role: Option<bool>,
    /// They hold it for a role that nobody is ever granted, or are in `system:masters` (threat row 33).
    pub wildcard: Option<bool>,
    /// They hold the verb `break-glass` on `permits/ROLE`.
    pub break_glass: Option<bool>,
}

/// One Approval object, as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// Name of the object.
    pub approval: String,
    /// The username that admission stamped.
    pub person: String,
    /// The groups that admission stamped; access reviews are asked with them.
    pub groups: Vec<String>,
    /// The role acted in.
    pub role: Option<String>,
    /// What is said.
    pub decision: Decision,
    /// The digest it is said about.
    pub digest: Option<String>,
    /// The request it is said about.
    pub request_id: Option<String>,
    /// Beside Revoke: why.
    pub reason: Option<RevocationReason>,
    /// In words.
    pub reasoning: String,
    /// When, by the API server's clock.
    pub cast: Timestamp,
    /// What the access reviews said.
    pub rights: Rights,
}

/// The result of counting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Every rule is met.
    pub met: bool,
    /// Who counts, for which role.
    pub counted: Vec<(String, String)>,
    /// What is still missing. Example: `1 of security-lead`.
    pub outstanding: Vec<String>,
    /// A role in which the next approval would count, where one is missing.
    pub missing_role: Option<String>,
    /// Approvals that do not count, and why.
    pub discounted: Vec<(String, String)>,
}

/// Counts the approvals of a request by `requester` at `digest`.
pub fn tally(template: &Template, requester: &str, digest: &str, ballots: &[Ballot]) -> Tally {
    if template.is_automatic() {
        return Tally {
            met: true,
            ..Tally::default()
        };
    }
    let mut result = Tally::default();
    let mut roles_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ballot in ballots.iter().filter(|b| b.decision == Decision::Approve) {
        match counts(ballot, template, requester, digest, ballots) {
            Ok(role) => {
                roles_of
                    .entry(ballot.person.as_str())
                    .or_default()
                    .insert(role);
            }
            Err(why) => result.discounted.push((ballot.approval.clone(), why)),
        }
    }
    place(template, &roles_of, &mut result);
    result
}

/// Whether it is only doubt that keeps the rules from being met: a right that could not be asked is no right, but it
/// is no loss of one either.
pub fn is_in_doubt(template: &Template, requester: &str, digest: &str, ballots: &[Ballot]) -> bool {
    let trusted: Vec<_> = ballots
        .iter()
        .map(|ballot| Ballot {
            rights: Rights {
                role: ballot.rights.role.or(Some(true)),
                wildcard: ballot.rights.wildcard.or(Some(false)),
                break_glass: ballot.rights.break_glass.or(Some(true)),
            },
            ..ballot.clone()
        })
        .collect();
    !tally(template, requester, digest, ballots).met
        && tally(template, requester, digest, &trusted).met
}

/// The role that a ballot counts for, or why it does not count.
fn counts<'a>(
    ballot: &'a Ballot,
    template: &Template,
    requester: &str,
    digest: &str,
    all: &[Ballot],
) -> Result<&'a str, String> {
    let role = ballot.role.as_deref().ok_or("names no role")?;
    if ballot.digest.as_deref() != Some(digest) {
        return Err("stale: it approves another digest; the request was edited since".into());
    }
    if is_service_account(&ballot.person) || ballot.person.is_empty() {
        return Err("a service account is never an approver".into());
    }
    if ballot.person == requester
        && !(template.level == Level::Emergency && ballot.rights.break_glass == Some(true))
    {
        return Err(format!(
            "SelfApprovalBlocked: {requester} requested this permit"
        ));
    }
    if all.iter().any(|w| {
        w.decision == Decision::Withdraw && w.person == ballot.person && w.cast >= ballot.cast
    }) {
        return Err("withdrawn".into());
    }
    if ballot.rights.role != Some(true) {
        return Err(format!(
            "{} does not hold approve on permits/{role} now",
            ballot.person
        ));
    }
    if !template.level.admits_wildcards() && ballot.rights.wildcard != Some(false) {
        return Err(format!(
            "{} holds every role by wildcard or system:masters, which is nobody's role",
            ballot.person
        ));
    }
    Ok(role)
}

/// Places people on the seats of the rules, one seat each, so that the rules are met if they can be met at all.
fn place(template: &Template, roles_of: &BTreeMap<&str, BTreeSet<&str>>, result: &mut Tally) {
    let seats: Vec<_> = template
        .rules
        .iter()
        .flat_map(|r| (0..r.count.max(0)).map(move |_| r))
        .collect();
    let mut taken: BTreeMap<usize, &str> = BTreeMap::new();
    for person in roles_of.keys() {
        let fits = |seat: usize, who: &str| {
            seats.get(seat).is_some_and(|rule| {
                roles_of
                    .get(who)
                    .is_some_and(|held| rule.roles.iter().any(|role| held.contains(role.as_str())))
            })
        };
        seat(person, seats.len(), &fits, &mut taken, &mut BTreeSet::new());
    }
    for (i, rule) in seats.iter().enumerate() {
        let Some(person) = taken.get(&i) else {
            continue;
        };
        let role = rule.roles.iter().find(|r| {
            roles_of
                .get(person)
                .is_some_and(|held| held.contains(r.as_str()))
        });
        result
            .counted
            .push(((*person).to_owned(), role.cloned().unwrap_or_default()));
    }
    let mut start = 0;
    for rule in &template.rules {
        let count = usize::try_from(rule.count).unwrap_or(0);
        let missing = (start..start + count)
            .filter(|i| !taken.contains_key(i))
            .count();
        if missing > 0 {
            let role = || rule.roles.first().cloned();
            result.missing_role = result.missing_role.take().or_else(role);
            result
                .outstanding
                .push(format!("{missing} of {}", rule.roles.join(" or ")));
        }
        start += count;
    }
    // Rules without a seat would be met by nobody; only an Automatic grant may say that.
    result.met = result.outstanding.is_empty() && !seats.is_empty();
}

/// Seats one person, moving others along augmenting paths (Kuhn's bipartite matching).
fn seat<'a>(
    person: &'a str,
    seats: usize,
    fits: &dyn Fn(usize, &str) -> bool,
    taken: &mut BTreeMap<usize, &'a str>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for i in 0..seats {
        if !fits(i, person) || !tried.insert(i) {
            continue;
        }
        let free = match taken.get(&i).copied() {
            None => true,
            Some(sitting) => seat(sitting, seats, fits, taken, tried),
        };
        if free {
            taken.insert(i, person);
            return true;
        }
    }
    false
}
