//! The record: exported where it is, verified offline, and broken on purpose.
//!
//! Decides which byte is changed, and that the verification must name its record. Does not know the format beyond
//! one record a line.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use permit_harness::{Operator, Output, binary, process};

use crate::shown::{Shown, say};

/// Exports and verifies the record, changes one byte in the middle, and verifies again.
pub(crate) async fn verify(shown: &mut Shown<'_>, operator: &Operator) -> Result<()> {
    let began = Instant::now();
    let file = shown.plane().dir().join("export.jsonl");
    let path = file.display().to_string();
    let data = operator.data_dir().display().to_string();
    let export = ["ledger", "export", "--data-dir", &data, "--output", &path];
    run("permit-operator", &export).await?.ok()?;
    let whole = run("kubectl-permit", &["audit", "verify", &path]).await?;
    whole.ok().context("the export does not verify")?;
    let line = flip(&file)?;
    say(&format!("(one bit of line {line} is flipped)"));
    let broken = run("kubectl-permit", &["audit", "verify", &path]).await?;
    ensure!(!broken.is_success(), "a changed byte was not found");
    ensure!(
        broken.stderr.contains(&format!("line {line}")),
        "the changed record is not named: {}",
        broken.stderr
    );
    shown.counted(began);
    Ok(())
}

/// Flips one bit inside the middle line; returns its number, from 1.
fn flip(file: &std::path::Path) -> Result<usize> {
    let mut bytes = std::fs::read(file).context("read the export")?;
    let middle = bytes.len() / 2;
    let line = bytes.iter().take(middle).filter(|b| **b == b'\n').count() + 1;
    let byte = bytes
        .iter_mut()
        .skip(middle)
        .find(|b| b.is_ascii_alphanumeric());
    *byte.context("the export holds no text")? ^= 1;
    std::fs::write(file, bytes).context("write the export")?;
    Ok(line)
}

async fn run(name: &'static str, args: &[&str]) -> Result<Output> {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    say(&format!("\n$ {name} {}", args.join(" ")));
    let running = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(binary::built(name)?);
        command.args(args);
        process::run(command, None)
    });
    let output = running.await??;
    say(format!("{}{}", output.stdout, output.stderr).trim_end());
    Ok(output)
}
