//! One watch: fills a shelf for ever, and says what is wrong while it cannot.
//!
//! kube begins a watch again by itself; how long to wait, and that a list without an answer is asked anew, is decided
//! here. What was known stays known meanwhile. Does not know what the objects mean.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::Resource;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use rand::Rng as _;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::due::{Due, PermitRef};
use super::read::trim;
use super::shelf::{Read, Shelf, Touched};

/// How long one step of a list may take; kube itself would wait for ever.
pub(super) const LIST_LIMIT: Duration = Duration::from_secs(10);
/// The first pause after a failure, and the longest: an API that was only just installed is there within a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often one watch may say that it fails.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// What is read of an object.
pub(super) type Reads<K, V> = Box<dyn Fn(&K) -> Read<V> + Send + Sync>;
/// The permits that a change concerns.
pub(super) type Concerns = Box<dyn Fn(&Touched) -> Vec<PermitRef> + Send + Sync>;

/// A watch of one kind, and what becomes of its objects.
pub(super) struct Watch<K, V> {
    /// What it is called where it is told about.
    pub(super) name: &'static str,
    pub(super) api: Api<K>,
    pub(super) config: watcher::Config,
    /// How long one step of a list may take.
    pub(super) patience: Duration,
    pub(super) shelf: Arc<Shelf<V>>,
    /// What is read of an object.
    pub(super) read: Reads<K, V>,
    pub(super) concerns: Concerns,
}

impl<K, V> Watch<K, V>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Watches for ever.
    pub(super) async fn run(self, due: Due) {
        let mut trouble = Trouble::new(self.name);
        loop {
            let (api, config) = (self.api.clone(), self.config.clone());
            let events = watcher(api, config);
            let why = self.follow(Box::pin(events), (&due, &mut trouble)).await;
            sleep(trouble.pause(why)).await;
        }
    }

    /// Follows one stream of events until it gives no answer.
    async fn follow(
        &self,
        mut events: impl Stream<Item = watcher::Result<Event<K>>> + Unpin,
        with: (&Due, &mut Trouble),
    ) -> &'static str {
        let (due, trouble) = with;
        let mut is_listing = true;
        loop {
            let next = if is_listing {
                match timeout(self.patience, events.next()).await {
                    Ok(next) => next,
                    Err(_) => return "the list was not answered in time",
                }
            } else {
                events.next().await
            };
            match next {
                Some(Ok(event)) => {
                    match &event {
                        Event::Init => is_listing = true,
                        Event::InitApply(_) => {}
                        Event::InitDone | Event::Apply(_) | Event::Delete(_) => {
                            is_listing = false;
                            trouble.is_over();
                        }
                    }
                    self.take(event, due).await;
                }
                Some(Err(error)) => sleep(trouble.pause(&error.to_string())).await,
                None => return "the watch ended",
            }
        }
    }

    async fn take(&self, event: Event<K>, due: &Due) {
        let event = event.modify(trim);
        let touched = self.shelf.take(event, &self.read);
        // Named only when they can be found: whoever looks at once must see what is new.
        due.name(|| touched.iter().flat_map(&self.concerns).collect())
            .await;
    }
}

/// What a watch suffers: how long to wait, and whether to tell.
struct Trouble {
    name: &'static str,
    failures: u32,
    untold: u32,
    told: Option<Instant>,
}

impl Trouble {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            failures: 0,
            untold: 0,
            told: None,
        }
    }

    const fn is_over(&mut self) {
        self.failures = 0;
    }

    /// Tells of a failure, but not too often, and says how long to wait before the next try.
    fn pause(&mut self, why: &str) -> Duration {
        if self.told.is_none_or(|told| told.elapsed() >= SAY_AGAIN) {
            warn!(
                cache = self.name,
                why,
                untold = self.untold,
                "watch interrupted"
            );
            (self.told, self.untold) = (Some(Instant::now()), 0);
        } else {
            self.untold += 1;
        }
        let (first, longest) = PAUSES;
        let pause = first
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(longest);
        self.failures = self.failures.saturating_add(1);
        // Spread, so that the watches of all replicas do not come back in one moment.
        pause.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests;
