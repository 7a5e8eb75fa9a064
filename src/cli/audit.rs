//! `kubectl permit audit verify`: checks an exported record offline, and names the first line that is wrong.
//!
//! Needs no cluster and trusts none. The checking is `domain::audit`'s.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::exit::{Exit, Refusal};
use super::look::{Look, Mark};
use super::output::{self, Format};
use crate::domain::audit::{Broken, Hash, Head, Verified, verify};

/// What is done with an exported record
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Verify an export of the ledger
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The export, as `permit-operator ledger export` writes it
    file: PathBuf,
    /// A record that the file must hold, seen elsewhere: its number and hash
    #[arg(long, value_name = "SEQ=sha256:HEX")]
    holds: Option<Anchor>,
    /// Output of the verdict
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// A record seen elsewhere, so that a file written anew as a whole is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Anchor(Head);

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("`{text}` is no record: write NUMBER=sha256:HEX, as a verification prints it")
        };
        let (seq, hash) = text.split_once('=').ok_or_else(wrong)?;
        let seq = seq.parse().map_err(|_| wrong())?;
        let hash = Hash::try_from(hash.to_owned()).map_err(|_| wrong())?;
        Ok(Self(Head { seq, hash }))
    }
}

/// Verifies and tells; exit 1 on a broken chain.
pub(super) fn run(args: &Args, look: Look) -> anyhow::Result<Exit> {
    let Action::Verify(args) = &args.action;
    let file =
        std::fs::read(&args.file).with_context(|| format!("read `{}`", args.file.display()))?;
    match verify(&file, args.holds.map(|anchor| anchor.0).as_ref()) {
        Ok(whole) => {
            let value = json!({
                "intact": true, "log": whole.log, "records": whole.records, "from": whole.from, "head": whole.head,
                "firstTime": whole.first_time, "lastTime": whole.last_time, "withoutPayload": whole.without_payload,
            });
            output::show(args.output, &value, &whole.log, &render(&whole, look))?;
            Ok(Exit::Done)
        }
        Err(broken) => {
            if args.output == Some(Format::Json) || args.output == Some(Format::Yaml) {
                output::show(args.output, &told(&broken), "", "")?;
            }
            Err(refusal(&args.file, &broken).into())
        }
    }
}

fn told(broken: &Broken) -> serde_json::Value {
    json!({"intact": false, "line": broken.line, "record": broken.seq, "fault": broken.why.to_string()})
}

fn refusal(file: &Path, broken: &Broken) -> Refusal {
    Refusal::error(
        format!("the record in `{}` is not whole: {broken}", file.display()),
        "keep the file as evidence, export again and compare the two at this line",
    )
}

fn render(whole: &Verified, look: Look) -> String {
    let mark = look.mark(Mark::Good);
    let to = whole.head.seq;
    let mut lines = vec![format!(
        "{mark} {} records of log {} are whole: {} to {to}",
        whole.records, whole.log, whole.from
    )];
    if let (Some(first), Some(last)) = (whole.first_time, whole.last_time) {
        lines.push(format!("  time    {first} to {last}"));
    }
    if whole.without_payload > 0 {
        lines.push(format!(
            "  erased  the personal data of {} records is erased or withheld",
            whole.without_payload
        ));
    }
    lines.push(format!("  head    {to}={}", whole.head.hash));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Fault;

    #[test]
    fn a_record_seen_elsewhere_is_written_as_a_verification_prints_it() {
        let head = Head::genesis("permits");
        assert_eq!(
            format!("{}={}", head.seq, head.hash).parse(),
            Ok(Anchor(head))
        );
        for text in ["", "7", "7=", "x=sha256:00", "7=sha256:00"] {
            assert!(text.parse::<Anchor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_broken_chain_names_the_record_and_exits_1() {
        let broken = Broken {
            line: 7,
            seq: Some(4),
            why: Fault::Altered,
        };
        let refusal = refusal(Path::new("export.jsonl"), &broken);
        assert_eq!(refusal.exit, Exit::Error);
        assert!(
            refusal.message.contains("record 4 (line 7): altered"),
            "{}",
            refusal.message
        );
    }

    #[test]
    fn a_whole_record_is_told_with_its_head() {
        let whole = Verified {
            log: "permits".into(),
            records: 9,
            from: 1,
            head: Head {
                seq: 9,
                ..Head::genesis("permits")
            },
            first_time: None,
            last_time: None,
            without_payload: 2,
        };
        let text = render(
            &whole,
            Look {
                unicode: true,
                colour: false,
            },
        );
        let hash = Head::genesis("permits").hash;
        let expected = format!(
            "✔ 9 records of log permits are whole: 1 to 9\n  erased  the personal data of 2 records is erased or withheld\n  head    9={hash}"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_file_that_is_no_export_is_broken() {
        let broken = verify(b"not json\n", None).unwrap_err();
        assert_eq!(told(&broken)["intact"], false);
    }
}
