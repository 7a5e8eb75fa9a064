//! Telemetry: how the log is written.
//!
//! JSON where machines read it, short lines for people. Set up once, by the programs. Does not know what is logged.

use crate::config::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The levels cannot be read.
    #[error("`--log-filter` cannot be used, write it like `info,permit_operator=debug`: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log was set up twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets up the log of the process: to standard error, so that standard output stays for what is asked for.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::builder().parse(filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .finish()
            .try_init()?,
        LogFormat::Compact => {
            log.compact()
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .finish()
                .try_init()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_by_name() {
        let error = init(LogFormat::Json, "permit_operator=loud").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`--log-filter` cannot be used"),
            "{error}"
        );
    }
}
