//! The kubectl plugin: one file a subcommand, each gather → decide → apply under the user's own identity.
//!
//! Grants nothing and knows no right of its own: what it says about approvers and verdicts is what the API server,
//! the operator and the gate said.

mod advice;
mod age;
mod aim;
mod args;
mod audit;
mod ballot;
mod branches;
mod candidates;
mod check;
mod complete;
mod completion;
mod connect;
mod consequence;
mod decision;
mod exit;
mod explain;
mod follow;
mod get;
mod list;
mod look;
mod manifest;
mod merge;
mod outcome;
mod output;
mod petition;
mod progress;
mod propose;
mod rehearse;
mod request;
mod settings;
mod stages;
mod stand;
mod status;
mod table;
mod target;
mod template;
mod tree;
mod version;
mod vote;
mod wait;
mod warning;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Cli, Command, Online};
use connect::Cluster;
use exit::Exit;
use look::Look;

pub use exit::EXIT_CODES;

use crate::api::vocabulary::Decision;

/// Runs the plugin with the given arguments, the program's name first, and says how it went.
pub fn main(argv: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match args::parse(argv) {
        Ok(cli) => cli,
        Err(error) => {
            // Usage errors and `--help` are clap's to print; a closed pipe is nobody's error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let ended = run(cli).unwrap_or_else(|error| {
        let report = exit::report(&error);
        output::report(&report);
        report.exit
    });
    ended.into()
}

/// The command line as clap knows it, for the reference.
pub fn command() -> clap::Command {
    args::command()
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    // Both may be installed already (a test, a second call): the first one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let look = cli.locale.look();
    runtime.block_on(async {
        match cli.command {
            Command::Completion(args) => completion::run(&args),
            Command::Complete(args) => complete::run(&args).await,
            Command::Audit(args) => audit::run(&args, look),
            Command::Template(template::Template::Lint(args)) => {
                template::run(&args, &cli.connection, look).await
            }
            Command::Config(settings::Settings::Lint(args)) => {
                settings::run(&args, &cli.connection, look).await
            }
            Command::Version(args) => version::run(&args, &cli.connection).await,
            Command::Online(command) => {
                let cluster = Cluster::connect(&cli.connection).await?;
                online(command, &cluster, look).await
            }
        }
    })
}

/// The commands that are about permits of a cluster.
async fn online(command: Online, cluster: &Cluster, look: Look) -> anyhow::Result<Exit> {
    match command {
        Online::Request(args) => request::run(&args, cluster).await,
        Online::Approve(args) => vote::run(args.ballot(Decision::Approve), cluster).await,
        Online::Reject(args) => vote::run(args.ballot(Decision::Reject), cluster).await,
        Online::RequestChanges(args) => {
            vote::run(args.ballot(Decision::RequestChanges), cluster).await
        }
        Online::Resume(args) => vote::run(args.ballot(Decision::Resume), cluster).await,
        Online::Withdraw(args) => vote::run(args.ballot(Decision::Withdraw), cluster).await,
        Online::Cancel(args) => vote::run(args.ballot(Decision::Cancel), cluster).await,
        Online::Revoke(args) => vote::run(args.ballot(), cluster).await,
        Online::Get(args) => get::run(&args, cluster, look).await,
        Online::List(args) => list::run(&args, cluster).await,
        Online::Status(args) => status::run(&args, cluster).await,
        Online::Wait(args) => wait::run(&args, cluster).await,
        Online::Check(args) => check::run(&args, cluster, look).await,
        Online::Explain(args) => explain::run(&args, cluster, look).await,
    }
}
