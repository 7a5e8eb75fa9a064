//! What may be typed: the commands, and the flags of kubectl that every command takes after its name.
//!
//! Reads the command line and the locale, through clap; judges nothing.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::look::Look;
use super::{
    audit, ballot, check, complete, completion, explain, get, list, request, settings, status,
    template, version, wait,
};

/// Ask for, decide about and follow changes of workloads.
#[derive(Debug, Parser)]
#[command(name = "kubectl-permit", disable_version_flag = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    /// Which cluster, as whom.
    #[command(flatten)]
    pub(super) connection: Connection,
    /// Which characters the terminal takes.
    #[command(flatten)]
    pub(super) locale: Locale,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done or admitted, 1 error, 2 wrong usage, 10 not permitted, 11 still waiting, \
12 rejected, revoked, expired or cancelled, 13 a check was breached and the change rolled back";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// About the permits of a cluster
    #[command(flatten)]
    Online(Online),
    /// About templates: what is wrong with them taken together
    #[command(subcommand)]
    Template(template::Template),
    /// About the configuration: its mistakes, and what is frozen
    #[command(subcommand)]
    Config(settings::Settings),
    /// Verify an exported record, offline
    Audit(audit::Args),
    /// Print the versions of this program and of the server
    Version(version::Args),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// What kubectl asks when somebody presses TAB
    #[command(name = "__complete", hide = true)]
    Complete(complete::Args),
}

/// The commands that are about permits of a cluster.
#[derive(Debug, Subcommand)]
pub(super) enum Online {
    /// Ask for a permit: works out the difference to the live object
    Request(Box<request::Args>),
    /// Say yes to a permit, in a role
    Approve(ballot::RoleArgs),
    /// Say no to a permit, in a role; ends it
    Reject(ballot::RoleArgs),
    /// Ask the requester to change the permit
    RequestChanges(ballot::RoleArgs),
    /// End a hold of the guard
    Resume(ballot::RoleArgs),
    /// Take back your own approval
    Withdraw(ballot::OwnArgs),
    /// End a permit that you requested
    Cancel(ballot::OwnArgs),
    /// End a permit's power; what runs under it is undone as its template says
    Revoke(ballot::RevokeArgs),
    /// Show one permit: stages, approvals, workloads, checks
    Get(get::Args),
    /// List permits
    List(list::Args),
    /// Follow a permit to its end, one line a change
    Status(status::Args),
    /// Wait until a permit is decided, active or finished
    Wait(wait::Args),
    /// Ask whether the gate would admit a change now
    Check(check::Args),
    /// Show the last decision about a permit, rule by rule
    Explain(explain::Args),
}

/// The flags of `kubectl options` that choose cluster, namespace and identity.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Flags of kubectl")]
pub(super) struct Connection {
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Path of the kubeconfig
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Namespace [default: the context's]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// Username to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(super) as_user: Option<String>,
    /// Group to impersonate, may be repeated
    #[arg(long, global = true, value_name = "GROUP", requires = "as_user")]
    pub(super) as_group: Vec<String>,
    /// How long one request may take, such as 30s; 0 is without limit [default: 30s]
    #[arg(long, global = true, value_name = "DURATION")]
    pub(super) request_timeout: Option<Wait>,
}

/// The locale of the terminal, as the environment tells it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Locale {
    #[arg(long, global = true, hide = true, env = "LC_ALL", hide_env = true)]
    lc_all: Option<OsString>,
    #[arg(long, global = true, hide = true, env = "LC_CTYPE", hide_env = true)]
    lc_ctype: Option<OsString>,
    #[arg(long, global = true, hide = true, env = "LANG", hide_env = true)]
    lang: Option<OsString>,
}

impl Locale {
    /// Icons where the locale says UTF-8, ASCII elsewhere.
    pub(super) fn look(&self) -> Look {
        let set = [&self.lc_all, &self.lc_ctype, &self.lang]
            .into_iter()
            .flatten()
            .find(|value| !value.is_empty());
        let word = set
            .map(|value| value.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        Look {
            unicode: word.contains("utf-8") || word.contains("utf8"),
            colour: true,
        }
    }
}

/// A length of time as kubectl takes it: `30s`, `5m`, `1h30m`, or plain seconds; zero is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait(std::time::Duration);

impl Wait {
    /// The limit; none where zero was given.
    pub(super) fn limit(self) -> Option<std::time::Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }

