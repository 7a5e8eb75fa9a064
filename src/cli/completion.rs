//! `kubectl permit completion`: a script that completes `kubectl-permit` in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Cli;
use super::exit::Exit;
use super::output;

/// Print a completion script
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: ShellName,
}

/// The shells that kubectl completes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ShellName {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// Prints the script.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    output::write(&script(args.shell))?;
    Ok(Exit::Done)
}

fn script(shell: ShellName) -> Vec<u8> {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
        ShellName::Powershell => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kubectl-permit", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [
            ShellName::Bash,
            ShellName::Zsh,
            ShellName::Fish,
            ShellName::Powershell,
        ] {
            let script = String::from_utf8(script(shell)).unwrap();
            let commands = ["request", "approve", "request-changes", "explain", "audit"];
            assert!(
                commands.iter().all(|command| script.contains(command)),
                "{shell:?}"
            );
        }
    }
}
