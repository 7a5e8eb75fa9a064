//! `kubectl permit version`: this program, the API server, and the served version of our kinds.

use anyhow::Context as _;
use serde_json::json;

use super::args::Connection;
use super::connect::Cluster;
use super::exit::Exit;
use super::output::{self, Format};
use crate::api::{GROUP, VERSION};

/// Print versions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this program only; asks no server
    #[arg(long)]
    client: bool,
    /// Output of the versions
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// The version of this program.
const CLIENT: &str = env!("CARGO_PKG_VERSION");

/// Reads and prints.
pub(super) async fn run(args: &Args, flags: &Connection) -> anyhow::Result<Exit> {
    if args.client {
        let value = json!({"client": CLIENT, "api": format!("{GROUP}/{VERSION}")});
        output::show(
            args.output,
            &value,
            CLIENT,
            &format!("client      {CLIENT} (speaks {GROUP}/{VERSION})"),
        )?;
        return Ok(Exit::Done);
    }
    let cluster = Cluster::connect(flags).await?;
    let kubernetes = cluster
        .client
        .apiserver_version()
        .await
        .context("ask the API server its version")?
        .git_version;
    let groups = cluster
        .client
        .list_api_groups()
        .await
        .context("ask the API server its groups")?
        .groups;
    let ours = groups.into_iter().filter(|group| group.name == GROUP);
    let served: Vec<String> = ours
        .flat_map(|group| group.versions)
        .map(|version| version.version)
        .collect();
    let value = json!({
        "client": CLIENT, "api": format!("{GROUP}/{VERSION}"), "kubernetes": kubernetes, "served": served,
        "compatible": is_served(&served),
    });
    output::show(args.output, &value, CLIENT, &render(&kubernetes, &served))?;
    Ok(if is_served(&served) {
        Exit::Done
    } else {
        Exit::Error
    })
}

fn is_served(served: &[String]) -> bool {
    served.iter().any(|version| version == VERSION)
}

fn render(kubernetes: &str, served: &[String]) -> String {
    let verdict = match served {
        [] => format!("not installed: the API server knows no group {GROUP}"),
        some if is_served(some) => format!("{GROUP}/{}, as this program speaks", some.join(", ")),
        some => format!(
            "{GROUP}/{}: this program speaks {VERSION}, take the release of the operator",
            some.join(", ")
        ),
    };
    format!("client      {CLIENT}\nkubernetes  {kubernetes}\npermits     {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_and_what_is_spoken_are_compared() {
        assert!(render("v1.36.4", &["v1alpha1".into()]).contains("as this program speaks"));
        assert!(render("v1.36.4", &["v2".into()]).contains("speaks v1alpha1, take the release"));
        assert!(render("v1.36.4", &[]).contains("not installed"));
    }
}
