//! Unreadable: tells of a configuration and of templates that cannot be read, by an Event on each and by a figure.
//!
//! Told once for as long as it stands so; what was mended and broken again is told again. Decides nothing: the gate
//! denies by itself.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use super::Context;
use crate::api::PermitTemplate;
use crate::api::config::CONFIG_NAME;
use crate::api::vocabulary::EventReason;
use crate::cluster::caches::Caches;
use crate::cluster::client::deadline;

/// The longest note that the API server takes.
const LONGEST_NOTE: usize = 1000;

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Configuration,
    Template,
}

impl What {
    const ALL: [Self; 2] = [Self::Configuration, Self::Template];

    /// The label of the figure.
    const fn label(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Template => "template",
        }
    }
}

/// An object that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    what: What,
    name: String,
    why: String,
}

/// What was told of last.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeSet<Fault>>);

impl Told {
    /// What is told now: what stands and was not told last time.
    fn news(&self, standing: BTreeSet<Fault>) -> Vec<Fault> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = standing.difference(&last).cloned().collect();
        *last = standing;
        news
    }
}

/// Shows the figures, and tells of what has become unreadable since the last look.
pub(super) async fn look(ctx: &Context, told: &Told) {
    let standing = standing(&ctx.caches);
    for what in What::ALL {
        let count = standing.iter().filter(|fault| fault.what == what).count();
        let figure = ctx.metrics.unreadable.with_label_values(&[what.label()]);
        figure.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    for fault in told.news(standing) {
        warn!(
            what = fault.what.label(),
            name = fault.name,
            why = fault.why,
            "cannot be read"
        );
        tell(ctx, &fault).await;
    }
}

fn standing(caches: &Caches) -> BTreeSet<Fault> {
    let configuration = caches.configuration().err().map(|why| Fault {
        what: What::Configuration,
        name: CONFIG_NAME.to_owned(),
        why,
    });
    let (_, unreadable) = caches.templates();
    let templates = unreadable.into_iter().map(|template| Fault {
        what: What::Template,
        why: template.why(),
        name: template.name,
    });
    templates.chain(configuration).collect()
}

/// Shows one Event; a lost one is not an error, the figure stays.
async fn tell(ctx: &Context, fault: &Fault) {
    let own = || Api::<ConfigMap>::namespaced(ctx.client.clone(), &ctx.namespace);
    let (about, reason, meaning) = match fault.what {
        What::Configuration => (
            reference(&own(), &fault.name).await,
            EventReason::ConfigurationUnreadable,
            "nothing is admitted but the baseline and emergencies",
        ),
        What::Template => (
            reference::<PermitTemplate>(&Api::all(ctx.client.clone()), &fault.name).await,
            EventReason::TemplateUnreadable,
            "nothing below its level is granted where it applies",
        ),
    };
    let Some(about) = about else { return };
    let note = format!("{}; {meaning}", fault.why);
    let event = Event {
        type_: EventType::Warning,
        reason: reason.as_str().to_owned(),
        note: Some(note.chars().take(LONGEST_NOTE).collect()),
        action: reason.as_str().to_owned(),
        secondary: None,
    };
    if let Err(error) = deadline(ctx.recorder.publish(&event, &about)).await {
        debug!(%error, reason = %reason, "event not shown");
    }
}

/// The object as an Event names it, with the UID that `kubectl describe` looks for.
async fn reference<K>(api: &Api<K>, name: &str) -> Option<ObjectReference>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let found = deadline(api.get_opt(name)).await.ok().flatten()?;
    Some(found.object_ref(&()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(why: &str) -> Fault {
        Fault {
            what: What::Configuration,
            name: CONFIG_NAME.into(),
            why: why.into(),
        }
    }

    #[test]
    fn each_fault_is_told_once_while_it_stands_and_again_when_it_comes_back() {
        let told = Told::default();
        let look = |faults: &[&str]| {
            let standing = faults.iter().map(|why| fault(why)).collect();
            told.news(standing).len()
        };
        assert_eq!(look(&["a"]), 1);
        assert_eq!(look(&["a"]), 0);
        assert_eq!(look(&["a", "b"]), 1);
        assert_eq!(look(&[]), 0);
        assert_eq!(look(&["a"]), 1);
    }
}
