//! Certificates: is what we serve with good enough, or is it time for another?
//!
//! A leaf is renewed and an authority replaced after two thirds of their life. A new authority is published first and
//! signs only later, so that every API server trusts it by then; the old one stays in the bundle until it has expired.
//! Knows times and names. Does not know keys, PEM, or where certificates are kept.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// An authority lives this many lives of a leaf.
const AUTHORITY_LIVES: i32 = 10;
/// Clocks may disagree by this much before a fresh certificate is refused.
const LARGEST_BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// Every API server has seen a new bundle after this time; seconds would do.
const LONGEST_SETTLING: SignedDuration = SignedDuration::from_mins(10);

/// From when to when something is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// The validity of something made now that lives for `lifetime`, backdated for clocks that lag.
    pub fn starting(now: Timestamp, lifetime: SignedDuration) -> Self {
        let backdate = (lifetime / 10).min(LARGEST_BACKDATE);
        Self {
            not_before: before(now, backdate),
            not_after: after(now, lifetime),
        }
    }

    /// When two thirds of it are over.
    pub fn renewal(&self) -> Timestamp {
        after(
            self.not_before,
            self.not_after.duration_since(self.not_before) / 3 * 2,
        )
    }

    /// Is it over?
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }
}

/// What is served with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The newest authority in the bundle.
    pub authority: Validity,
    /// The serving certificate.
    pub leaf: Validity,
    /// The names it is good for.
    pub names: BTreeSet<String>,
    /// Was it signed by an authority of the bundle?
    pub is_trusted: bool,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How long a leaf lives.
    pub lifetime: SignedDuration,
    /// Every name that the API server may use for us.
    pub names: BTreeSet<String>,
}

impl Wanted {
    /// How long an authority lives.
    pub fn authority_lifetime(&self) -> SignedDuration {
        self.lifetime * AUTHORITY_LIVES
    }

