//! `kubectl permit wait`: silent until a permit is decided, active or finished; the exit code says which way it went.

use std::ops::ControlFlow;

use super::args::Wait;
use super::connect::Cluster;
use super::exit::Exit;
use super::follow::Following;
use super::output::{self, Format, permit_ref};
use super::progress::{self, Goal};
use super::status::conclude;
use crate::api::Permit;

/// Wait for a permit
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the permit
    name: String,
    /// What to wait for
    #[arg(long = "for", value_enum, value_name = "STATE")]
    goal: Goal,
    /// How long to wait, such as 1h; 0 is without limit
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    timeout: Wait,
    /// Output of the permit when the wait is over
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Waits, then prints where the permit stands.
pub(super) async fn run(args: &Args, cluster: &Cluster) -> anyhow::Result<Exit> {
    let following = Following {
        cluster,
        name: &args.name,
        limit: args.timeout.limit(),
    };
    let see = async |permit: Permit| {
        Ok(match progress::reached(args.goal, &permit) {
            Some(exit) => ControlFlow::Break((exit, permit)),
            None => ControlFlow::Continue(()),
        })
    };
    let ended = following.until(see).await?;
    if let Some((exit, permit)) = &ended {
        let met = if *exit == Exit::Done {
            "condition met"
        } else {
            "over"
        };
        output::show(
            args.output,
            permit,
            &permit_ref(&args.name),
            &format!("{} {met}", permit_ref(&args.name)),
        )?;
    }
    conclude(&args.name, cluster, ended)
}
