//! Shown: real commands, printed with their true output, and the time of each step.
//!
//! Decides how the story looks on a terminal. Does not know what is told.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use permit_harness::{ControlPlane, Output, User};

#[expect(clippy::print_stdout, reason = "the story is told on standard output")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// The story so far.
pub(crate) struct Shown<'a> {
    plane: &'a ControlPlane,
    steps: Vec<(String, Duration)>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(plane: &'a ControlPlane) -> Self {
        Self {
            plane,
            steps: Vec::new(),
        }
    }

    pub(crate) fn plane(&self) -> &'a ControlPlane {
        self.plane
    }

    pub(crate) fn steps(&self) -> &[(String, Duration)] {
        &self.steps
    }

    /// A step that was taken silently.
    pub(crate) fn took(&mut self, step: &str, time: Duration) {
        self.steps.push((step.to_owned(), time));
    }

    /// Opens a step: what is run from now on is part of it.
    pub(crate) fn step(&mut self, title: &str) {
        say(&format!("\n== {title}"));
        self.took(title, Duration::ZERO);
    }

    /// Counts what has passed since `began` for the open step.
    pub(crate) fn counted(&mut self, began: Instant) {
        if let Some((_, took)) = self.steps.last_mut() {
            *took += began.elapsed();
        }
    }

    /// Runs a real kubectl that has to succeed; returns its output.
    pub(crate) async fn run(
        &mut self,
        user: &User,
        args: &[&str],
        stdin: Option<&str>,
    ) -> Result<String> {
        self.any(user, args, stdin).await?.ok()
    }

    /// Runs a real kubectl that has to be refused, with `word` among the reasons.
    pub(crate) async fn refused(
        &mut self,
        user: &User,
        args: &[&str],
        (stdin, word): (Option<&str>, &str),
    ) -> Result<String> {
        let output = self.any(user, args, stdin).await?;
        ensure!(!output.is_success(), "this had to be refused");
        ensure!(
            output.stderr.contains(word),
            "refused for another reason than {word}: {}",
            output.stderr
        );
        Ok(output.stderr)
    }

    async fn any(&mut self, user: &User, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let began = Instant::now();
        let who = user.name().split('@').next().unwrap_or_default();
        say(&format!("\n{who}$ kubectl {}", quoted(args)));
        if let Some(text) = stdin {
            say(indented(text).trim_end());
        }
        let output = self.plane.kubectl(user, args, stdin).await?;
        say(format!("{}{}", output.stdout, output.stderr).trim_end());
        self.counted(began);
        Ok(output)
    }
}

/// The arguments as they would be typed.
fn quoted(args: &[&str]) -> String {
    let quote = |arg: &&str| {
        if arg.contains([' ', '{', '*', '\'']) {
            format!("'{arg}'")
        } else {
            (*arg).to_owned()
        }
    };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  | ", line, "\n"]).collect()
}
