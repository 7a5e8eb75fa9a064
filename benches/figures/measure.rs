//! Measure: the time of one call, many times, after a warm-up.
//!
//! Decides that nothing is sampled cold: sampling takes the proof that a warm-up has run. Does not know what is called.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::machine::as_f64;

/// How long everything is run before its first sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarmUp(Duration);

/// The proof of a warm-up, without which there are no samples.
pub(crate) struct Warm(());

impl WarmUp {
    /// Refuses a warm-up of nothing: a cold figure says more of page faults than of the program.
    pub(crate) fn new(seconds: f64) -> Result<Self> {
        ensure!(
            seconds.is_finite() && (0.1..=60.0).contains(&seconds),
            "no figures without a warm-up: give --warm-up between 0.1 and 60 seconds"
        );
        Ok(Self(Duration::from_secs_f64(seconds)))
    }

    /// Runs `call` for the length of the warm-up, at least once.
    pub(crate) fn of<T>(self, mut call: impl FnMut() -> T) -> Warm {
        let end = Instant::now() + self.0;
        loop {
            black_box(call());
            if Instant::now() >= end {
                return Warm(());
            }
        }
    }

    /// The same for a call that waits and may fail.
    pub(crate) async fn of_async<F>(self, mut call: impl FnMut() -> F) -> Result<Warm>
    where
        F: Future<Output = Result<()>>,
    {
        let end = Instant::now() + self.0;
        loop {
            call().await?;
            if Instant::now() >= end {
                return Ok(Warm(()));
            }
        }
    }
}

/// Times of single calls, in nanoseconds.
#[derive(Default)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    /// Times each of `laps` calls.
    pub(crate) fn take<T>(_: &Warm, laps: usize, mut call: impl FnMut() -> T) -> Self {
        let mut samples = Self(Vec::with_capacity(laps));
        for _ in 0..laps {
            let began = Instant::now();
            black_box(call());
            samples.add(began.elapsed());
        }
        samples
    }

    /// Times each of `laps` calls that wait, and goes on with what was sampled before.
    pub(crate) async fn extend<F>(
        &mut self,
        _: &Warm,
        laps: usize,
        mut call: impl FnMut() -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        for _ in 0..laps {
            let began = Instant::now();
            call().await?;
            self.add(began.elapsed());
        }
        Ok(())
    }

    /// One more.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0
            .push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a hundred calls do not exceed, in microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        as_f64(sorted.get(rank).copied().unwrap_or_default()) / 1_000.0
    }
}
