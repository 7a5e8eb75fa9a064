//! The plugin as people type it, each command on the real API server as the right person: what it prints, where, and how
//! it ends.

mod check;
mod decide;
mod follow;
mod kinds;
mod offline;
mod printed;
mod request;

use anyhow::{Context as _, Result, ensure};
use permit_harness::{Output, Stage, User};
use serde_json::Value;

/// `kubectl permit ARGS -n NAMESPACE` as somebody.
async fn plugin(stage: &Stage<'_>, who: &str, args: &[&str]) -> Result<Output> {
    plugin_fed(stage, who, args, None).await
}

/// A whole command line, its words apart by spaces.
async fn typed(stage: &Stage<'_>, who: &str, line: &str) -> Result<Output> {
    let words: Vec<&str> = line.split_whitespace().collect();
    plugin(stage, who, &words).await
}

async fn plugin_fed(
    stage: &Stage<'_>,
    who: &str,
    args: &[&str],
    stdin: Option<&str>,
) -> Result<Output> {
    let user = match who {
        "admin" => User::admin(),
        who => User::person(who),
    };
    let all: Vec<&str> = ["permit"].iter().chain(args).copied().collect();
    stage.kubectl(&user, &all, stdin).await
}

/// Whether a command ended with this code and said these words, each on its stream.
fn ended(output: &Output, code: i32, stdout: &[&str], stderr: &[&str]) -> Result<()> {
    let told = format!("{}\n{}", output.stdout, output.stderr);
    ensure!(
        output.status == code,
        "exit {} for {code}:\n{told}",
        output.status
    );
    for part in stdout {
        ensure!(
            output.stdout.contains(part),
            "no `{part}` on stdout:\n{told}"
        );
    }
    for part in stderr {
        ensure!(
            output.stderr.contains(part),
            "no `{part}` on stderr:\n{told}"
        );
    }
    ensure!(
        !output.stdout.contains('\u{1b}'),
        "colours where nobody sees them:\n{told}"
    );
    Ok(())
}

/// The JSON on stdout.
fn json(output: &Output) -> Result<Value> {
    serde_json::from_str(&output.stdout)
        .with_context(|| format!("no JSON: {}\n{}", output.stdout, output.stderr))
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Asks for one image of the workload under a name.
async fn asks(stage: &Stage<'_>, name: &str, tag: &str) -> Result<()> {
    let image = format!("--image=checkout=shop/checkout:{tag}");
    let args = [
        "request",
        "deploy/checkout",
        &image,
        "--template=quick-deployment",
        "--purpose=try it",
        "--name",
        name,
    ];
    plugin(stage, "alice", &args).await?.ok().map(drop)
}
