//! `kubectl permit check`: would the gate admit this change now, if you made it?
//!
//! Asks by a dry run under the user's own identity and reads the verdict from the gate's warning; decides nothing.

use serde::Serialize;

use super::aim::{absent, agreed_namespace};
use super::connect::Cluster;
use super::exit::{Exit, Refusal};
use super::look::{Look, Mark};
use super::manifest;
use super::output::{self, Format};
use super::propose::ChangeArgs;
use super::rehearse::{self, Answer, Step};
use super::target::WorkloadRef;
use crate::domain::verdict_line::{self, VerdictLine};

/// Ask whether the gate would admit a change
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    change: ChangeArgs,
    /// Output of the verdicts
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What the gate would say to the change of one object.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    /// The object. Example: `deployment.apps/checkout`.
    object: String,
    /// `Admit`, `Deny`, or `NotGated` where no gate answered.
    #[serde(rename = "verdict")]
    kind: Kind,
    /// The code word of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why.
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Kind {
    Admit,
    Deny,
    NotGated,
}

/// Asks about each object; exit 10 if one would be denied.
pub(super) async fn run(args: &Args, cluster: &Cluster, look: Look) -> anyhow::Result<Exit> {
    let mut verdicts = Vec::new();
    for (cluster, workload, step) in steps(args, cluster).await? {
        let object = workload.printed();
        verdicts.push(
            match rehearse::rehearse(&cluster, &workload, &step).await? {
                Answer::Stored { warnings, .. } => of_warnings(object, &warnings),
                Answer::Refused(status) if status.code == 403 => {
                    of_refusal(object, &status.message)
                }
                Answer::Refused(status) => return Err(kube::Error::Api(status).into()),
            },
        );
    }
    let names: Vec<&str> = verdicts
        .iter()
        .map(|verdict| verdict.object.as_str())
        .collect();
    output::show(
        args.output,
        &verdicts,
        &names.join("\n"),
        &render(&verdicts, look),
    )?;
    let denied = verdicts.iter().any(|verdict| verdict.kind == Kind::Deny);
    Ok(if denied {
        Exit::NotPermitted
    } else {
        Exit::Done
    })
}

/// The writes to ask about, each with its workload and the namespace that it is in.
async fn steps(
    args: &Args,
    cluster: &Cluster,
) -> anyhow::Result<Vec<(Cluster, WorkloadRef, Step)>> {
    if let Some(workload) = &args.change.workload {
        if !args.change.says_what() {
            let message = format!("nothing is said to change in {workload}");
            return Err(
                Refusal::error(message, "give --image CONTAINER=IMAGE or --scale N").into(),
            );
        }
        let live = rehearse::live(cluster, workload)
            .await?
            .ok_or_else(|| absent(workload, &cluster.namespace))?;
        let step = args.change.step_of_flags(workload, &live)?;
        let here = cluster.in_namespace(&cluster.namespace);
        return Ok(vec![(here, workload.clone(), step)]);
    }
    let Some(path) = &args.change.filename else {
        return Ok(Vec::new());
    };
    let manifest = manifest::read(path)?;
    if manifest.others > 0 {
        output::hint(&format!(
            "hint: {} objects of other kinds are not gated",
            manifest.others
        ));
    }
    let mut steps = Vec::new();
    for (workload, file) in manifest.workloads {
        let cluster = cluster.in_namespace(agreed_namespace(cluster, manifest::namespace(&file))?);
        let live = rehearse::live(&cluster, &workload).await?;
        let step = args.change.step_of_file(live.as_ref(), &file);
        steps.push((cluster, workload, step));
    }
    Ok(steps)
}

/// Reads the gate's verdict; a denial among the warnings wins, so that nobody's other warning hides it.
fn of_warnings(object: String, warnings: &[String]) -> Verdict {
    let mut lines: Vec<VerdictLine> = warnings
        .iter()
        .filter_map(|warning| verdict_line::parse(warning))
        .collect();
    lines.sort_by_key(|line| matches!(line, VerdictLine::Admit { .. }));
    match lines.into_iter().next() {
        Some(VerdictLine::Deny { code, message }) => Verdict {
            object,
            kind: Kind::Deny,
            code: Some(code),
            message,
        },
        Some(VerdictLine::Admit { note }) => Verdict {
            object,
            kind: Kind::Admit,
            code: None,
            message: note,
        },
        None => {
            let message =
                "no gate answered: the namespace is not gated, or nothing would change".to_owned();
            Verdict {
                object,
                kind: Kind::NotGated,
                code: None,
                message,
            }
        }
    }
}

fn of_refusal(object: String, message: &str) -> Verdict {
    Verdict {
        object,
        kind: Kind::Deny,
        code: None,
        message: message.to_owned(),
    }
}

fn render(verdicts: &[Verdict], look: Look) -> String {
    let width = verdicts
        .iter()
        .map(|verdict| verdict.object.chars().count())
        .max()
        .unwrap_or(0);
    let line = |verdict: &Verdict| {
        let (mark, word) = match verdict.kind {
            Kind::Admit => (Mark::Good, "admitted"),
            Kind::Deny => (Mark::Bad, "denied"),
            Kind::NotGated => (Mark::Neutral, "not gated"),
        };
        let code = verdict
            .code
            .as_ref()
            .map(|code| format!("{code}: "))
            .unwrap_or_default();
        let line = format!(
            "{} {:<width$}   {word:<9}   {code}{}",
            look.mark(mark),
            verdict.object,
            verdict.message
        );
        line.trim_end().to_owned()
    };
    verdicts.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIT: &str = "permit-gate: would admit: permit checkout-7f3c9";
    const DENY: &str = "permit-gate: would deny: PermitRequired: no permit";

    #[test]
    fn the_gates_warning_is_the_verdict() {
        let kind = |warnings: &[&str]| {
            let warnings: Vec<String> = warnings.iter().map(|text| (*text).to_owned()).collect();
            of_warnings("deployment.apps/checkout".to_owned(), &warnings).kind
        };
        assert_eq!(kind(&["unknown field", ADMIT]), Kind::Admit);
        assert_eq!(kind(&[DENY]), Kind::Deny);
        assert_eq!(kind(&["unknown field"]), Kind::NotGated);
        assert_eq!(kind(&[ADMIT, DENY]), Kind::Deny);
    }

    #[test]
    fn the_verdicts_are_told_one_a_line() {
        let verdicts = [
            of_warnings("deployment.apps/checkout".to_owned(), &[ADMIT.to_owned()]),
            of_warnings("statefulset.apps/ads".to_owned(), &[DENY.to_owned()]),
            of_refusal("pod/cart".to_owned(), "forbidden: cannot patch"),
        ];
        let expected = "\
✔ deployment.apps/checkout   admitted    permit checkout-7f3c9
✖ statefulset.apps/ads       denied      PermitRequired: no permit
✖ pod/cart                   denied      forbidden: cannot patch";
        assert_eq!(
            render(
                &verdicts,
                Look {
                    unicode: true,
                    colour: false
                }
            ),
            expected
        );
    }
}
