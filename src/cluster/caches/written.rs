//! Facts that were written by this process and that the watch may not have brought back yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::read::Versioned;

/// Written facts by the name of their Secret.
#[derive(Default)]
pub(super) struct Written(Mutex<HashMap<String, Arc<Versioned>>>);

impl Written {
    /// Keeps what was just written.
    pub(super) fn keep(&self, name: &str, written: Versioned) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), Arc::new(written));
    }

    /// The newer one of what was written and what is watched.
    pub(super) fn newest(
        &self,
        name: &str,
        watched: Option<Arc<Versioned>>,
    ) -> Option<Arc<Versioned>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (watched, all.get(name).cloned()) {
            (Some(watched), Some(written)) if number(&written) > number(&watched) => Some(written),
            (Some(watched), _) => Some(watched),
            (None, written) => written,
        }
    }

    /// The watch brought something: what is not newer than that is needed no more, and what was deleted is gone.
    pub(super) fn forget(&self, name: &str, watched: Option<&Versioned>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = |w: &Arc<Versioned>| watched.is_some_and(|seen| number(w) > number(seen));
        if !all.get(name).is_some_and(is_newer) {
            all.remove(name);
        }
    }
}

/// Versions of one object compare as numbers (KEP-5504; true of every etcd-backed resource).
fn number(facts: &Versioned) -> u64 {
    facts.version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: &str) -> Versioned {
        Versioned {
            facts: Arc::default(),
            version: version.into(),
        }
    }

    fn newest(written: &Written, watched: Option<&str>) -> Option<String> {
        let newest = written.newest("a", watched.map(|v| Arc::new(at(v))));
        newest.map(|facts| facts.version.clone())
    }

    #[test]
    fn what_was_written_counts_until_the_watch_brings_something_newer() {
        let written = Written::default();
        written.keep("a", at("10"));
        assert_eq!(newest(&written, None).as_deref(), Some("10"));
        assert_eq!(newest(&written, Some("9")).as_deref(), Some("10"));
        assert_eq!(newest(&written, Some("11")).as_deref(), Some("11"));
    }

    #[test]
    fn what_the_watch_brought_back_or_deleted_is_forgotten() {
        let written = Written::default();
        written.keep("a", at("10"));
        written.forget("a", Some(&at("9")));
        assert_eq!(newest(&written, None).as_deref(), Some("10"));
        written.forget("a", Some(&at("10")));
        assert_eq!(newest(&written, None), None);
        written.keep("a", at("12"));
        written.forget("a", None);
        assert_eq!(newest(&written, None), None);
    }
}
