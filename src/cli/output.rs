//! The one place that prints: results on stdout, hints and errors on stderr.
//!
//! Colours reach only streams that can show them (NO_COLOR, TERM, no terminal: none). Knows formats, not contents.

use std::io::{ErrorKind, IsTerminal as _, Write};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;

use super::exit::Report;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The object as JSON.
    Json,
    /// The object as YAML.
    Yaml,
    /// `TYPE/NAME` only.
    Name,
    /// The usual text, with more columns where there are any.
    Wide,
}

/// Whether a person sees stdout, so that a picture may be drawn over the last one.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a result, ended by a line break.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stream = anstream::stdout().lock();
    finish(writeln!(stream, "{}", text.trim_end()).and_then(|()| stream.flush()))
}

/// Prints bytes as they are, for files that other programs read.
pub(super) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stream = std::io::stdout().lock();
    finish(stream.write_all(bytes).and_then(|()| stream.flush()))
}

/// Tells something beside the result; stdout stays clean.
pub(super) fn hint(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Tells what went wrong and what to do next.
pub(super) fn report(report: &Report) {
    hint(&format!("error: {}", report.message));
    if let Some(next) = &report.next {
        hint(&format!("  next: {next}"));
    }
}

/// Prints `value` in the format asked for, or `text` where none was.
pub(super) fn show<T: Serialize>(
    format: Option<Format>,
    value: &T,
    name: &str,
    text: &str,
) -> anyhow::Result<()> {
    match format {
        Some(Format::Json) => {
            print(&serde_json::to_string_pretty(value).context("write the result as JSON")?)
        }
        Some(Format::Yaml) => {
            print(&serde_saphyr::to_string(value).context("write the result as YAML")?)
        }
        Some(Format::Name) => print(name),
        Some(Format::Wide) | None => print(text),
    }
}

/// A reader that went away (`| head`) is no error.
fn finish(written: std::io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("write to stdout"),
    }
}

/// How kubectl names a permit.
pub(super) fn permit_ref(name: &str) -> String {
    format!("permit.permits.dev/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(finish(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(finish(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
