//! The recorder: sends Events, and remembers some of the last ones so that one that repeats is counted in its series.
//!
//! kube's own remembers each for minutes, and longer when nothing follows: after the requests of a busy hour that would
//! be most of the memory. Does not know what is told.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{self, Event, Reporter};

/// How many Events are remembered at most.
const REMEMBERED: usize = 256;

/// Sends Events.
pub struct Recorder {
    client: Client,
    reporter: Reporter,
    current: Mutex<Current>,
}

/// What remembers, and how many more it may.
struct Current {
    recorder: events::Recorder,
    room: usize,
}

impl Recorder {
    /// Sends under this name.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let current = Mutex::new(Current::new(&client, &reporter));
        Self {
            client,
            reporter,
            current,
        }
    }

    /// Sends one Event about an object.
    pub(super) async fn publish(
        &self,
        event: &Event,
        about: &ObjectReference,
    ) -> Result<(), kube::Error> {
        let recorder = self.recorder();
        recorder.publish(event, about).await
    }

    fn recorder(&self) -> events::Recorder {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.room == 0 {
            *current = Current::new(&self.client, &self.reporter);
        }
        current.room -= 1;
        current.recorder.clone()
    }
}

impl Current {
    fn new(client: &Client, reporter: &Reporter) -> Self {
        Self {
            recorder: events::Recorder::new(client.clone(), reporter.clone()),
            room: REMEMBERED,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use axum::http::{Method, Request, Response};
    use kube::client::Body;
    use kube::runtime::events::EventType;

    use super::*;

    /// A client that hands back what it is sent, and tells how.
    fn echo() -> (Client, Arc<Mutex<Vec<Method>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let methods = Arc::clone(&asked);
        let answer = move |request: Request<Body>| {
            methods.lock().unwrap().push(request.method().clone());
            async { Ok::<_, Infallible>(Response::new(request.into_body())) }
        };
        (Client::new(tower::service_fn(answer), "shop"), asked)
    }

    #[tokio::test]
    async fn a_repeated_event_is_counted_and_only_so_many_are_remembered() {
        let (client, asked) = echo();
        let recorder = Recorder::new(client, "permit-operator".into());
        let event = Event {
            type_: EventType::Normal,
            reason: "Issued".into(),
            note: None,
            action: "Issued".into(),
            secondary: None,
        };
        let about = ObjectReference::default();
        for _ in 0..=REMEMBERED {
            recorder.publish(&event, &about).await.unwrap();
        }
        let asked = asked.lock().unwrap();
        assert_eq!(asked[..3], [Method::POST, Method::PATCH, Method::PATCH]);
        assert_eq!(asked[REMEMBERED - 1..], [Method::PATCH, Method::POST]);
    }
}
