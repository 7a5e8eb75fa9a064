//! What a permit is to cover: from flags or a file, by the live objects, to targets.
//!
//! Gathers only. What a target can name is worked out in `outcome`; what applying a file would do, by a dry run.

use serde_json::Value;

use super::connect::Cluster;
use super::exit::{Refusal, of_status};
use super::propose::ChangeArgs;
use super::rehearse::{self, Answer};
use super::{manifest, outcome, output, target};
use crate::api::permit::Target;
use crate::api::vocabulary::Operation;
use crate::domain::scope::OutOfScope;

/// What the permit is to cover
#[derive(Debug, clap::Args)]
pub(super) struct Aim {
    #[command(flatten)]
    change: ChangeArgs,
    /// Operation to ask for besides, such as Restart, Scale or Delete; may be repeated
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
        (Some(workload), _) => vec![of_workload(aim, &workload.0, cluster).await?],
        (None, Some(path)) => {
            let manifest = manifest::read(path)?;
            let stated = manifest::common_namespace(&manifest.deployments)?;
            let cluster = cluster.in_namespace(agreed_namespace(cluster, stated)?);
            let targets = of_files(aim, &manifest.deployments, &cluster).await?;
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

async fn of_workload(aim: &Aim, name: &str, cluster: &Cluster) -> anyhow::Result<Target> {
    if !aim.change.says_what() {
        if aim.operations.is_empty() {
            let next = "give --image CONTAINER=IMAGE, --scale N or --operation OPERATION";
            return Err(Refusal::error(
                format!("nothing is said to change in deployment `{name}`"),
                next,
            )
            .into());
        }
        return Ok(outcome::of_operations(name, &aim.operations));
    }
    let live = rehearse::live(cluster, name)
        .await?
        .ok_or_else(|| absent(name, &cluster.namespace))?;
    let wanted = aim.change.wanted(name, &live)?;
    let target = outcome::target(name, Some(&live), &wanted)
        .map_err(|outside| uncoverable(name, &outside))?;
    let target = target.ok_or_else(|| unchanged(name))?;
    Ok(with_operations(target, &aim.operations))
}

async fn of_files(aim: &Aim, files: &[Value], cluster: &Cluster) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for file in files {
        let name = manifest::name(file).unwrap_or_default();
        let live = rehearse::live(cluster, name).await?;
        let step = aim.change.step_of_file(live.as_ref(), file);
        let wanted = match rehearse::rehearse(cluster, &step).await? {
            Answer::Stored { object, .. } => object,
            Answer::Refused(status) => return Err(refused(&status).into()),
        };
        match outcome::target(name, live.as_ref(), &wanted)
            .map_err(|outside| uncoverable(name, &outside))?
        {
            Some(target) => targets.push(with_operations(target, &aim.operations)),
            None => output::hint(&format!(
                "deployment `{name}` would not change: it needs no permit"
            )),
        }
    }
    if targets.is_empty() {
        return Err(unchanged(files.first().and_then(manifest::name).unwrap_or_default()).into());
    }
    Ok(targets)
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
pub(super) fn absent(name: &str, namespace: &str) -> Refusal {
    let message = format!("deployment `{name}` is not found in namespace `{namespace}`");
    Refusal::error(
        message,
        "give its namespace with -n, or the file of a new one with -f",
    )
}

fn uncoverable(name: &str, outside: &OutOfScope) -> Refusal {
    let message = format!("no permit can cover this change of deployment `{name}`: {outside}");
    Refusal::error(message, "leave that field as it is, or split the change")
}

fn unchanged(name: &str) -> Refusal {
    Refusal::error(
        format!("deployment `{name}` is already as asked: nothing would change"),
        "no permit is needed for it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_asked_for_are_added_once() {
        let target = outcome::of_operations("checkout", &[Operation::Restart]);
        let target = with_operations(target, &[Operation::Restart, Operation::Scale]);
        assert_eq!(target.operations, [Operation::Restart, Operation::Scale]);
    }
}
