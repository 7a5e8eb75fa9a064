//! Leadership: which step follows from what was seen of the lease?
//!
//! Expiry is judged by how long a claim has not changed on our own monotonic clock; the wall clock in the lease is only
//! compared for equality, so that clocks that disagree cannot make two leaders. Does not know Kubernetes or any clock.

use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// How long a lease holds, how long its holder may go without renewing it, and the pause between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait after the last change that they saw.
    pub lease: Duration,
    /// After this time without a successful renewal the holder stops acting. Shorter than `lease`.
    pub renew_deadline: Duration,
    /// Pause between two tries.
    pub retry: Duration,
}

impl Timing {
    /// The proportions of client-go: 15 s, 10 s and 2 s for a lease of 15 s.
    pub fn of_lease(lease: Duration) -> Self {
        Self {
            lease,
            renew_deadline: lease * 2 / 3,
            retry: lease * 2 / 15,
        }
    }
}

/// What the lease object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// The holder's clock at its last renewal: compared for change, never with our clock.
    pub renewed: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: i64,
    /// How long the holder asked others to wait.
    pub lease: Option<Duration>,
}

/// A claim, and since when, by our monotonic clock, it looks like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The claim as last read.
    pub claim: Claim,
    /// Monotonic time of the first look at exactly this claim.
    pub since: Duration,
}

impl Sighting {
    /// The sighting after another look: an unchanged claim keeps its age.
    pub fn after(previous: Option<Self>, claim: Claim, now: Duration) -> Self {
        match previous {
            Some(previous) if previous.claim == claim => previous,
            Some(_) | None => Self { claim, since: now },
        }
    }
}

/// The one who asks: a name that no other process has, and what it believes to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Unique for each process, so that a restarted one is never taken for its predecessor.
    pub name: String,
    /// The fence under which it leads, when it leads.
    pub fence: Option<i64>,
    /// The highest fence known from elsewhere: a lease that was deleted must not restart the count.
    pub floor: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the lease, as its holder.
    Create {
        /// The fence to lead under.
        fence: i64,
    },
    /// Take the lease over.
    Take {
        /// The fence to lead under.
        fence: i64,
    },
    /// Renew it.
    Renew,
    /// Somebody else holds it.
    Wait {
        /// Until the claim lapses, should it not change.
        remaining: Duration,
    },
    /// It was ours and is not any more.
    Lost,
}

/// Decides from the last sighting (`None`: there is no lease) what the candidate does.
pub fn next_step(seen: Option<&Sighting>, now: Duration, me: &Candidate, timing: &Timing) -> Step {
    match (seen, me.fence) {
        (None, Some(_)) => Step::Lost,
        (None, None) => Step::Create {
            fence: me.floor.max(0) + 1,
        },
        (Some(seen), Some(fence)) => {
            let still_ours = seen.claim.holder == me.name && seen.claim.transitions == fence;
            if still_ours { Step::Renew } else { Step::Lost }
        }
        (Some(seen), None) => challenge(seen, now, me, timing),
    }
}

fn challenge(seen: &Sighting, now: Duration, me: &Candidate, timing: &Timing) -> Step {
    // The holder promised its own duration; waiting the longer of the two is safe when settings differ.
    let holds = seen.claim.lease.unwrap_or(timing.lease).max(timing.lease);
    let remaining = (seen.since + holds).saturating_sub(now);
    if seen.claim.holder.is_empty() || remaining.is_zero() {
        Step::Take {
            fence: seen.claim.transitions.max(me.floor) + 1,
        }
    } else {
        Step::Wait { remaining }
    }
}