    /// So many seconds.
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }
}

impl std::str::FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |_| format!("`{text}` is no length of time: write 30s, 5m or 1h30m");
        if let Ok(seconds) = text.parse::<u64>() {
            return Ok(Self::seconds(seconds));
        }
        let length = text
            .parse::<jiff::SignedDuration>()
            .map_err(|error| wrong(error.to_string()))?;
        std::time::Duration::try_from(length)
            .map(Self)
            .map_err(|error| wrong(error.to_string()))
    }
}

/// Reads the command line. Called as `kubectl-…`, usage speaks of `kubectl permit`, as people type it.
pub(super) fn parse(argv: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let argv: Vec<OsString> = argv.collect();
    let command = Cli::command().bin_name(bin_name(argv.first().map(OsString::as_os_str)));
    Cli::from_arg_matches(&command.try_get_matches_from(argv)?)
}

/// Everything that may be typed, as people type it.
pub(super) fn command() -> clap::Command {
    Cli::command().bin_name(bin_name(None))
}

fn bin_name(program: Option<&OsStr>) -> String {
    let file = program
        .and_then(|path| Path::new(path).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned());
    match file {
        Some(name) if !name.starts_with("kubectl-") => name,
        _ => "kubectl permit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_kubectl_follow_the_command() {
        let cli = parsed(
            "kubectl-permit get x -n shop --context prod --as bob --as-group sre --as-group dev",
        )
        .unwrap();
        assert_eq!(cli.connection.namespace.as_deref(), Some("shop"));
        assert_eq!(cli.connection.context.as_deref(), Some("prod"));
        assert_eq!(cli.connection.as_group, ["sre", "dev"]);
    }

    #[test]
    fn a_reason_is_always_demanded() {
        for verb in [
            "approve",
            "reject",
            "request-changes",
            "resume",
            "withdraw",
            "cancel",
            "revoke --cause Incident",
        ] {
            assert_eq!(
                parsed(&format!("kubectl-permit {verb} x"))
                    .unwrap_err()
                    .exit_code(),
                2,
                "{verb}"
            );
        }
    }

    #[test]
    fn a_machine_finding_is_no_cause_that_people_give() {
        assert!(parsed("kubectl-permit revoke x --reason r --cause Incident").is_ok());
        assert!(parsed("kubectl-permit revoke x --reason r --cause SafetyViolation").is_err());
    }

    #[test]
    fn usage_is_written_as_people_type_it() {
        assert_eq!(
            bin_name(Some(OsStr::new("/usr/bin/kubectl-permit"))),
            "kubectl permit"
        );
        assert_eq!(bin_name(Some(OsStr::new("permit"))), "permit");
        assert_eq!(bin_name(None), "kubectl permit");
    }

    #[test]
    fn lengths_of_time_are_kubectls() {
        let limit = |text: &str| {
            text.parse::<Wait>()
                .map(|wait| wait.limit().map(|limit| limit.as_secs()))
        };
        assert_eq!(limit("90"), Ok(Some(90)));
        assert_eq!(limit("1h30m"), Ok(Some(5400)));
        assert_eq!(limit("0"), Ok(None));
        assert_eq!(limit("0s"), Ok(None));
        assert!(limit("-5s").is_err() && limit("soon").is_err());
    }

    #[test]
    fn icons_need_a_utf_8_locale() {
        let locale = |all: &str, lang: &str| Locale {
            lc_all: Some(all.into()),
            lang: Some(lang.into()),
            lc_ctype: None,
        };
        assert!(locale("", "en_US.UTF-8").look().unicode);
        assert!(!locale("C", "en_US.UTF-8").look().unicode);
        assert!(!Locale::default().look().unicode);
    }
}
