//! Environment: what the harness takes from the variables around it.
//!
//! Decides which variables count and what stands in for a missing one; the only reader of them in this crate.
//! Does not know what is done with the answers.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::getuid;

/// Where built programs and reservations are kept from one run to the next.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let base = match (directory("XDG_CACHE_HOME"), directory("HOME")) {
        (Some(cache), _) => cache,
        (None, Some(home)) => home.join(".cache"),
        (None, None) => {
            anyhow::bail!("no place for the built programs: set HOME or XDG_CACHE_HOME")
        }
    };
    Ok(base.join("permit-operator"))
}

/// Where runs keep their data: one directory a user, so that nobody meets another's files.
pub(crate) fn runs_dir() -> PathBuf {
    env::temp_dir().join(format!("permit-operator-{}", getuid()))
}

/// A directory with kube-apiserver, etcd and kubectl, by the convention of envtest.
pub(crate) fn assets_dir() -> Option<PathBuf> {
    directory("KUBEBUILDER_ASSETS")
}

/// The search path for programs with `first` ahead of everything else.
pub(crate) fn search_path(first: &[&Path]) -> String {
    let rest = env::var_os("PATH").unwrap_or_default();
    let rest: Vec<PathBuf> = env::split_paths(&rest).collect();
    let all = first
        .iter()
        .map(|dir| dir.display().to_string())
        .chain(rest.iter().map(|dir| dir.display().to_string()));
    all.collect::<Vec<_>>().join(":")
}

/// The directory of the binaries that Cargo built beside the running one.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let running = env::current_exe().context("find the running program")?;
    let dir = running
        .parent()
        .context("the running program lies in no directory")?;
    let is_test = dir
        .file_name()
        .is_some_and(|name| name == "deps" || name == "examples");
    Ok(if is_test {
        dir.parent().unwrap_or(dir).to_owned()
    } else {
        dir.to_owned()
    })
}

/// The cargo that started us, where one did.
pub(crate) fn cargo() -> Option<PathBuf> {
    env::var_os("CARGO").map(PathBuf::from)
}

fn directory(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
