//! Due: names the permits that a change concerns to whoever works on them, and to nobody while nobody does.
//!
//! Only the leader works on permits. Before it listens nothing is kept for it: it begins with every permit there is.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;

/// How many permits may be named and not yet looked at; a full channel waits, it never drops.
const DEPTH: usize = 8192;

/// Names a permit. Cloning shares the names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PermitRef {
    /// The permit's namespace.
    pub namespace: Arc<str>,
    /// The permit's name.
    pub name: Arc<str>,
}

impl PermitRef {
    /// The permit of this name in this namespace.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

type Listener = mpsc::Sender<PermitRef>;

/// Names permits as due. Cloning shares it.
#[derive(Clone, Default)]
pub struct Due(Arc<RwLock<Option<Listener>>>);

impl Due {
    /// From now on every permit that a change concerns is named here. What was due before is not: look at every permit
    /// once, after this.
    pub fn listen(&self) -> (Listener, mpsc::Receiver<PermitRef>) {
        let (listener, dues) = mpsc::channel(DEPTH);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(listener.clone());
        (listener, dues)
    }

    /// Names permits, which are worked out only if somebody listens.
    pub(super) async fn name(&self, permits: impl FnOnce() -> Vec<PermitRef>) {
        let listener = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(listener) = listener else { return };
        for permit in permits() {
            // Who has stopped listening is ending its process.
            let _ = listener.send(permit).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(name: &str) -> PermitRef {
        PermitRef::new("shop", name)
    }

    #[tokio::test]
    async fn a_follower_waits_for_nobody_however_much_happens() {
        let due = Due::default();
        for n in 0..=DEPTH {
            due.name(|| vec![permit(&n.to_string())]).await;
        }
        let (_listener, mut dues) = due.listen();
        due.name(|| vec![permit("a")]).await;
        assert_eq!(dues.recv().await, Some(permit("a")), "only what came after");
        assert!(dues.is_empty());
    }

    #[tokio::test]
    async fn whoever_stops_listening_stops_nobody() {
        let due = Due::default();
        drop(due.listen());
        due.name(|| vec![permit("a")]).await;
    }
}
