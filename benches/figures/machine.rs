//! Machine: what the figures were measured on.
//!
//! Decides which facts a reader needs to judge a figure. Does not know the figures.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

/// Facts by name, in the order of the table.
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// The machine as it is now.
    pub(crate) fn look() -> Self {
        let info = read("/proc/cpuinfo");
        let cores = info.lines().filter(|l| l.starts_with("processor")).count();
        let kibibytes: u64 = after(&read("/proc/meminfo"), "MemTotal")
            .split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_default();
        Self(vec![
            ("CPU", after(&info, "model name")),
            ("cores", cores.to_string()),
            (
                "memory",
                format!("{:.1} GiB", as_f64(kibibytes) / 1_048_576.0),
            ),
            (
                "kernel",
                read("/proc/sys/kernel/osrelease").trim().to_owned(),
            ),
            ("rustc", rustc()),
            ("load when it began", load()),
        ])
    }

    /// The table's rows.
    pub(crate) fn rows(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// The load averages of 1, 5 and 15 minutes: others may use the machine too.
pub(crate) fn load() -> String {
    read("/proc/loadavg")
        .split(' ')
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A count for arithmetic; every count here is far below 2^52.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds of one run fit"
)]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What follows the colon on the line that begins with `key`.
fn after(text: &str, key: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(key));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

/// A line of a process's /proc/PID/status, in MiB.
pub(crate) fn memory_mib(pid: i32, key: &str) -> Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's memory")?;
    let value = after(&status, key);
    let kibibytes = value
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    Ok(kibibytes.with_context(|| format!("no {key} in /proc"))? / 1024.0)
}

fn rustc() -> String {
    let said = Command::new("rustc").arg("--version").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "unknown".to_owned())
}
