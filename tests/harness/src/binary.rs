//! Binary: the programs of this workspace.
//!
//! Decides where a binary lies, and that a missing one is built. Does not know what it does. Cargo keeps binaries
//! fresh for tests of the whole workspace; a test of one package alone may find another's older.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::environment;
use crate::process::run;

/// The path of the binary `name`, beside the running one. Under Cargo a missing one is built; that blocks the
/// thread.
pub fn built(name: &str) -> Result<PathBuf> {
    let dir = environment::target_dir()?;
    let path = dir.join(name);
    if let (false, Some(cargo)) = (path.is_file(), environment::cargo()) {
        let mut command = Command::new(cargo);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        // The whole workspace: other features of shared dependencies would mean to build those anew.
        command.args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            name,
            "--target-dir",
        ]);
        command.arg(dir.parent().unwrap_or(&dir));
        command.args(dir.ends_with("release").then_some("--release"));
        run(command, None)?
            .ok()
            .with_context(|| format!("build {name} with cargo"))?;
    }
    ensure!(
        path.is_file(),
        "no binary `{name}` beside the running one: run `cargo build --workspace` first"
    );
    Ok(path)
}
