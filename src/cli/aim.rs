//! What a permit is to cover: from flags or a file, by the live objects, to targets.
//!
//! Gathers only. What a target can name is worked out in `outcome`; what applying a file would do, by a dry run.

use serde_json::Value;

use super::connect::Cluster;
use super::exit::{Refusal, of_status};
use super::propose::ChangeArgs;
use super::rehearse::{self, Answer};
use super::target::{self, WorkloadRef};
use super::{manifest, outcome, output};
use crate::api::permit::Target;
use crate::api::vocabulary::Operation;
use crate::domain::scope::OutOfScope;

/// What the permit is to cover
#[derive(Debug, clap::Args)]
pub(super) struct Aim {
    #[command(flatten)]
    change: ChangeArgs,
    /// Operation to ask for besides, such as Restart, Diagnose or DatabaseMigration; may be repeated
    #[arg(long = "operation", value_name = "OPERATION", value_parser = target::operation)]
    operations: Vec<Operation>,
}

/// The targets, and the cluster with the namespace that they are in.
pub(super) async fn targets(
    aim: &Aim,
    cluster: &Cluster,
) -> anyhow::Result<(Cluster, Vec<Target>)> {
    let same = cluster.in_namespace(&cluster.namespace);
    let targets = match (&aim.change.workload, &aim.change.filename) {
        (Some(workload), _) => vec![of_workload(aim, workload, cluster).await?],
        (None, Some(path)) => {
            let manifest = manifest::read(path)?;
            let stated = manifest::common_namespace(&manifest.workloads)?;
            let cluster = cluster.in_namespace(agreed_namespace(cluster, stated)?);
            let targets = of_files(aim, &manifest.workloads, &cluster).await?;
            return Ok((cluster, targets));
        }
        (None, None) => Vec::new(),
    };
    Ok((same, targets))
}

/// The namespace of the flag, the file or the context; flag and file may not differ.
pub(super) fn agreed_namespace<'a>(
    cluster: &'a Cluster,
    stated: Option<&'a str>,
) -> Result<&'a str, Refusal> {
    match stated {
        Some(stated) if cluster.namespace_given && stated != cluster.namespace => {
            Err(Refusal::error(
                format!(
                    "the file says namespace `{stated}`, the flag `{}`",
                    cluster.namespace
                ),
                "leave --namespace out, or correct the file",
            ))
        }
        Some(stated) => Ok(stated),
        None => Ok(&cluster.namespace),
    }
}

async fn of_workload(
    aim: &Aim,
    workload: &WorkloadRef,
    cluster: &Cluster,
) -> anyhow::Result<Target> {
    if !aim.change.says_what() {
        if aim.operations.is_empty() {
            let next = "give --image CONTAINER=IMAGE, --scale N or --operation OPERATION";
            let message = format!("nothing is said to change in {workload}");
            return Err(Refusal::error(message, next).into());
        }
        return Ok(outcome::of_operations(workload, &aim.operations));
    }
    let live = rehearse::live(cluster, workload)
        .await?
        .ok_or_else(|| absent(workload, &cluster.namespace))?;
    let wanted = aim.change.wanted(workload, &live)?;
    let target = outcome::target(workload, Some(&live), &wanted)
        .map_err(|outside| uncoverable(workload, &outside))?;
    let target = target.ok_or_else(|| unchanged(workload))?;
    Ok(with_operations(target, &aim.operations))
}

async fn of_files(
    aim: &Aim,
    files: &[(WorkloadRef, Value)],
    cluster: &Cluster,
) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (workload, file) in files {
        let live = rehearse::live(cluster, workload).await?;
        let step = aim.change.step_of_file(live.as_ref(), file);
        let wanted = match rehearse::rehearse(cluster, workload, &step).await? {
            Answer::Stored { object, .. } => object,
            Answer::Refused(status) => return Err(refused(&status).into()),
        };
        match outcome::target(workload, live.as_ref(), &wanted)
            .map_err(|outside| uncoverable(workload, &outside))?
        {
            Some(target) => targets.push(with_operations(target, &aim.operations)),
            None => output::hint(&format!("{workload} would not change: it needs no permit")),
        }
    }
    match files.first() {
        Some((first, _)) if targets.is_empty() => Err(unchanged(first).into()),
        _ => Ok(targets),
    }
}

/// A refusal of the dry run, as the API server words it.
fn refused(status: &kube::core::Status) -> Refusal {
    let report = of_status(status);
    Refusal {
        exit: report.exit,
        message: report.message,
        next: report.next,
    }
}

fn with_operations(mut target: Target, operations: &[Operation]) -> Target {
    for operation in operations {
        if !target.operations.contains(operation) {
            target.operations.push(*operation);
        }
    }
    target
}

/// Nothing of that name is there.
pub(super) fn absent(workload: &WorkloadRef, namespace: &str) -> Refusal {
    Refusal::error(
        format!("{workload} is not found in namespace `{namespace}`"),
        "give its namespace with -n, or the file of a new one with -f",
    )
}

fn uncoverable(workload: &WorkloadRef, outside: &OutOfScope) -> Refusal {
    Refusal::error(
        format!("no permit can cover this change of {workload}: {outside}"),
        "leave that field as it is, or split the change",
    )
}

fn unchanged(workload: &WorkloadRef) -> Refusal {
    Refusal::error(
        format!("{workload} is already as asked: nothing would change"),
        "no permit is needed for it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_asked_for_are_added_once() {
        let target = outcome::of_operations(&"ds/checkout".parse().unwrap(), &[Operation::Restart]);
        let target = with_operations(target, &[Operation::Restart, Operation::Scale]);
        assert_eq!(target.operations, [Operation::Restart, Operation::Scale]);
        assert_eq!(target.kind.as_str(), "DaemonSet");
    }
}
