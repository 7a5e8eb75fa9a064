//! Workdir: the directory of one run, and what becomes of those that earlier runs left.
//!
//! Decides where files of a run lie and which leftovers may go. Does not know what the files are.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::environment;

/// A directory that its run holds by a lock; the kernel lets go of it however the run ends.
#[derive(Debug)]
pub(crate) struct Workdir {
    dir: TempDir,
    _lock: File,
}

impl Workdir {
    /// A fresh directory; leftovers of runs that were killed are removed first.
    pub(crate) fn create() -> Result<Self> {
        Self::create_in(&environment::runs_dir())
    }

    fn create_in(base: &Path) -> Result<Self> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(base);
        made.with_context(|| format!("create {}", base.display()))?;
        // Held while a directory exists without its own lock, so that nobody sweeps it in that moment.
        let _entry = locked(&base.join(".lock"))?;
        sweep(base);
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(base);
        let dir = dir.with_context(|| format!("create a directory in {}", base.display()))?;
        let lock = locked(&dir.path().join(".lock"))?;
        Ok(Self { dir, _lock: lock })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A directory below, made if it is missing.
    pub(crate) fn subdir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }
}

fn locked(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Removes the directories that nobody holds. What cannot be removed is left for the next run.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let Ok(lock) = File::open(entry.path().join(".lock")) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let open = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished);
    let write = open.and_then(|mut file| file.write_all(text.as_bytes()));
    write
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_what_is_in_use_stays() {
        let base = tempfile::tempdir().unwrap();
        let living = Workdir::create_in(base.path()).unwrap();
        let killed = Workdir::create_in(base.path()).unwrap();
        let leftover = killed.path().to_owned();
        let Workdir { dir, _lock: lock } = killed;
        let _ = dir.keep();
        drop(lock);
        let fresh = Workdir::create_in(base.path()).unwrap();
        assert!(living.path().exists() && fresh.path().exists());
        assert!(!leftover.exists());
    }
}