/// May the holder still act, `since_renewal` after it began its last successful renewal?
pub fn may_act(since_renewal: Duration, timing: &Timing) -> bool {
    since_renewal < timing.renew_deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        lease: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn held_by(holder: &str, transitions: i64, since: u64) -> Sighting {
        let lease = Some(seconds(15));
        let claim = Claim {
            holder: holder.into(),
            renewed: Some(Timestamp::UNIX_EPOCH),
            transitions,
            lease,
        };
        Sighting {
            claim,
            since: seconds(since),
        }
    }

    fn me(fence: Option<i64>) -> Candidate {
        Candidate {
            name: "me".into(),
            fence,
            floor: 0,
        }
    }

    #[track_caller]
    fn check(seen: Option<&Sighting>, now: u64, fence: Option<i64>, wanted: Step) {
        assert_eq!(next_step(seen, seconds(now), &me(fence), &TIMING), wanted);
    }

    #[test]
    fn a_missing_lease_is_created() {
        check(None, 0, None, Step::Create { fence: 1 });
    }

    #[test]
    fn a_held_lease_is_waited_for_until_it_did_not_change_for_its_duration() {
        check(
            Some(&held_by("other", 3, 100)),
            101,
            None,
            Step::Wait {
                remaining: seconds(14),
            },
        );
        check(
            Some(&held_by("other", 3, 100)),
            115,
            None,
            Step::Take { fence: 4 },
        );
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        check(
            Some(&held_by("", 3, 100)),
            100,
            None,
            Step::Take { fence: 4 },
        );
    }

    #[test]
    fn a_lease_under_our_own_name_that_we_do_not_hold_is_waited_for() {
        check(
            Some(&held_by("me", 3, 100)),
            101,
            None,
            Step::Wait {
                remaining: seconds(14),
            },
        );
    }

    #[test]
    fn the_holder_renews_whatever_the_age() {
        check(Some(&held_by("me", 3, 0)), 100, Some(3), Step::Renew);
    }

    #[test]
    fn the_holder_has_lost_when_another_name_another_count_or_nothing_is_there() {
        check(Some(&held_by("other", 3, 0)), 0, Some(3), Step::Lost);
        check(Some(&held_by("me", 4, 0)), 0, Some(3), Step::Lost);
        check(Some(&held_by("", 3, 0)), 0, Some(3), Step::Lost);
        check(None, 0, Some(3), Step::Lost);
    }

    #[test]
    fn the_longer_promise_of_the_two_is_kept() {
        let mut long = held_by("other", 0, 0);
        long.claim.lease = Some(seconds(60));
        check(
            Some(&long),
            30,
            None,
            Step::Wait {
                remaining: seconds(30),
            },
        );
        let mut short = held_by("other", 0, 0);
        short.claim.lease = Some(seconds(1));
        check(
            Some(&short),
            5,
            None,
            Step::Wait {
                remaining: seconds(10),
            },
        );
    }

    #[test]
    fn the_fence_never_falls_behind_one_known_from_elsewhere() {
        let me = Candidate {
            floor: 9,
            ..me(None)
        };
        assert_eq!(
            next_step(None, seconds(0), &me, &TIMING),
            Step::Create { fence: 10 }
        );
        let released = held_by("", 3, 0);
        assert_eq!(
            next_step(Some(&released), seconds(0), &me, &TIMING),
            Step::Take { fence: 10 }
        );
    }

    #[test]
    fn a_change_of_any_field_makes_a_claim_young_again() {
        let first = Sighting::after(None, held_by("other", 1, 0).claim, seconds(5));
        let same = Sighting::after(Some(first.clone()), first.claim.clone(), seconds(9));
        assert_eq!(same.since, seconds(5));
        let mut renewed = first.claim.clone();
        // A clock that runs backwards is a change like any other.
        renewed.renewed = Timestamp::from_second(-60).ok();
        assert_eq!(
            Sighting::after(Some(same), renewed, seconds(9)).since,
            seconds(9)
        );
    }

    #[test]
    fn a_holder_that_did_not_renew_in_time_may_not_act_before_others_may_take_over() {
        assert!(may_act(seconds(9), &TIMING));
        assert!(!may_act(seconds(10), &TIMING));
        assert!(TIMING.renew_deadline < TIMING.lease);
    }

    #[test]
    fn the_proportions_hold_for_any_length() {
        assert_eq!(Timing::of_lease(seconds(15)), TIMING);
        let short = Timing::of_lease(Duration::from_millis(1500));
        assert_eq!(short.renew_deadline, seconds(1));
        assert_eq!(short.retry, Duration::from_millis(200));
    }
}
