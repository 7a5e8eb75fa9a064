//! What is asked of files and of the program itself: `audit verify`, `version`, `completion`, and how things look.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use permit_harness::{Output, Stage, User, process, stage};

use super::{ended, json, plugin, text};
use crate::site::{enrolled, site, told};

/// Runs a command line that is found as alice's shell would find it, with `dir` on its path and more in its environment.
fn run(stage: &Stage<'_>, program: &str, args: &[&str], with: &[(&str, &str)]) -> Result<Output> {
    let plane = stage.plane();
    let mut command = Command::new(program);
    command
        .args(args)
        .env("KUBECONFIG", plane.kubeconfig(&User::person("alice"))?)
        .env("HOME", plane.dir())
        .env("PATH", plane.search_path()?)
        .env_remove("NO_COLOR")
        .envs(with.iter().copied());
    process::run(command, None)
}

#[tokio::test]
async fn an_exported_record_is_verified_and_a_changed_one_is_found_out() -> Result<()> {
    told(async {
        let stage = enrolled("exported").await?;
        let permit = stage::permit("one", "quick-deployment", "1.5.0");
        let belongs = "ticket: SHOP-7\n  incident: INC-77\n  purpose:";
        stage.request(&permit.replace("purpose:", belongs)).await?;
        stage.approve("one", "bob").await?;
        stage.reaches("one", "Issued").await?;
        let (dir, data) = (tempfile::tempdir()?, site().await?.operator.data_dir());
        let file = dir.path().join("export.jsonl");
        let path = file.to_str().context("a path that is no text")?;
        let export = [
            "ledger",
            "export",
            "--data-dir",
            data.to_str().unwrap_or_default(),
            "--output",
            path,
        ];
        run(&stage, "permit-operator", &export, &[])?.ok()?;
        let record = std::fs::read_to_string(&file)?;
        for said in [
            "\"ticket\":\"SHOP-7\"",
            "\"incident\":\"INC-77\"",
            "\"purpose\":\"roll out checkout 1.5.0\"",
        ] {
            ensure!(record.contains(said), "the record lacks {said}");
        }
        let whole = plugin(&stage, "alice", &["audit", "verify", path]).await?;
        ended(
            &whole,
            0,
            &["records of log", "are whole: 1 to", "head    "],
            &[],
        )?;
        let told = json(&plugin(&stage, "alice", &["audit", "verify", path, "-ojson"]).await?)?;
        ensure!(told["intact"] == true, "{told}");
        let other = [
            "audit",
            "verify",
            path,
            &format!("--holds=1=sha256:{}", "0".repeat(64)),
        ];
        ensure!(plugin(&stage, "alice", &other).await?.status == 1);
        change_a_byte(&file)?;
        let broken = plugin(&stage, "alice", &["audit", "verify", path]).await?;
        ended(
            &broken,
            1,
            &[],
            &["is not whole: record", "next: keep the file as evidence"],
        )?;
        let broken = plugin(&stage, "alice", &["audit", "verify", path, "-ojson"]).await?;
        ensure!(
            broken.status == 1 && json(&broken)?["intact"] == false,
            "{broken:?}"
        );
        let missing = plugin(&stage, "alice", &["audit", "verify", "/no/such/file"]).await?;
        ended(&missing, 1, &[], &["read `/no/such/file`"])
    })
    .await
}

/// Makes another letter of one inside the record of the permit.
fn change_a_byte(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let changed = text.replacen("\"Issued\"", "\"Issuex\"", 1);
    ensure!(text != changed, "nothing to change in the export");
    std::fs::write(file, changed).context("write the changed export")
}

#[tokio::test]
async fn versions_are_told_with_what_fits_together() -> Result<()> {
    told(async {
        let stage = enrolled("versions").await?;
        let own = env!("CARGO_PKG_VERSION");
        let client = format!("client      {own} (speaks permits.dev/v1alpha1)");
        let seen = plugin(&stage, "admin", &["version"]).await?;
        let operator = format!("operator    {own}");
        ended(
            &seen,
            0,
            &[
                &client,
                &operator,
                "kubernetes  v1.",
                "approvals, permits, permittemplates: v1alpha1",
                "skew        none",
            ],
            &[],
        )?;
        let unseen = plugin(&stage, "alice", &["version"]).await?;
        ended(
            &unseen,
            0,
            &["operator    not seen", "skew        none"],
            &[],
        )?;
        let all = json(&plugin(&stage, "alice", &["version", "-ojson"]).await?)?;
        ensure!(
            text(&all, "/client") == own && all["compatible"] == true,
            "{all}"
        );
        // Asked of the client only, no cluster is needed.
        let alone = run(
            &stage,
            "kubectl-permit",
            &["version", "--client"],
            &[("KUBECONFIG", "/dev/null")],
        )?;
        ended(&alone, 0, &[&client], &[])?;
        let unreachable = run(
            &stage,
            "kubectl-permit",
            &["list", "--kubeconfig=/no/such/file"],
            &[],
        )?;
        ended(&unreachable, 1, &[], &["read kubeconfig `/no/such/file`"])
    })
    .await
}

