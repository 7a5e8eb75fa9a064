//! Report: each figure as a line, and all of them as a page.
//!
//! Decides what `ok` and `short` mean, and how a page looks. Asserts nothing: a short figure is no failed run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::machine::{Machine, load};
use crate::measure::Samples;

#[expect(clippy::print_stdout, reason = "the figures are the program's answer")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Everything that was measured.
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    raw: Vec<String>,
    notes: Vec<(&'static str, String)>,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: f64,
}

impl Figure {
    /// Less is better in every figure.
    fn verdict(&self) -> &'static str {
        if self.value <= self.limit {
            "ok"
        } else {
            "short"
        }
    }
}

impl Report {
    /// An empty report, with the machine's table printed.
    pub(crate) fn begin() -> Self {
        let machine = Machine::look();
        for (name, value) in machine.rows() {
            say(&format!("machine {name}: {value}"));
        }
        Self {
            machine,
            figures: Vec::new(),
            raw: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A figure, its unit, and what it should be at most.
    pub(crate) fn figure(&mut self, name: &str, (value, unit): (f64, &'static str), limit: f64) {
        let figure = Figure {
            name: name.to_owned(),
            value,
            unit,
            limit,
        };
        let (value, limit, verdict) = (number(value), number(limit), figure.verdict());
        say(&format!(
            "figure {name} {value} {unit} goal {limit} {verdict}"
        ));
        self.figures.push(figure);
    }

    /// Times without a goal of their own, for whoever wants to see behind a figure.
    pub(crate) fn raw(&mut self, name: &str, samples: &Samples) {
        let at = |percent| number(samples.percentile(percent));
        self.raw_line(format!(
            "{name}: p50 {} us, p90 {} us, p99 {} us, longest {} us, {} samples",
            at(50),
            at(90),
            at(99),
            at(100),
            samples.len()
        ));
    }

    /// One value without a goal.
    pub(crate) fn raw_line(&mut self, line: String) {
        say(&format!("raw {line}"));
        self.raw.push(line);
    }

    /// What exactly is measured, under the figures of one part.
    pub(crate) fn note(&mut self, part: &'static str, text: String) {
        self.notes.push((part, text));
    }

    /// Writes the page; returns where it is.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tmp.parent().unwrap_or(tmp).join("bench");
        let file = dir.join("report.md");
        let write = fs::create_dir_all(&dir).and_then(|()| fs::write(&file, self.page()));
        write.with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    fn page(&self) -> String {
        let mut page =
            "# Figures\n\nRelease profile. Nothing here is asserted; `short` is a debt.\n\n"
                .to_owned();
        page += "| machine | |\n| --- | --- |\n";
        for (name, value) in self.machine.rows() {
            let _ = writeln!(page, "| {name} | {value} |");
        }
        let _ = writeln!(page, "| load when it ended | {} |", load());
        page +=
            "\n| figure | value | unit | goal (at most) | |\n| --- | ---: | --- | ---: | --- |\n";
        for figure in &self.figures {
            let (value, limit) = (number(figure.value), number(figure.limit));
            let _ = writeln!(
                page,
                "| {} | {value} | {} | {limit} | {} |",
                figure.name,
                figure.unit,
                figure.verdict()
            );
        }
        page += "\n## Raw\n\n";
        for line in &self.raw {
            let _ = writeln!(page, "- {line}");
        }
        page += "\n## How each was measured\n\n";
        for (part, text) in &self.notes {
            let _ = writeln!(page, "- **{part}**: {text}");
        }
        page
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
