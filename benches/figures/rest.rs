//! Rest: what the operator asks of the API server, and what it weighs, while nothing happens.
//!
//! Decides what rest allows: its lease and its watches. Does not know what there is to watch.

use std::time::Duration;

use anyhow::Result;

use crate::lifecycle::counted;
use crate::machine::as_f64;
use crate::report::Report;
use crate::site::{Site, text};

/// A minute of rest.
const MINUTE: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_mins(10);
/// P8 of the budgets.
const IDLE_MIB: f64 = 15.0;

/// Waits for quiet, and counts for a minute.
pub(crate) async fn measure(report: &mut Report, site: &Site) -> Result<()> {
    let calls = minute(report, site, "without permits").await?;
    report.figure("rest-calls-a-minute", (calls, "count"), 0.0);
    report.raw_line(format!(
        "memory at rest: VmHWM {:.1} MiB",
        site.memory_mib("VmHWM")?
    ));
    report.figure(
        "memory-at-rest",
        (site.memory_mib("VmRSS")?, "MiB"),
        IDLE_MIB,
    );
    report.note(
        "rest",
        "after the operator has written nothing for 4 s, its requests of 60 s in the API server's audit log; its lease \
         and (re)started watches are allowed and not counted. No permit exists; one namespace is enrolled. Memory is \
         VmRSS of the operator's process at the end of that minute."
            .to_owned(),
    );
    Ok(())
}

/// The operator's requests in a minute of rest, lease and watches apart.
pub(crate) async fn minute(report: &mut Report, site: &Site, when: &str) -> Result<f64> {
    site.quiet(PATIENCE).await?;
    let mark = site.mark()?;
    tokio::time::sleep(MINUTE).await;
    let all = site.requests(mark)?;
    report.raw_line(format!("a minute of rest, {when}: {}", counted(all.iter())));
    let others = all
        .iter()
        .filter(|e| text(e, "/objectRef/resource") != "leases" && text(e, "/verb") != "watch");
    Ok(as_f64(others.count() as u64))
}
