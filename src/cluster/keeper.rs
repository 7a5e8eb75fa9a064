//! Keeps one object of the operator's own as it is wanted, for as long as this process leads.
//!
//! Watches, compares, repairs, and tells every change that was not ours. There is no polling: a watch shows each change
//! at once. What is wanted is `webhook_config`'s and `policies`' to say, what differs is `drift`'s.

use crate::api::FIELD_MANAGER;
use crate::cluster::certificates::Served;
use crate::cluster::client::{CallError, deadline};
use crate::cluster::drift::{Change, Drift, Owned, blame, is_as_wanted};
use crate::cluster::leadership::{Leadership, NotLeader};
use futures::{StreamExt, pin_mut};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Why a repair did not happen.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The API server did not take it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is not ours to do any more.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
}

/// Makes what is wanted from the bundle of trusted authorities, once there is one.
type Build<K> = Box<dyn Fn(Option<&str>) -> Option<K> + Send + Sync>;

/// The keeper of one object.
pub struct Keeper<K> {
    api: Api<K>,
    name: String,
    leadership: Leadership,
    build: Build<K>,
    report: Box<dyn Fn(Drift) + Send + Sync>,
}

/// The object, as far as it is known.
enum Live<K> {
    Unknown,
    Absent,
    Present(Box<K>),
}

impl<K> From<Option<K>> for Live<K> {
    fn from(seen: Option<K>) -> Self {
        seen.map_or(Self::Absent, |object| Self::Present(Box::new(object)))
    }
}

/// What the keeper has seen.
struct Seen<K> {
    /// The object as the watch last showed it.
    live: Live<K>,
    /// What was wanted when it was last found in order.
    in_order: Option<K>,
}

impl<K> Keeper<K>
where
    K: Owned<DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    /// `build` makes what is wanted from the bundle of trusted authorities, or nothing while it needs one and there is
    /// none; `report` hears of every change by others.
    pub fn new(
        client: Client,
        (name, leadership): (&str, Leadership),
        build: impl Fn(Option<&str>) -> Option<K> + Send + Sync + 'static,
        report: impl Fn(Drift) + Send + Sync + 'static,
    ) -> Self {
        Self {
            api: Api::all(client),
            name: name.to_owned(),
            leadership,
            build: Box::new(build),
            report: Box::new(report),
        }
    }

    /// Keeps it until leadership is lost.
    pub async fn keep(
        &self,
        mut served: watch::Receiver<Option<Arc<Served>>>,
    ) -> Result<(), NotLeader> {
        let events = watcher::watch_object(self.api.clone(), &self.name).default_backoff();
        pin_mut!(events);
        let mut seen = Seen {
            live: Live::Unknown,
            in_order: None,
        };
        let mut has_failed = false;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(live)) => seen.live = live.into(),
                    Some(Err(error)) => tracing::warn!(%error, which = K::WHICH, name = self.name, "not watched"),
                    None => return Ok(()),
                },
                Ok(()) = served.changed() => {}
                () = tokio::time::sleep(PAUSE_AFTER_FAILURE), if has_failed => {}
            }
            let wanted = {
                let served = served.borrow();
                (self.build)(served.as_ref().map(|s| s.material.bundle.as_str()))
            };
            has_failed = match self.step(&mut seen, wanted).await {
                Ok(()) => false,
                Err(RepairError::NotLeader(lost)) => return Err(lost),
                Err(RepairError::Call(error)) => {
                    tracing::error!(%error, which = K::WHICH, name = self.name, "not repaired");
                    true
                }
            };
        }
    }

    async fn step(&self, seen: &mut Seen<K>, wanted: Option<K>) -> Result<(), RepairError> {
        let Some(wanted) = wanted else { return Ok(()) };
        let live = match &seen.live {
            Live::Unknown => return Ok(()),
            Live::Absent => None,
            Live::Present(live) => Some(live.as_ref()),
        };
        if live.is_some_and(|live| is_as_wanted(live, &wanted)) {
            seen.in_order = Some(wanted);
            return Ok(());
        }
        let drift = drift_of(live, seen.in_order.as_ref(), &wanted);
        let repaired = self.repair(&wanted).await?;
        // Said only after the repair: what is reported as repaired is.
        if let Some(change) = drift {
            (self.report)(Drift {
                which: K::WHICH,
                name: self.name.clone(),
                change,
            });
        }
        *seen = Seen {
            live: Some(repaired).into(),
            in_order: Some(wanted),
        };
        Ok(())
    }

    /// Takes our fields back; then removes what others added, which an apply leaves alone.
    async fn repair(&self, wanted: &K) -> Result<K, RepairError> {
        self.leadership.ensure()?;
        let (params, body) = (
            PatchParams::apply(FIELD_MANAGER).force(),
            Patch::Apply(wanted),
        );
        let apply = self.api.patch(&self.name, &params, &body);
        let applied = deadline(apply).await?;
        if is_as_wanted(&applied, wanted) {
            return Ok(applied);
        }
        self.leadership.ensure()?;
        let mut whole = wanted.clone();
        whole.meta_mut().resource_version = applied.resource_version();
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let replace = self.api.replace(&self.name, &params, &whole);
        Ok(deadline(replace).await?)
    }
}

