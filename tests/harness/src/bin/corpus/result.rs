//! Result: what came of each step, as lines of a table.
//!
//! Decides how a line looks. Does not know what was expected: who tries says whether it came so.

use std::time::{Duration, Instant};

use anyhow::Result;

#[expect(clippy::print_stdout, reason = "the table is the program's answer")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

struct Step {
    name: &'static str,
    outcome: Result<String>,
    took: Duration,
}

/// The steps of one Deployment. The first surprise is the last step: what follows would rest on it.
pub(crate) struct Results {
    deployment: String,
    place: String,
    steps: Vec<Step>,
    again: usize,
}

impl Results {
    pub(crate) fn of(deployment: &str, place: String) -> Self {
        Self {
            deployment: deployment.to_owned(),
            place,
            steps: Vec::new(),
            again: 0,
        }
    }

    /// How often the gate could not decide and was asked again: a surprise, though the trial went on.
    pub(crate) fn asked_again(&mut self, times: usize) {
        self.again = times;
    }

    /// Takes a step, if none before it was a surprise; `Ok` says what was seen, in a few words.
    pub(crate) async fn step<F>(&mut self, name: &'static str, step: F)
    where
        F: Future<Output = Result<String>>,
    {
        if self.failure().is_some() {
            return;
        }
        let began = Instant::now();
        let outcome = step.await;
        self.steps.push(Step {
            name,
            outcome,
            took: began.elapsed(),
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// What went otherwise, if anything did.
    pub(crate) fn surprise(&self) -> Option<String> {
        let undecided = || {
            let (deployment, place, times) = (&self.deployment, &self.place, self.again);
            (times > 0).then(|| format!("{deployment} ({place}): GateUnavailable, {times} times"))
        };
        self.failure().or_else(undecided)
    }

    /// The step that went otherwise.
    fn failure(&self) -> Option<String> {
        let last = self.steps.last()?;
        let error = last.outcome.as_ref().err()?;
        Some(format!(
            "{} ({}), {}: {error:#}",
            self.deployment, self.place, last.name
        ))
    }

    /// Prints a line for each step.
    pub(crate) fn show(&self) {
        say(&format!("\n{} ({})", self.deployment, self.place));
        for step in &self.steps {
            let (sign, told) = match &step.outcome {
                Ok(seen) => ("ok      ", seen.clone()),
                Err(error) => ("SURPRISE", format!("{error:#}")),
            };
            let took = step.took.as_secs_f64();
            say(&format!(
                "  {sign} {:<24} {:<46} {took:>5.1} s  {told}",
                self.deployment, step.name
            ));
        }
        if self.again > 0 {
            say(&format!(
                "  SURPRISE {}: the gate could not decide and was asked again: {} times",
                self.deployment, self.again
            ));
        }
    }
}