#[tokio::test]
async fn kubectl_completes_the_plugin_with_live_names() -> Result<()> {
    told(async {
        let stage = enrolled("completed").await?;
        stage
            .request(&stage::permit("checkout-one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("checkout-one", "InReview").await?;
        let dir = tempfile::tempdir()?;
        let place = dir.path().to_str().context("a path that is no text")?;
        let installed = plugin(&stage, "alice", &["completion", "install", "--dir", place]).await?;
        ended(&installed, 0, &["kubectl_complete-permit written"], &[])?;
        let path = format!("{place}:{}", stage.plane().search_path()?);
        let complete = |line: &str| {
            let words = format!("__complete permit {line}");
            let words: Vec<&str> = words.split(' ').collect();
            run(&stage, "kubectl", &words, &[("PATH", &path)])
        };
        for (line, offered) in [
            ("appr", "approve\tSay yes to a permit, in a role\n:4"),
            ("get -n completed check", "checkout-one\tInReview\n:4"),
            ("wait checkout-one --for dec", "decided\t"),
            ("request -n completed dep", "deploy/\tDeployment\n:6"),
            ("request -n completed deploy/", "deploy/checkout\n:4"),
            ("request -n completed sts/", ":4"),
            ("request --template quick", "quick-deployment"),
            ("request -f ", ":0"),
            // A cluster that does not answer offers nothing and breaks nothing.
            ("get --kubeconfig /no/such/file ", ":4"),
        ] {
            ended(&complete(line)?, 0, &[offered], &[])?;
        }
        let nowhere = plugin(
            &stage,
            "alice",
            &["completion", "install", "--dir", "/no/such/dir"],
        )
        .await?;
        ended(
            &nowhere,
            1,
            &[],
            &[
                "/no/such/dir/kubectl_complete-permit` cannot be written",
                "--dir DIR",
            ],
        )
    })
    .await
}

#[tokio::test]
async fn every_shell_gets_a_script_that_it_can_read() -> Result<()> {
    told(async {
        let stage = enrolled("shells").await?;
        for shell in ["bash", "zsh", "fish", "powershell"] {
            // No cluster is needed for a script.
            let script = run(
                &stage,
                "kubectl-permit",
                &["completion", shell],
                &[("KUBECONFIG", "/dev/null")],
            )?;
            ended(&script, 0, &["request-changes", "kubectl-permit"], &[])?;
            // Not every machine has every shell; bash reads its own everywhere.
            if shell == "bash" {
                let mut reader = Command::new("bash");
                reader.args(["-c", "eval \"$(cat)\"; complete -p kubectl-permit"]);
                process::run(reader, Some(script.stdout))?.ok()?;
            }
        }
        let unknown = run(&stage, "kubectl-permit", &["completion", "tcsh"], &[])?;
        ended(&unknown, 2, &[], &["bash, zsh, fish, powershell, install"])
    })
    .await
}

#[tokio::test]
async fn colours_and_icons_are_shown_only_where_they_can_be_read() -> Result<()> {
    told(async {
        let stage = enrolled("colours").await?;
        stage
            .request(&stage::permit("one", "quick-deployment", "1.5.0"))
            .await?;
        stage.reaches("one", "InReview").await?;
        let get = ["get", "one", "-n", "colours"];
        let drawn = |with: &[(&str, &str)]| -> Result<String> {
            run(&stage, "kubectl-permit", &get, with)?.ok()
        };
        let (utf8, ascii) = (("LC_ALL", "C.UTF-8"), ("LC_ALL", "C"));
        let forced = ("CLICOLOR_FORCE", "1");
        ensure!(
            drawn(&[utf8, forced])?.contains("\u{1b}["),
            "no colours although forced"
        );
        for with in [
            [utf8, ("TERM", "xterm")].as_slice(),
            &[utf8, ("NO_COLOR", "1")],
        ] {
            ensure!(!drawn(with)?.contains('\u{1b}'), "colours with {with:?}");
        }
        ensure!(drawn(&[utf8])?.contains("◷ InReview"));
        ensure!(drawn(&[ascii])?.is_ascii());
        Ok(())
    })
    .await
}
