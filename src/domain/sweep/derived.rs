//! What is derived: does its owner exist, and did it ever have such pods with permission?
//!
//! An object only says that it has an owner. Orphans that a workload adopts, forged references and rewritten revisions
//! are found by what they would run (threat row 11). Does not know who wrote them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pods::{images, print};
use super::{Found, Place, Unpermitted, Wrong, pods_of, remember};
use crate::api::facts::Known;
use crate::domain::kind::{self, DERIVED};

/// What is kept of an object with a controlling owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The owner that it names.
    pub owner: Owner,
    /// Print of its pod spec, if it has one.
    pub print: Option<String>,
    /// `CONTAINER=IMAGE` of each container.
    pub images: Vec<String>,
    /// It is on its way out, has ended, or is what a Deployment left behind without replicas.
    pub rests: bool,
}

/// The controlling owner that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Owner {
    fn key(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl Derived {
    /// Its key.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether a controller of Kubernetes makes such an object for such an owner.
    fn is_of_a_known_kind(&self) -> bool {
        let resource = kind::form(self.kind).map(|form| form.resource);
        let makes = |(made, owner, _): &(&str, &str, &str)| {
            Some(*made) == resource && *owner == self.owner.kind
        };
        DERIVED.iter().any(makes)
    }
}

/// What is known of an owner.
struct Owning {
    uid: String,
    print: Option<String>,
    images: Vec<String>,
}

/// What is derived and may own in turn, by kind and name.
type Owners<'a> = BTreeMap<(&'a str, &'a str), &'a Derived>;

pub(super) fn judge(place: &Place<'_>, found: &mut Found) {
    let may_own = place.derived.iter().filter(|one| one.kind != "Pod");
    let owners: Owners<'_> = may_own
        .map(|one| ((one.kind, one.name.as_str()), one.as_ref()))
        .collect();
    for one in place.derived.iter().filter(|one| !one.rests) {
        if let Some(wrong) = wrong((place, &owners), one) {
            let unpermitted = Unpermitted {
                wrong,
                uid: one.uid.clone(),
                digest: one.print.clone().unwrap_or_default(),
                print: String::new(),
                of: root(&owners, one),
            };
            found.unpermitted.insert(one.key(), unpermitted);
        }
    }
}

fn wrong((place, owners): (&Place<'_>, &Owners<'_>), one: &Derived) -> Option<Wrong> {
    let nothing = Known::default();
    let known = place.facts.known.get(&one.owner.key()).unwrap_or(&nothing);
    if !one.is_of_a_known_kind() {
        // Some other controller's: exempt, or there when the namespace was enrolled.
        let pair = (one.kind.to_owned(), one.owner.kind.clone());
        let is_known = one
            .print
            .as_ref()
            .is_some_and(|print| known.prints.contains(print));
        return (!is_known && !place.exempt.contains(&pair)).then_some(Wrong::NoOwner);
    }
    let Some(owner) = owner((place, owners), &one.owner).filter(|owner| owner.uid == one.owner.uid)
    else {
        return Some(Wrong::NoOwner);
    };
    let is_its_owners = if one.kind == "Pod" {
        has_its_images(one, &owner, known)
    } else {
        has_its_print(one, &owner, known)
    };
    (!is_its_owners).then_some(Wrong::NotItsOwners)
}

/// A template derived from one that its owner has, had with permission, or was told of for.
fn has_its_print(one: &Derived, owner: &Owning, known: &Known) -> bool {
    one.print.as_ref().is_none_or(|print| {
        owner.print.as_ref() == Some(print)
            || known.prints.contains(print)
            || known.told.contains(print)
    })
}

/// Every container that its owner knows has an image that it had; one at least is known.
fn has_its_images(one: &Derived, owner: &Owning, known: &Known) -> bool {
    let all: BTreeSet<&str> = owner
        .images
        .iter()
        .chain(&known.images)
        .map(String::as_str)
        .collect();
    let name = |image: &str| image.split_once('=').map(|(name, _)| name.to_owned());
    let names: BTreeSet<_> = all.iter().filter_map(|image| name(image)).collect();
    let mut its = one
        .images
        .iter()
        .filter(|i| name(i).is_some_and(|n| names.contains(&n)));
    let is_any = its.clone().next().is_some();
    is_any && its.all(|image| all.contains(image.as_str()))
}

/// The owner as it stands, itself derived or not.
fn owner((place, owners): (&Place<'_>, &Owners<'_>), named: &Owner) -> Option<Owning> {
    if let Some(object) = place.live.get(&named.key()) {
        let pod = pods_of(object);
        return Some(Owning {
            uid: super::text(object, "/metadata/uid"),
            print: pod.and_then(print),
            images: pod.map(images).unwrap_or_default(),
        });
    }
    let one = owners.get(&(named.kind.as_str(), named.name.as_str()))?;
    Some(Owning {
        uid: one.uid.clone(),
        print: one.print.clone(),
        images: one.images.clone(),
    })
}

/// The workload at the top, as far as owners are named.
fn root(owners: &Owners<'_>, one: &Derived) -> String {
    let above = owners.get(&(one.owner.kind.as_str(), one.owner.name.as_str()));
    above.map_or_else(|| one.owner.key(), |above| above.owner.key())
}

/// What stands derived where a namespace is enrolled belongs to what is taken in there.
pub fn take_in(known: &mut BTreeMap<String, Known>, derived: &[Arc<Derived>]) {
    for one in derived {
        let of = known.entry(one.owner.key()).or_default();
        remember(&mut of.prints, one.print.clone());
        remember(&mut of.images, one.images.clone());
    }
}
