//! `kubectl permit completion`: scripts that complete `kubectl-permit` in a shell, and the file by which kubectl's own
//! completion finds the plugin's.
//!
//! What is offered is decided in `candidates`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use super::args::Cli;
use super::exit::{Exit, Refusal};
use super::output::{self, Format};

/// Print a completion script
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell; `install` writes the file by which `kubectl permit` is completed in every shell that completes kubectl
    #[arg(value_enum, value_name = "SHELL")]
    what: What,
    /// Directory on PATH for `install` [default: where kubectl-permit itself is]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Output of the script, or of where it was written
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// The shells that kubectl completes in, and the installation for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// A script for bash
    Bash,
    /// A script for zsh
    Zsh,
    /// A script for fish
    Fish,
    /// A script for PowerShell
    Powershell,
    /// Write kubectl_complete-permit, which kubectl 1.26 and newer ask
    Install,
}

/// What kubectl looks for on PATH to complete `kubectl permit`.
const SHIM: &str = "kubectl_complete-permit";
const SHIM_TEXT: &str = "#!/bin/sh\nexec kubectl-permit __complete -- \"$@\"\n";

/// Prints the script, or writes the file.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let shell = match args.what {
        What::Bash => Shell::Bash,
        What::Zsh => Shell::Zsh,
        What::Fish => Shell::Fish,
        What::Powershell => Shell::PowerShell,
        What::Install => return install(args),
    };
    if args.dir.is_some() {
        let next = "redirect the script into a file, or leave --dir out";
        return Err(Refusal::error("--dir belongs to `completion install`", next).into());
    }
    let script = script(shell);
    if args.output.is_none() {
        // Byte for byte, because a shell reads it.
        output::write(&script)?;
        return Ok(Exit::Done);
    }
    let text = String::from_utf8_lossy(&script);
    let value = json!({"shell": shell.to_string(), "script": text});
    output::show(args.output, &value, &shell.to_string(), &text)?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kubectl-permit", &mut script);
    script
}

fn install(args: &Args) -> anyhow::Result<Exit> {
    let own = std::env::current_exe().context("find where kubectl-permit is")?;
    let dir = args
        .dir
        .as_deref()
        .or_else(|| own.parent())
        .unwrap_or(Path::new("."));
    let path = dir.join(SHIM);
    write_shim(&path).map_err(|error| {
        Refusal::error(
            format!("`{}` cannot be written: {error}", path.display()),
            "give a directory of your own that is on PATH: --dir DIR",
        )
    })?;
    let path = path.display().to_string();
    let told = format!("{path} written");
    output::show(args.output, &json!({"written": path}), &path, &told)?;
    output::hint(
        "  next    kubectl permit get <TAB>, in a shell that completes kubectl (kubectl completion --help)",
    );
    Ok(Exit::Done)
}

#[cfg(unix)]
fn write_shim(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::write(path, SHIM_TEXT)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn write_shim(_: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this system runs no shell scripts: use `completion powershell`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = String::from_utf8(script(shell)).unwrap();
            let commands = ["request", "approve", "request-changes", "explain", "audit"];
            assert!(
                commands.iter().all(|command| script.contains(command)),
                "{shell:?}"
            );
        }
    }

    #[test]
    fn what_kubectl_looks_for_can_be_run() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        write_shim(&dir.path().join(SHIM)).unwrap();
        let mode = std::fs::metadata(dir.path().join(SHIM))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111);
    }
}
