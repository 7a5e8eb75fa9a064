//! Configuration: flags and environment, checked once at the start.
//!
//! The only reader of the environment. A flag wins over its variable, a variable over the default; what cannot be used
//! is refused with the name of its flag. Knows nothing of the ConfigMap `permit-config`.

use crate::domain::certificate::host_of;
use clap::{Args, Parser, Subcommand, ValueEnum};
use k8s_openapi::jiff::SignedDuration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Change control for Kubernetes: time-limited, content-bound, approved permits for production changes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "permit-operator",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Config {
    /// Something else than running the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run it.
    #[command(flatten)]
    pub run: Run,
}

impl Config {
    /// What the command line and the environment say; a mistake is told and ends the process, as every command does.
    pub fn of_arguments() -> Self {
        Self::parse()
    }
}

/// What can be done beside running.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Work with the ledger where it lies.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// Work on the ledger.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Write records to a file that `kubectl permit audit verify` can check offline.
    Export(Export),
}

/// Which records go where.
#[derive(Clone, Debug, Args)]
pub struct Export {
    /// Directory of the ledger.
    #[arg(
        long,
        env = "PERMIT_DATA_DIR",
        default_value = "/var/lib/permit-operator"
    )]
    pub data_dir: PathBuf,
    /// File to write; standard output without it.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// Settings of the running operator.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Kubeconfig file; without it the pod's service account is used.
    #[arg(long, env = "PERMIT_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the operator's own objects.
    #[arg(long, env = "PERMIT_NAMESPACE", default_value = "permit-system", value_parser = label)]
    pub namespace: String,
    /// Name of this process in the lease, such as the pod's.
    #[arg(long, env = "PERMIT_POD_NAME", default_value = "permit-operator")]
    pub pod_name: String,
    /// Where the gate listens, with TLS.
    #[arg(long, env = "PERMIT_WEBHOOK_LISTEN", default_value = "0.0.0.0:8443")]
    pub webhook_listen: SocketAddr,
    /// Address under which API servers reach the gate; without it they use the service `permit-gate`.
    #[arg(long, env = "PERMIT_WEBHOOK_URL", value_parser = webhook_url)]
    pub webhook_url: Option<String>,
    /// Where metrics and probes are served.
    #[arg(long, env = "PERMIT_METRICS_LISTEN", default_value = "0.0.0.0:8080")]
    pub metrics_listen: SocketAddr,
    /// Directory of the ledger.
    #[arg(
        long,
        env = "PERMIT_DATA_DIR",
        default_value = "/var/lib/permit-operator"
    )]
    pub data_dir: PathBuf,
    /// Prometheus, or what speaks its query API; without it permits that need metrics are held.
    #[arg(long, env = "PERMIT_PROMETHEUS_URL", value_parser = http_url)]
    pub prometheus_url: Option<String>,
    /// File with a bearer token for Prometheus, read anew for each query.
    #[arg(long, env = "PERMIT_PROMETHEUS_TOKEN_FILE")]
    pub prometheus_token_file: Option<PathBuf>,
    /// Name of the leader lease.
    #[arg(long, env = "PERMIT_LEASE_NAME", default_value = "permit-operator", value_parser = label)]
    pub lease_name: String,
    /// How long a leader's lease holds, such as `15s`; at least 1 s.
    #[arg(long, env = "PERMIT_LEASE_DURATION", default_value = "15s", value_parser = lease_duration)]
    pub lease_duration: Duration,
    /// How long a serving certificate lives, such as `2160h`; at least 30 s. It is renewed after two thirds of that.
    #[arg(long, env = "PERMIT_CERTIFICATE_LIFETIME", default_value = "2160h", value_parser = lifetime)]
    pub certificate_lifetime: SignedDuration,
    /// What the gate does in namespaces without the label `permits.dev/gate`.
    #[arg(long, env = "PERMIT_DEFAULT_MODE", value_enum, default_value_t)]
    pub default_mode: DefaultMode,
    /// Form of the log.
    #[arg(long, env = "PERMIT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Levels of the log, as in `RUST_LOG`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,
}

/// What the gate does in namespaces without the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DefaultMode {
    /// Nothing.
    Off,
    /// Judge, count and log, and admit.
    #[default]
    Audit,
    /// Judge and deny.
    Enforce,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One short line for people.
    Compact,
}

fn label(text: &str) -> Result<String, String> {
    let is_label = !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        Ok(text.to_owned())
    } else {
        Err("use lower-case letters, digits and `-`, at most 63".to_owned())
    }
}

