//! `kubectl permit list`: the permits of a namespace, or of all, with the columns of `kubectl get permits`.

use anyhow::Context as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::core::ObjectList;
use kube::{Api, ResourceExt as _};

use super::age::age;
use super::branches::one_line;
use super::connect::Cluster;
use super::exit::Exit;
use super::output::{self, Format, permit_ref};
use super::table;
use crate::api::Permit;
use crate::clock::{Clock as _, SystemClock};

/// List permits
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Those of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Labels that they must have, as kubectl takes them
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Output; wide shows more columns
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

const COLUMNS: [&str; 7] = [
    "NAME",
    "TARGET",
    "PHASE",
    "OUTCOME",
    "APPROVALS",
    "EXPIRES",
    "AGE",
];
const WIDE_COLUMNS: [&str; 5] = ["LEVEL", "REQUESTER", "TEMPLATE", "CHANGE", "MESSAGE"];

/// Reads and prints.
pub(super) async fn run(args: &Args, cluster: &Cluster) -> anyhow::Result<Exit> {
    let permits: Api<Permit> = if args.all_namespaces {
        Api::all(cluster.client.clone())
    } else {
        cluster.permits()
    };
    let mut params = ListParams::default();
    params.label_selector.clone_from(&args.selector);
    let mut list: ObjectList<Permit> = permits.list(&params).await.context("list the permits")?;
    list.items
        .sort_by_key(|permit| (permit.namespace(), permit.name_any()));
    if list.items.is_empty() && matches!(args.output, None | Some(Format::Wide)) {
        let place = if args.all_namespaces {
            "any namespace".to_owned()
        } else {
            format!("namespace {}", cluster.namespace)
        };
        output::hint(&format!("no permits found in {place}"));
        return Ok(Exit::Done);
    }
    let names: Vec<String> = list
        .items
        .iter()
        .map(|permit| permit_ref(&permit.name_any()))
        .collect();
    let columns = Columns {
        namespace: args.all_namespaces,
        wide: args.output == Some(Format::Wide),
    };
    output::show(
        args.output,
        &list,
        &names.join("\n"),
        &render(&list.items, columns, SystemClock.now()),
    )?;
    Ok(Exit::Done)
}

/// Which columns are shown besides the usual ones.
#[derive(Clone, Copy)]
struct Columns {
    namespace: bool,
    wide: bool,
}

fn render(permits: &[Permit], columns: Columns, now: Timestamp) -> String {
    let wide = if columns.wide {
        WIDE_COLUMNS.as_slice()
    } else {
        &[]
    };
    let namespace = if columns.namespace {
        ["NAMESPACE"].as_slice()
    } else {
        &[]
    };
    let headings: Vec<&str> = namespace
        .iter()
        .chain(&COLUMNS)
        .chain(wide)
        .copied()
        .collect();
    let rows: Vec<Vec<String>> = permits
        .iter()
        .map(|permit| row(permit, columns, now))
        .collect();
    table::render(&headings, &rows)
}

fn row(permit: &Permit, columns: Columns, now: Timestamp) -> Vec<String> {
    let status = permit.status.clone().unwrap_or_default();
    let summary = status.summary;
    let mut cells = Vec::new();
    if columns.namespace {
        cells.push(permit.namespace().unwrap_or_default());
    }
    cells.extend([
        permit.name_any(),
        summary.target,
        status
            .phase
            .map(|phase| phase.to_string())
            .unwrap_or_default(),
        status
            .outcome
            .map(|outcome| outcome.to_string())
            .unwrap_or_default(),
        summary.approvals,
        summary.expires,
        age(permit.metadata.creation_timestamp.as_ref(), now),
    ]);
    if columns.wide {
        let requester = permit
            .spec
            .requested_by
            .as_ref()
            .map(|identity| identity.username.clone())
            .unwrap_or_default();
        let template = permit.spec.template.clone();
        cells.extend([
            summary.level,
            requester,
            template,
            summary.change,
            one_line(&summary.message),
        ]);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permits() -> Vec<Permit> {
        let permit = json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "checkout-7f3c9", "namespace": "shop", "creationTimestamp": "2026-11-21T21:01:00Z"},
            "spec": {"template": "t", "purpose": "p", "targets": [], "requestedBy": {"username": "alice"}},
            "status": {"phase": "InReview", "summary": {"target": "deploy/checkout", "approvals": "1/2",
                "expires": "2026-11-21T22:30:00Z", "level": "2", "change": "app=a:2", "message": "needs 1 more"}},
        });
        let new = json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "new", "namespace": "shop", "creationTimestamp": "2026-11-21T21:14:50Z"},
            "spec": {"template": "t", "purpose": "p", "targets": []},
        });
        vec![
            serde_json::from_value(permit).unwrap(),
            serde_json::from_value(new).unwrap(),
        ]
    }

    fn shown(namespace: bool, wide: bool) -> String {
        render(
            &permits(),
            Columns { namespace, wide },
            "2026-11-21T21:15:00Z".parse().unwrap(),
        )
    }

    #[test]
    fn the_columns_are_those_of_kubectl_get_permits() {
        let expected = "\
NAME             TARGET            PHASE      OUTCOME   APPROVALS   EXPIRES                AGE
checkout-7f3c9   deploy/checkout   InReview             1/2         2026-11-21T22:30:00Z   14m
new                                                                                        10s";
        assert_eq!(shown(false, false), expected);
    }

    #[test]
    fn more_columns_are_shown_where_asked_for() {
        let wide = shown(true, true);
        assert!(wide.starts_with("NAMESPACE   NAME"), "{wide}");
        assert!(
            wide.contains("2       alice       t          app=a:2   needs 1 more"),
            "{wide}"
        );
    }
}
