//! Audit: what the API server itself wrote down about requests.
//!
//! Decides which lines of its log are whole. Does not know what they ought to say.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The events after the first `from` bytes of the log, and where the next reading starts. A line that is not
/// finished yet is left for then.
pub(super) fn events_from(log: &Path, from: usize) -> Result<(Vec<Value>, usize)> {
    let text = fs::read_to_string(log)
        .with_context(|| format!("read the audit log: {}", log.display()))?;
    let whole = text.rfind('\n').map_or(0, |last| last + 1);
    let fresh = text.get(from..whole).unwrap_or_default();
    let events = fresh
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>();
    Ok((
        events.context("read an event of the audit log")?,
        whole.max(from),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_unfinished_line_is_read_once_it_is_whole() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        log.write_all(b"{\"verb\":\"get\"}\n{\"verb\":").unwrap();
        let (events, next) = events_from(log.path(), 0).unwrap();
        assert_eq!((events.len(), events[0]["verb"].as_str()), (1, Some("get")));
        log.write_all(b"\"list\"}\n").unwrap();
        let (events, _) = events_from(log.path(), next).unwrap();
        assert_eq!(
            (events.len(), events[0]["verb"].as_str()),
            (1, Some("list"))
        );
    }
}