// The API server refuses a webhook address with a query, a fragment or credentials; paths are ours to add.
fn webhook_url(text: &str) -> Result<String, String> {
    let base = text.trim_end_matches('/');
    let is_base = base
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.contains(['/', '?', '#', '@']));
    if is_base && host_of(base).is_some() {
        Ok(base.to_owned())
    } else {
        Err("use https://HOST:PORT without path or credentials".to_owned())
    }
}

fn http_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain = rest.is_some_and(|rest| !rest.contains(['?', '#', '@']));
    if is_plain && host_of(text).is_some() {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("use http:// or https://, without query or credentials".to_owned())
    }
}

fn at_least(text: &str, least: SignedDuration) -> Result<SignedDuration, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|_| "use a duration such as `15s` or `2160h`".to_owned())?;
    if duration < least {
        Err(format!("too short, the least is {least:#}"))
    } else {
        Ok(duration)
    }
}

fn lease_duration(text: &str) -> Result<Duration, String> {
    let duration = at_least(text, SignedDuration::from_secs(1))?;
    Duration::try_from(duration).map_err(|e| e.to_string())
}

fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let longest = SignedDuration::from_hours(24 * 365 * 5);
    let lifetime = at_least(text, SignedDuration::from_secs(30))?;
    if lifetime > longest {
        Err("too long, the most is five years".to_owned())
    } else {
        Ok(lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["permit-operator"], args].concat())
    }

    #[track_caller]
    fn refused(args: &[&str], flag: &str, why: &str) {
        let text = parse(args).unwrap_err().to_string();
        assert!(text.contains(flag) && text.contains(why), "{text}");
    }

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Config::command().debug_assert();
    }

    #[test]
    fn without_flags_it_runs_with_the_documented_defaults() {
        let config = parse(&[]).unwrap();
        assert!(config.command.is_none());
        assert_eq!(config.run.namespace, "permit-system");
        assert_eq!(config.run.lease_duration, Duration::from_secs(15));
        assert_eq!(
            config.run.certificate_lifetime,
            SignedDuration::from_hours(2160)
        );
        assert_eq!(config.run.default_mode, DefaultMode::Audit);
    }

    #[test]
    fn every_flag_has_a_variable() {
        for arg in Config::command().get_arguments() {
            let id = arg.get_id().as_str();
            if !["help", "version"].contains(&id) {
                assert!(arg.get_env().is_some(), "`{id}` has no variable");
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_name_of_its_flag() {
        refused(
            &["--webhook-url=http://127.0.0.1:1"],
            "--webhook-url",
            "use https://HOST:PORT",
        );
        refused(
            &["--webhook-url=https://host/path"],
            "--webhook-url",
            "without path",
        );
        refused(
            &["--prometheus-url=ftp://host"],
            "--prometheus-url",
            "use http://",
        );
        refused(
            &["--prometheus-url=http://user:secret@host"],
            "--prometheus-url",
            "without query or credentials",
        );
        refused(
            &["--lease-duration=10ms"],
            "--lease-duration",
            "the least is 1s",
        );
        refused(
            &["--lease-duration=soon"],
            "--lease-duration",
            "use a duration",
        );
        refused(
            &["--certificate-lifetime=1s"],
            "--certificate-lifetime",
            "the least is 30s",
        );
        refused(
            &["--certificate-lifetime=99999h"],
            "--certificate-lifetime",
            "five years",
        );
        refused(&["--namespace=Permit_System"], "--namespace", "lower-case");
        refused(
            &["--webhook-listen=8443"],
            "--webhook-listen",
            "invalid socket address",
        );
        refused(
            &["--default-mode=warn"],
            "--default-mode",
            "possible values",
        );
    }

    #[test]
    fn an_address_loses_its_trailing_slash() {
        let config = parse(&[
            "--webhook-url=https://127.0.0.1:8443/",
            "--prometheus-url=http://h:9090/p/",
        ])
        .unwrap();
        assert_eq!(
            config.run.webhook_url.as_deref(),
            Some("https://127.0.0.1:8443")
        );
        assert_eq!(
            config.run.prometheus_url.as_deref(),
            Some("http://h:9090/p")
        );
    }

    #[test]
    fn a_ledger_is_exported_whole() {
        let config = parse(&["ledger", "export", "--output=out.jsonl"]).unwrap();
        let Some(Command::Ledger(LedgerCommand::Export(export))) = config.command else {
            panic!("an export")
        };
        assert_eq!(
            export.output.as_deref(),
            Some(std::path::Path::new("out.jsonl"))
        );
        // A selection would be no unbroken run, and a flag that is read and ignored would claim one.
        assert!(parse(&["ledger", "export", "--permit=shop/checkout"]).is_err());
    }
}