/// The change by others behind a difference. A first installation, an upgrade or a new bundle is none.
fn drift_of<K: Owned>(live: Option<&K>, in_order: Option<&K>, wanted: &K) -> Option<Change> {
    let was_in_order = in_order.is_some_and(|before| before.has_content_of(wanted));
    let Some(live) = live else {
        return was_in_order.then_some(Change::Deleted);
    };
    let change = blame::<K>(
        live.meta().managed_fields.as_deref().unwrap_or_default(),
        FIELD_MANAGER,
    );
    let is_by_others = matches!(
        &change,
        Change::Edited {
            manager: Some(_),
            ..
        }
    );
    (was_in_order || is_by_others).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fake::Fake;
    use crate::cluster::webhook_config::{CONFIGURATION, validating};
    use crate::cluster::webhook_settings::{Endpoint, Settings, Unlabelled};
    use crate::domain::leadership::Timing;
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    use serde_json::json;
    use std::sync::Mutex;
    use std::time::Instant;

    type Validating = ValidatingWebhookConfiguration;

    const PATH: &str =
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gate.permits.dev";

    fn wanted(bundle: &str) -> Validating {
        let namespace = "permit-system".to_owned();
        validating(
            &Settings {
                namespace,
                endpoint: Endpoint::Service,
                unlabelled: Unlabelled::Report,
            },
            bundle,
        )
    }

    struct Room {
        fake: Fake,
        keeper: Keeper<Validating>,
        drifts: Arc<Mutex<Vec<Drift>>>,
        seen: Seen<Validating>,
    }

    impl Room {
        fn new() -> Self {
            let (fake, drifts) = (Fake::default(), Arc::new(Mutex::new(Vec::new())));
            let heard = drifts.clone();
            let leadership =
                Leadership::granted(1, Timing::of_lease(Duration::from_hours(1)), Instant::now());
            let keeper = Keeper::new(
                fake.client(),
                (CONFIGURATION, leadership),
                |bundle| bundle.map(wanted),
                move |drift| heard.lock().unwrap().push(drift),
            );
            Self {
                fake,
                keeper,
                drifts,
                seen: Seen {
                    live: Live::Unknown,
                    in_order: None,
                },
            }
        }

        /// What a watch would show now, and what the keeper does about it.
        async fn look(&mut self) -> Result<(), RepairError> {
            self.seen.live = self.live().into();
            self.keeper.step(&mut self.seen, Some(wanted("CA"))).await
        }

        fn live(&self) -> Option<Validating> {
            self.fake
                .get(PATH)
                .map(|value| serde_json::from_value(value).unwrap())
        }

        #[track_caller]
        fn is_in_order(&self) {
            assert!(is_as_wanted(&self.live().unwrap(), &wanted("CA")));
        }
    }

    #[tokio::test]
    async fn the_first_installation_is_no_drift_and_order_costs_no_write() {
        let mut room = Room::new();
        room.look().await.unwrap();
        room.is_in_order();
        let writes = room.fake.writes();
        room.look().await.unwrap();
        assert_eq!(room.fake.writes(), writes);
        assert!(room.drifts.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_installed_before_there_is_a_certificate() {
        let mut room = Room::new();
        room.seen.live = Live::Absent;
        room.keeper.step(&mut room.seen, None).await.unwrap();
        assert_eq!(room.fake.writes(), 0);
    }

    #[tokio::test]
    async fn a_deleted_configuration_is_made_again_and_told() {
        let mut room = Room::new();
        room.look().await.unwrap();
        room.fake.remove(PATH);
        room.look().await.unwrap();
        room.is_in_order();
        let wanted = [Drift {
            which: "validating",
            name: CONFIGURATION.to_owned(),
            change: Change::Deleted,
        }];
        assert_eq!(*room.drifts.lock().unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_weakened_entry_is_taken_back_and_its_manager_told() {
        let mut room = Room::new();
        room.look().await.unwrap();
        room.fake.change(PATH, |live| {
            live["webhooks"][0]["failurePolicy"] = "Ignore".into();
            let fields = json!({"f:webhooks": {"k:{\"name\":\"gate.permits.dev\"}": {"f:failurePolicy": {}}}});
            live["metadata"]["managedFields"] = json!([{"manager": "kubectl-edit", "fieldsV1": fields}]);
        });
        room.look().await.unwrap();
        room.is_in_order();
        let drifts = room.drifts.lock().unwrap();
        let Change::Edited {
            manager, fields, ..
        } = &drifts[0].change
        else {
            panic!("an edit")
        };
        assert_eq!(manager.as_deref(), Some("kubectl-edit"));
        assert_eq!(fields.len(), 1);
    }

    #[tokio::test]
    async fn an_entry_added_by_somebody_else_is_removed() {
        let mut room = Room::new();
        room.look().await.unwrap();
        room.fake.change(PATH, |live| {
            let mut extra = live["webhooks"][0].clone();
            extra["name"] = "extra.gate.permits.dev".into();
            live["webhooks"].as_array_mut().unwrap().push(extra);
        });
        room.look().await.unwrap();
        room.is_in_order();
    }

    #[tokio::test]
    async fn a_new_bundle_is_applied_and_is_no_drift() {
        let mut room = Room::new();
        room.look().await.unwrap();
        room.seen.live = room.live().into();
        room.keeper
            .step(&mut room.seen, Some(wanted("CA2")))
            .await
            .unwrap();
        assert!(is_as_wanted(&room.live().unwrap(), &wanted("CA2")));
        assert!(room.drifts.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_leads_no_more_repairs_nothing() {
        let mut room = Room::new();
        room.keeper.leadership.lost.cancel();
        assert!(matches!(room.look().await, Err(RepairError::NotLeader(_))));
        assert_eq!(room.fake.writes(), 0);
    }
}
