//! The queue: which permit is worked on when: each at most once at a time, a few side by side, again when it asks to be.
//!
//! Triggers that come close together are one. Keeps names only, because there may be very many. Does not know the work.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::{FuturesUnordered, select};
use futures::{Stream, StreamExt as _};
use kube::runtime::scheduler::{ScheduleRequest, debounced_scheduler};
use tokio::time::Instant;

use crate::cluster::caches::PermitRef;

/// How many permits are worked on at once: one that flaps must not starve the others.
const CONCURRENCY: usize = 8;
/// Triggers of the same permit this close together are one.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// Works on every permit that `due` names, and again after as long as the work says, until `stop`; what has begun then
/// is brought to its end.
pub(super) async fn work<F>(
    due: impl Stream<Item = PermitRef>,
    stop: impl Future<Output = ()>,
    work: impl Fn(PermitRef) -> F,
) where
    F: Future<Output = Option<Duration>>,
{
    let (again_in, again) = mpsc::unbounded();
    let named = due.map(|permit| at(permit, Duration::ZERO));
    let mut queue = pin!(debounced_scheduler(select(named, again), DEBOUNCE));
    let mut stop = pin!(stop);
    let (mut busy, mut running) = (HashSet::new(), FuturesUnordered::new());
    loop {
        let has_room = busy.len() < CONCURRENCY;
        let next = poll_fn(|cx| match queue.as_mut() {
            queue if has_room => queue.hold_unless(|p| !busy.contains(p)).poll_next_unpin(cx),
            queue => queue.hold().poll_next_unpin(cx),
        });
        tokio::select! {
            () = &mut stop => break,
            Some(permit) = next => {
                busy.insert(permit.clone());
                let done = work(permit.clone());
                running.push(async move { (permit, done.await) });
            }
            Some((permit, revisit)) = running.next() => {
                busy.remove(&permit);
                if let Some(pause) = revisit {
                    // The other end is ours.
                    let _ = again_in.unbounded_send(at(permit, pause));
                }
            }
        }
    }
    running.for_each(|_| std::future::ready(())).await;
}

fn at(message: PermitRef, pause: Duration) -> ScheduleRequest<PermitRef> {
    ScheduleRequest {
        message,
        run_at: Instant::now() + pause,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::stream;
    use tokio::sync::Notify;
    use tokio::time::{sleep, timeout};

    use super::*;

    fn named(names: impl IntoIterator<Item = usize>) -> impl Stream<Item = PermitRef> {
        let names: Vec<_> = names.into_iter().collect();
        let names = stream::iter(names).map(|n| PermitRef::new("shop", n.to_string()));
        names.chain(stream::pending())
    }

    async fn in_time(working: impl Future<Output = ()>) {
        let ended = timeout(Duration::from_secs(30), working).await;
        assert!(ended.is_ok(), "what was awaited never came");
    }

    #[tokio::test]
    async fn triggers_that_come_together_are_one() {
        let (looks, first) = (Cell::new(0), Notify::new());
        let look = |_| {
            looks.set(looks.get() + 1);
            first.notify_one();
            async { None }
        };
        let stop = async {
            first.notified().await;
            // Long enough for a second look to be due.
            sleep(DEBOUNCE * 5).await;
        };
        in_time(work(named([1, 1, 1]), stop, look)).await;
        assert_eq!(looks.get(), 1);
    }

    #[tokio::test]
    async fn a_permit_is_looked_at_again_after_as_long_as_it_asked() {
        let (began, looks, third) = (Instant::now(), Cell::new(0), Notify::new());
        let pause = Duration::from_millis(30);
        let look = |_| {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                third.notify_one();
            }
            async move { Some(pause) }
        };
        in_time(work(named([1]), third.notified(), look)).await;
        assert!(began.elapsed() >= pause * 2);
    }

    #[tokio::test]
    async fn a_few_are_worked_on_side_by_side_and_no_more() {
        let (now, most, done) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let (full, all) = (Notify::new(), Notify::new());
        let look = |_| async {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            // The first ones wait until there are as many as there may be.
            if now.get() == CONCURRENCY {
                full.notify_waiters();
            } else if most.get() < CONCURRENCY {
                full.notified().await;
            }
            sleep(Duration::from_millis(1)).await;
            now.set(now.get() - 1);
            done.set(done.get() + 1);
            if done.get() == 100 {
                all.notify_one();
            }
            None
        };
        in_time(work(named(0..100), all.notified(), look)).await;
        assert_eq!((now.get(), most.get()), (0, CONCURRENCY));
    }

    #[tokio::test]
    async fn a_permit_is_worked_on_once_at_a_time_and_again_if_it_is_named_meanwhile() {
        let (now, most, looks) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let (begun, ended) = (Notify::new(), Notify::new());
        let look = |_| async {
            looks.set(looks.get() + 1);
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            begun.notify_one();
            // Long enough for the second trigger to be due.
            sleep(DEBOUNCE * 5).await;
            now.set(now.get() - 1);
            if looks.get() == 2 {
                ended.notify_one();
            }
            None
        };
        let meanwhile = stream::once(async {
            begun.notified().await;
            PermitRef::new("shop", "1")
        });
        in_time(work(select(named([1]), meanwhile), ended.notified(), look)).await;
        assert_eq!(most.get(), 1);
    }

    #[tokio::test]
    async fn what_has_begun_is_brought_to_its_end() {
        let (begun, ended) = (Notify::new(), Cell::new(false));
        let look = |_| async {
            begun.notify_one();
            sleep(Duration::from_millis(50)).await;
            ended.set(true);
            Some(Duration::ZERO)
        };
        in_time(work(named([1]), begun.notified(), look)).await;
        assert!(ended.get());
    }
}
