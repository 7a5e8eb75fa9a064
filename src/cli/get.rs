//! `kubectl permit get`: one permit with its approvals, workloads and checks; with `-w` until it is at rest.

use std::ops::ControlFlow;

use anyhow::Context as _;
use serde_json::Value;

use super::args::Wait;
use super::connect::Cluster;
use super::exit::{Exit, Refusal};
use super::follow::Following;
use super::look::Look;
use super::output::{self, Format, permit_ref};
use super::target::WorkloadRef;
use super::tree::{self, View};
use super::{progress, rehearse, vote};
use crate::api::Permit;
use crate::api::permit::Target;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::kind::form;

/// Show one permit
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the permit
    name: String,
    /// Follow until it is at rest
    #[arg(short, long)]
    watch: bool,
    /// How long to follow, such as 30m; 0 is without limit
    #[arg(long, default_value = "0", value_name = "DURATION", requires = "watch")]
    timeout: Wait,
    /// Output of the permit
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Clears the terminal, so that the next picture stands where the last one did.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Draws once, or at every change until the permit is at rest.
pub(super) async fn run(args: &Args, cluster: &Cluster, look: Look) -> anyhow::Result<Exit> {
    if !args.watch {
        let permit = cluster
            .permits()
            .get(&args.name)
            .await
            .context("read the permit")?;
        let text = picture(&permit, cluster, look).await?;
        output::show(args.output, &permit, &permit_ref(&args.name), &text)?;
        return Ok(Exit::Done);
    }
    let following = Following {
        cluster,
        name: &args.name,
        limit: args.timeout.limit(),
    };
    let mut last = String::new();
    let ended = following
        .until(async |permit: Permit| {
            let text = picture(&permit, cluster, look).await?;
            if text != last {
                let clear = if output::is_terminal() && args.output.is_none() {
                    CLEAR
                } else {
                    ""
                };
                output::show(
                    args.output,
                    &permit,
                    &permit_ref(&args.name),
                    &format!("{clear}{text}\n"),
                )?;
                last = text;
            }
            Ok(if progress::is_at_rest(&permit) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
        .await?;
    let waiting = || {
        let next = format!(
            "kubectl permit explain {} -n {}",
            args.name, cluster.namespace
        );
        Refusal::ended(
            Exit::StillWaiting,
            format!("permit `{}` is not at rest yet", args.name),
            next,
        )
    };
    ended.map(|()| Exit::Done).ok_or_else(|| waiting().into())
}

/// The picture as it is now; what may not be read beside the permit is shown as not seen.
async fn picture(permit: &Permit, cluster: &Cluster, look: Look) -> anyhow::Result<String> {
    let name = permit.metadata.name.as_deref().unwrap_or_default();
    let approvals = match vote::approvals_of(name, cluster).await {
        Ok(approvals) => approvals,
        Err(error) => {
            output::hint(&format!(
                "warning: approvals are not shown: {}",
                super::exit::report(&error).message
            ));
            Vec::new()
        }
    };
    let mut workloads = Vec::new();
    for target in &permit.spec.targets {
        workloads.push((target, live(target, cluster).await));
    }
    let view = View {
        permit,
        approvals: &approvals,
        workloads: &workloads,
    };
    Ok(tree::render(&view, look, SystemClock.now()))
}

/// The target as it is now; none where it is not there, may not be read, or is of a kind that is not gated.
async fn live(target: &Target, cluster: &Cluster) -> Option<Value> {
    let form = form(target.kind.as_str())?;
    let workload = WorkloadRef {
        form,
        version: form.version.to_owned(),
        name: target.name.clone(),
    };
    rehearse::live(cluster, &workload).await.unwrap_or(None)
}
