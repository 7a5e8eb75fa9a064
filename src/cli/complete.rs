//! `kubectl permit __complete`: what kubectl asks for by `kubectl_complete-permit` when somebody presses TAB.
//!
//! Speaks the protocol of kubectl's own completion. A cluster that does not answer offers nothing and is no error.

use std::time::Duration;

use clap::CommandFactory as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::args::Cli;
use super::candidates::{self, Live, Unfinished, Wanted};
use super::connect::Cluster;
use super::exit::Exit;
use super::output;
use super::{rehearse, target};
use crate::api::{Permit, PermitTemplate};
use crate::domain::kind::{Form, called};

/// Complete a command line
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The words so far; the last one is to be completed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// How long somebody who pressed TAB waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many names are offered at most.
const MOST: u32 = 500;
/// Files may follow: the shell completes them.
const FILES: u8 = 0;
/// No files: only what is offered.
const NO_FILES: u8 = 4;
/// No files, and no space after it: the name of a workload follows its kind.
const NAME_FOLLOWS: u8 = NO_FILES | 2;

/// Prints one candidate a line, then the directive.
pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut root = Cli::command();
    root.build();
    let typed = candidates::unfinished(&root, &args.words);
    let (words, directive) = match &typed.wanted {
        Wanted::Words(words) => (words.clone(), NO_FILES),
        Wanted::Live(Live::Workloads) if !typed.typed.contains('/') => (kinds(), NAME_FOLLOWS),
        Wanted::Live(live) => (look_up(*live, &typed).await, NO_FILES),
        Wanted::File => (Vec::new(), FILES),
        Wanted::Anything => (Vec::new(), NO_FILES),
    };
    output::print(&render(&words, &typed.typed, directive))?;
    Ok(Exit::Done)
}

fn render(words: &[(String, String)], typed: &str, directive: u8) -> String {
    let fits = words.iter().filter(|(word, _)| word.starts_with(typed));
    let line = |(word, told): &(String, String)| {
        let told = told.lines().next().unwrap_or_default();
        if told.is_empty() {
            word.clone()
        } else {
            format!("{word}\t{told}")
        }
    };
    fits.map(line)
        .chain([format!(":{directive}")])
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the name of a workload begins with.
fn kinds() -> Vec<(String, String)> {
    let told = |form: &Form| (format!("{}/", form.short), form.word.to_owned());
    target::kinds().map(told).collect()
}

async fn look_up(live: Live, typed: &Unfinished) -> Vec<(String, String)> {
    let asking = async {
        let cluster = Cluster::connect(&typed.connection()).await?;
        names(live, &cluster, &typed.typed).await
    };
    // Nobody who pressed TAB can use an error.
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(names)) => names,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn names(
    live: Live,
    cluster: &Cluster,
    typed: &str,
) -> anyhow::Result<Vec<(String, String)>> {
    let some = ListParams::default().limit(MOST);
    Ok(match live {
        Live::Permits => {
            let told = |permit: &Permit| (permit.name_any(), phase(permit));
            cluster
                .permits()
                .list(&some)
                .await?
                .iter()
                .map(told)
                .collect()
        }
        Live::Templates => {
            let all: Api<PermitTemplate> = Api::all(cluster.client.clone());
            let told = |template: &PermitTemplate| {
                let description = template.spec.description.clone();
                (template.name_any(), description)
            };
            all.list(&some).await?.iter().map(told).collect()
        }
        Live::Namespaces => {
            let all: Api<Namespace> = Api::all(cluster.client.clone());
            let told = |namespace: &Namespace| (namespace.name_any(), String::new());
            all.list(&some).await?.iter().map(told).collect()
        }
        Live::Workloads => {
            let Some((kind, _)) = typed.split_once('/') else {
                return Ok(Vec::new());
            };
            let form = target::kinds().find(|form| called(kind) == Some(form));
            let found = match form {
                Some(form) => rehearse::names(cluster, form, MOST).await?,
                None => Vec::new(),
            };
            let written = |name| (format!("{kind}/{name}"), String::new());
            found.into_iter().map(written).collect()
        }
    })
}

fn phase(permit: &Permit) -> String {
    let phase = permit.status.as_ref().and_then(|status| status.phase);
    phase.map_or_else(|| "not seen yet".to_owned(), |phase| phase.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_written_as_kubectl_reads_them() {
        let words = [
            ("checkout-7f3c9".to_owned(), "InReview".to_owned()),
            ("cart-55d1b".to_owned(), "Closed".to_owned()),
            ("check".to_owned(), String::new()),
        ];
        assert_eq!(
            render(&words, "ch", NO_FILES),
            "checkout-7f3c9\tInReview\ncheck\n:4"
        );
        assert_eq!(render(&[], "", FILES), ":0");
    }
}
