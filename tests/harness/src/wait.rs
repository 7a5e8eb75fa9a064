//! Wait: ask again until it is so.
//!
//! Decides how often and how long something is asked, and what is said when it never came true.
//! Does not know what is asked.

use std::time::Duration;

use anyhow::{Error, Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// The pause after the first attempt; each later one is half as long again, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// Runs `check` until it returns `Ok`, for at most `deadline`. Its errors say what was seen instead; the last
/// one is in the error returned: `WHAT did not come true within 30s: last seen: …`.
pub async fn eventually<T, F, Fut>(deadline: Duration, what: &str, mut check: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    let mut pause = SHORTEST;
    let mut seen: Option<Error> = None;
    loop {
        match timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = Some(error),
            Err(_) => seen = Some(seen.unwrap_or_else(|| anyhow!("no answer at all"))),
        }
        if Instant::now() + pause >= end {
            let seen = seen.map_or_else(String::new, |error| format!("{error:#}"));
            return Err(anyhow!(
                "{what}: did not come true within {deadline:?}: last seen: {seen}"
            ));
        }
        sleep(pause).await;
        pause = LONGEST.min(pause * 3 / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn what_comes_true_later_is_returned() {
        let asked = Cell::new(0);
        let check = || {
            asked.set(asked.get() + 1);
            let count = asked.get();
            async move {
                if count > 2 {
                    Ok(count)
                } else {
                    Err(anyhow!("{count}"))
                }
            }
        };
        assert_eq!(
            eventually(Duration::from_secs(30), "three", check)
                .await
                .unwrap(),
            3
        );
    }

    #[tokio::test]
    async fn what_never_comes_true_says_what_it_last_saw() {
        let never = || async { Err::<(), _>(anyhow!("2 of 3 replicas")) };
        let error = eventually(Duration::from_millis(30), "the rollout ends", never)
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the rollout ends: did not come true within 30ms: last seen: 2 of 3 replicas"
        );
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_given_up() {
        let error = eventually(
            Duration::from_millis(30),
            "an answer",
            std::future::pending::<Result<()>>,
        )
        .await;
        assert!(error.unwrap_err().to_string().contains("no answer at all"));
    }
}