    fn settling(&self) -> SignedDuration {
        (self.lifetime / 6).min(LONGEST_SETTLING)
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing until then.
    Keep {
        /// When to look again.
        until: Timestamp,
    },
    /// Sign a new leaf with the newest authority.
    RenewLeaf,
    /// Add a new authority to the bundle; the leaf stays.
    RotateAuthority,
    /// Nothing here can be used: make an authority and a leaf.
    StartAnew,
}

/// Decides what to do about the certificates.
pub fn plan(now: Timestamp, current: Option<&Current>, wanted: &Wanted) -> Plan {
    let Some(current) = current else {
        return Plan::StartAnew;
    };
    if current.authority.has_expired(now) {
        return Plan::StartAnew;
    }
    // A leaf that no API server accepts is replaced before anything else.
    if !is_usable(now, current, wanted) {
        return Plan::RenewLeaf;
    }
    if now >= current.authority.renewal() {
        return Plan::RotateAuthority;
    }
    let settled = after(
        current.authority.not_before,
        backdate_of(&current.authority) + wanted.settling(),
    );
    let due = current.leaf.renewal().max(settled);
    if now >= due {
        Plan::RenewLeaf
    } else {
        Plan::Keep {
            until: due.min(current.authority.renewal()),
        }
    }
}

/// The same for a replica that leaves renewal to the leader: it acts only when there is nothing to serve with, and
/// otherwise looks again when the leader should have renewed.
pub fn plan_as_follower(now: Timestamp, current: Option<&Current>, wanted: &Wanted) -> Plan {
    match current {
        Some(current) if is_usable(now, current, wanted) => {
            let rest = current
                .leaf
                .not_after
                .duration_since(current.leaf.renewal());
            let expected = after(current.leaf.renewal(), rest / 4);
            Plan::Keep {
                until: if now < expected {
                    expected
                } else {
                    after(now, rest / 4)
                },
            }
        }
        Some(_) | None => plan(now, current, wanted),
    }
}

fn is_usable(now: Timestamp, current: &Current, wanted: &Wanted) -> bool {
    current.is_trusted && !current.leaf.has_expired(now) && current.names.is_superset(&wanted.names)
}

/// The host of an `http` or `https` address, as a certificate has to name it.
pub fn host_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

// `starting` backdates by a tenth of the lifetime, so an eleventh of the whole span lies before the making.
fn backdate_of(validity: &Validity) -> SignedDuration {
    (validity.not_after.duration_since(validity.not_before) / 11).min(LARGEST_BACKDATE)
}

fn after(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn before(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn wanted() -> Wanted {
        Wanted {
            lifetime: SignedDuration::from_secs(60),
            names: names(&["gate.permit-system.svc"]),
        }
    }

    fn fresh() -> Current {
        Current {
            authority: Validity::starting(at(0), wanted().authority_lifetime()),
            leaf: Validity::starting(at(0), wanted().lifetime),
            names: names(&["gate.permit-system.svc", "127.0.0.1"]),
            is_trusted: true,
        }
    }

    #[test]
    fn nothing_at_all_starts_anew() {
        assert_eq!(plan(at(0), None, &wanted()), Plan::StartAnew);
    }

    #[test]
    fn an_expired_authority_starts_anew() {
        assert_eq!(plan(at(600), Some(&fresh()), &wanted()), Plan::StartAnew);
    }

    #[test]
    fn a_fresh_pair_is_kept_until_two_thirds_of_the_leafs_life() {
        // 66 s of validity, backdated by 6 s: two thirds are over 38 s after the making.
        assert_eq!(
            plan(at(0), Some(&fresh()), &wanted()),
            Plan::Keep { until: at(38) }
        );
        assert_eq!(
            plan(at(37), Some(&fresh()), &wanted()),
            Plan::Keep { until: at(38) }
        );
        assert_eq!(plan(at(38), Some(&fresh()), &wanted()), Plan::RenewLeaf);
    }

    #[test]
    fn an_authority_is_replaced_at_two_thirds_of_its_life() {
        let mut current = fresh();
        current.leaf = Validity::starting(at(375), wanted().lifetime);
        assert_eq!(
            plan(at(379), Some(&current), &wanted()),
            Plan::Keep { until: at(380) }
        );
        assert_eq!(
            plan(at(380), Some(&current), &wanted()),
            Plan::RotateAuthority
        );
    }

    #[test]
    fn a_new_authority_signs_only_after_it_was_published_for_a_while() {
        let mut current = fresh();
        current.authority = Validity::starting(at(35), wanted().authority_lifetime());
        assert_eq!(
            plan(at(40), Some(&current), &wanted()),
            Plan::Keep { until: at(45) }
        );
        assert_eq!(plan(at(45), Some(&current), &wanted()), Plan::RenewLeaf);
    }

    #[test]
    fn an_expired_untrusted_or_wrongly_named_leaf_is_replaced_at_once() {
        let mut expired = fresh();
        expired.leaf = Validity {
            not_before: at(-60),
            not_after: at(0),
        };
        assert_eq!(plan(at(0), Some(&expired), &wanted()), Plan::RenewLeaf);
        let untrusted = Current {
            is_trusted: false,
            ..fresh()
        };
        assert_eq!(plan(at(0), Some(&untrusted), &wanted()), Plan::RenewLeaf);
        let elsewhere = Wanted {
            names: names(&["gate.example.com"]),
            ..wanted()
        };
        assert_eq!(plan(at(0), Some(&fresh()), &elsewhere), Plan::RenewLeaf);
    }

    #[test]
    fn a_long_life_is_backdated_by_minutes_only() {
        let quarter = SignedDuration::from_hours(2160);
        assert_eq!(Validity::starting(at(0), quarter).not_before, at(-300));
    }

    #[test]
    fn a_follower_looks_again_after_the_leader_should_have_renewed() {
        // Renewal at 38 s, expiry at 60 s.
        let renewal = at(38)
            .checked_add(SignedDuration::from_millis(5500))
            .unwrap();
        assert_eq!(
            plan_as_follower(at(0), Some(&fresh()), &wanted()),
            Plan::Keep { until: renewal }
        );
        let Plan::Keep { until } = plan_as_follower(at(50), Some(&fresh()), &wanted()) else {
            panic!("it waits")
        };
        assert!(until > at(50) && until < at(60));
    }

    #[test]
    fn a_follower_with_nothing_to_serve_with_acts_itself() {
        assert_eq!(plan_as_follower(at(0), None, &wanted()), Plan::StartAnew);
        assert_eq!(
            plan_as_follower(at(60), Some(&fresh()), &wanted()),
            Plan::RenewLeaf
        );
    }

    #[test]
    fn the_host_of_an_address_is_what_the_certificate_names() {
        assert_eq!(host_of("https://127.0.0.1:8443/"), Some("127.0.0.1"));
        assert_eq!(host_of("https://[::1]:8443"), Some("::1"));
        assert_eq!(
            host_of("http://gate.example.com?x"),
            Some("gate.example.com")
        );
        assert_eq!(host_of("no address"), None);
        assert_eq!(host_of("https://:8443"), None);
    }
}
