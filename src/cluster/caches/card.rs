//! Card: what is kept of a permit: what is asked about all of them at once plainly, the rest packed.
//!
//! Nothing of spec and status is lost; most of the metadata is. Does not know what the fields mean.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::packed::Packed;
use super::shelf::Read;
use crate::api::Permit;
use crate::api::kind::WorkloadKind;
use crate::api::permit::PermitSpec;
use crate::api::vocabulary::Phase;

/// The levels that a status can name.
pub const LEVELS: [&str; 6] = ["0", "1", "2", "3", "4", "emergency"];

/// A permit as a watch brings it. Its parts are taken over as text, so it can be read from JSON only, and from an event
/// only when the event's type stands before its object, as the API server writes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Brought {
    #[serde(deserialize_with = "few")]
    metadata: ObjectMeta,
    spec: Box<RawValue>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

/// The metadata that we use; the rest is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Few {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
}

fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let few = Few::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: few.name,
        namespace: few.namespace,
        uid: few.uid,
        resource_version: few.resource_version,
        generation: few.generation,
        creation_timestamp: few.creation_timestamp,
        ..ObjectMeta::default()
    })
}

impl Resource for Brought {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Permit::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Permit::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Permit::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Permit::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What of a spec is asked of all permits.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    template: Cow<'a, str>,
    #[serde(borrow)]
    targets: Vec<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(default)]
    kind: WorkloadKind,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// What of a status is asked of all permits.
#[derive(Default, Deserialize)]
struct Stands<'a> {
    phase: Option<Phase>,
    #[serde(borrow, default)]
    summary: Summary<'a>,
}

#[derive(Default, Deserialize)]
struct Summary<'a> {
    #[serde(borrow, default)]
    level: Cow<'a, str>,
}

/// What is kept of a permit, its names apart.
pub struct Card {
    uid: Arc<str>,
    created: Option<Timestamp>,
    phase: Option<Phase>,
    /// Where the level stands among all.
    level: Option<u8>,
    template: u64,
    packed: Packed,
}

/// What is packed, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    version: Option<&'a str>,
    generation: Option<i64>,
    spec: &'a RawValue,
    status: Option<&'a RawValue>,
}

/// What is packed, as it is read; the status only where it is asked for.
#[derive(Deserialize)]
struct Unpacked<S> {
    version: Option<String>,
    generation: Option<i64>,
    spec: PermitSpec,
    status: Option<S>,
}

impl Card {
    /// The permit's UID; empty if it has none.
    pub fn uid(&self) -> &Arc<str> {
        &self.uid
    }

    /// When it was made.
    pub const fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// The phase that its status states.
    pub const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The level that its status states, if it is one.
    pub fn level(&self) -> Option<&'static str> {
        LEVELS.get(usize::from(self.level?)).copied()
    }

    /// Whether its status states no end.
    pub fn is_open(&self) -> bool {
        !self.phase.is_some_and(Phase::is_terminal)
    }

    /// Whether the template may be the one it is under; seldom yes although it is another one.
    pub(super) fn may_be_under(&self, template: u64) -> bool {
        self.template == template
    }
}

/// The mark of a template's name on cards.
pub(super) fn mark(template: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    template.hash(&mut hasher);
    hasher.finish()
}

/// What is kept of a permit; it is found by the workloads that it names. What names none, or cannot be read, is kept all
/// the same: it exists.
pub(super) fn card(permit: &Brought) -> Read<Arc<Card>> {
    let asked: Option<Asked<'_>> = serde_json::from_str(permit.spec.get()).ok();
    let stands = permit.status.as_ref();
    let stands: Stands<'_> = stands
        .and_then(|status| serde_json::from_str(status.get()).ok())
        .unwrap_or_default();
    let meta = &permit.metadata;
    let card = Card {
        uid: meta.uid.as_deref().unwrap_or_default().into(),
        created: meta.creation_timestamp.as_ref().map(|t| t.0),
        phase: stands.phase,
        level: (0..)
            .zip(LEVELS)
            .find_map(|(at, level)| (level == stands.summary.level).then_some(at)),
        template: mark(asked.as_ref().map_or("", |a| &a.template)),
        packed: Packed::of(&Written {
            version: meta.resource_version.as_deref(),
            generation: meta.generation,
            spec: &permit.spec,
            status: permit.status.as_deref(),
        }),
    };
    let targets = asked.map(|a| a.targets).unwrap_or_default();
    Read {
        keys: targets
            .iter()
            .map(|t| format!("{}/{}", t.kind, t.name))
            .collect(),
        value: Some(Arc::new(card)),
    }
}

