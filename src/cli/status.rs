//! `kubectl permit status`: follows a permit to its end, one line a change, and exits as it ended.

use std::ops::ControlFlow;

use super::args::Wait;
use super::connect::Cluster;
use super::exit::{Exit, Refusal};
use super::follow::Following;
use super::output::{self, Format, permit_ref};
use super::progress::{self, Goal};
use crate::api::Permit;

/// Follow a permit to its end
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the permit
    name: String,
    /// How long to follow, such as 30m; 0 is without limit
    #[arg(long, default_value = "0", value_name = "DURATION")]
    timeout: Wait,
    /// Output: one object a change instead of one line
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Follows, prints, and ends as the permit did.
pub(super) async fn run(args: &Args, cluster: &Cluster) -> anyhow::Result<Exit> {
    let following = Following {
        cluster,
        name: &args.name,
        limit: args.timeout.limit(),
    };
    let mut last = String::new();
    let ended = following
        .until(async |permit: Permit| {
            let line = progress::line(&permit);
            if line != last {
                output::show(args.output, &permit, &permit_ref(&args.name), &line)?;
                last.clone_from(&line);
            }
            Ok(match progress::reached(Goal::Finished, &permit) {
                Some(exit) => ControlFlow::Break((exit, permit)),
                None => ControlFlow::Continue(()),
            })
        })
        .await?;
    conclude(&args.name, cluster, ended)
}

/// What a wait comes to: the exit code, and an error that says why where it is no success.
pub(super) fn conclude(
    name: &str,
    cluster: &Cluster,
    ended: Option<(Exit, Permit)>,
) -> anyhow::Result<Exit> {
    let next = format!("kubectl permit explain {name} -n {}", cluster.namespace);
    match ended {
        Some((Exit::Done, _)) => Ok(Exit::Done),
        Some((exit, permit)) => {
            Err(Refusal::ended(exit, progress::failure(name, &permit), next).into())
        }
        None => Err(Refusal::ended(
            Exit::StillWaiting,
            format!("permit `{name}` is not there yet"),
            next,
        )
        .into()),
    }
}