/// A permit that is known, by its names.
#[derive(Clone)]
pub struct Known {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What is kept of it.
    pub card: Arc<Card>,
}

impl Known {
    /// The permit without its status, if it can be read.
    pub fn asking(&self) -> Option<Permit> {
        let (permit, _) = self.unpacked::<IgnoredAny>()?;
        Some(permit)
    }

    /// The permit with its status, if both can be read.
    pub fn whole(&self) -> Option<Permit> {
        let (mut permit, status) = self.unpacked()?;
        permit.status = status;
        Some(permit)
    }

    fn unpacked<S: DeserializeOwned>(&self) -> Option<(Permit, Option<S>)> {
        let read: Unpacked<S> = self.card.packed.read()?;
        let mut permit = Permit::new(&self.name, read.spec);
        let uid = self.card.uid.to_string();
        permit.metadata = ObjectMeta {
            namespace: Some(self.namespace.to_string()),
            uid: Some(uid).filter(|uid| !uid.is_empty()),
            resource_version: read.version,
            generation: read.generation,
            creation_timestamp: self.card.created.map(Time),
            ..permit.metadata
        };
        Some((permit, read.status))
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::super::shelf::Shelf;
    use super::*;

    fn sample() -> Value {
        json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 2,
                "creationTimestamp": "2026-11-21T20:00:00Z", "labels": {"of": "nobody"},
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"template": "t", "purpose": "p", "targets": [{"name": "checkout", "images": {"app": "shop/checkout:1"}}]},
            "status": {"phase": "InReview", "summary": {"level": "2", "message": "needs 1 more approval"},
                "trace": [{"rule": "approvals", "verdict": "Wait", "because": "0 of 1"}]}})
    }

    fn known(object: &Value) -> Known {
        let (shelf, permit) = (Shelf::default(), serde_json::from_str(&object.to_string()));
        shelf.take(Event::<Brought>::Apply(permit.unwrap()), card);
        Known {
            namespace: "shop".into(),
            name: "a".into(),
            card: shelf.get("shop", "a").unwrap(),
        }
    }

    #[test]
    fn a_known_permit_says_all_that_is_asked_and_reported() {
        let (object, read) = (sample(), known(&sample()).whole().unwrap());
        let stored: Permit = serde_json::from_value(object).unwrap();
        assert_eq!((&read.spec, &read.status), (&stored.spec, &stored.status));
        let (read, stored) = (read.metadata, stored.metadata);
        assert_eq!(read.creation_timestamp, stored.creation_timestamp);
        let named = |m: &ObjectMeta| (m.name.clone(), m.namespace.clone(), m.uid.clone());
        assert_eq!(named(&read), named(&stored));
        let version = |m: &ObjectMeta| (m.resource_version.clone(), m.generation);
        assert_eq!(version(&read), version(&stored));
    }

    #[test]
    fn where_it_stands_is_told_without_unpacking() {
        let Known { card, .. } = known(&sample());
        assert_eq!(
            (card.phase(), card.level()),
            (Some(Phase::InReview), Some("2"))
        );
        assert!(card.is_open() && card.may_be_under(mark("t")) && !card.may_be_under(mark("u")));
        let mut ended = sample();
        ended["status"]["phase"] = json!("Closed");
        assert!(!known(&ended).card.is_open());
    }

    #[test]
    fn a_new_permit_has_no_phase_and_no_status() {
        let mut new = sample();
        new["status"] = Value::Null;
        let known = known(&new);
        assert_eq!((known.card.phase(), known.card.level()), (None, None));
        assert_eq!(known.whole().unwrap().status, None);
    }

    #[test]
    fn what_cannot_be_read_exists_and_says_nothing() {
        let mut strange = sample();
        strange["spec"]["targets"][0]["operations"] = json!(["Levitate"]);
        let strange = known(&strange);
        assert!(strange.asking().is_none() && &**strange.card.uid() == "u");
        let mut reported = sample();
        reported["status"]["phase"] = json!("Levitating");
        let reported = known(&reported);
        assert!(reported.whole().is_none() && reported.asking().is_some());
    }

    #[test]
    fn it_is_found_by_every_workload_that_it_names() {
        let mut two = sample();
        let target = json!({"kind": "Deployment", "name": "cart", "operations": ["Restart"]});
        two["spec"]["targets"].as_array_mut().unwrap().push(target);
        let read = card(&serde_json::from_str(&two.to_string()).unwrap());
        assert_eq!(read.keys, ["Deployment/checkout", "Deployment/cart"]);
    }
}
