//! `kubectl permit template lint`: what is wrong with templates taken together, of a file or of the cluster.
//!
//! Gathers and prints; what is wrong is worked out in `domain::lint`.

use std::path::PathBuf;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::args::Connection;
use super::connect::Cluster;
use super::exit::{Exit, Refusal};
use super::look::{Look, Mark};
use super::manifest;
use super::output::{self, Format};
use crate::api::{ENVIRONMENT_LABEL, GATE_LABEL, PermitTemplate};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::lint::{About, Finding, Place, Read, lint};
use crate::domain::parse;
use crate::domain::standing::environment_of;

/// About templates
#[derive(Debug, clap::Subcommand)]
pub(super) enum Template {
    /// Tell what is wrong with templates taken together: ties, gaps, windows that are missed, mistakes
    Lint(Args),
}

/// Tell what is wrong with templates
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with templates as you would apply them; - is stdin [default: those of the cluster]
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,
    /// The templates of the cluster; with a file, as they would be together
    #[arg(long)]
    all: bool,
    /// Output of the findings
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Reads, judges, prints; exit 1 where anything is found.
pub(super) async fn run(args: &Args, connection: &Connection, look: Look) -> anyhow::Result<Exit> {
    let mut templates = match &args.filename {
        Some(path) => of_file(path)?,
        None => Vec::new(),
    };
    let mut known = Vec::new();
    if args.all || args.filename.is_none() {
        let cluster = Cluster::connect(connection).await?;
        let mut of_cluster = of_cluster(&cluster).await?;
        of_cluster.retain(|read| templates.iter().all(|other| name(other) != name(read)));
        templates.extend(of_cluster);
        known = places(&cluster).await;
    }
    let findings = lint(&templates, &known, SystemClock.now());
    let names: Vec<_> = findings.iter().flat_map(|f| f.templates.clone()).collect();
    let text = render(&findings, templates.len(), look);
    output::show(args.output, &findings, &names.join("\n"), &text)?;
    Ok(if findings.is_empty() {
        Exit::Done
    } else {
        Exit::Error
    })
}

fn name(read: &Read) -> &str {
    match read {
        Ok(template) => &template.name,
        Err(template) => &template.name,
    }
}

fn read(template: &PermitTemplate) -> Read {
    parse::governing(&template.name_any(), "", &template.spec)
}

/// The templates of a file; an object that is none is left out.
fn of_file(path: &std::path::Path) -> anyhow::Result<Vec<Read>> {
    let reading = || format!("read the templates in `{}`", path.display());
    let text = manifest::text_of(path).with_context(reading)?;
    let objects = manifest::objects(&text).with_context(reading)?;
    let is_template = |object: &&Value| object.get("kind") == Some(&"PermitTemplate".into());
    let mut templates = Vec::new();
    for object in objects.iter().filter(is_template) {
        let template: PermitTemplate =
            serde_json::from_value(object.clone()).with_context(reading)?;
        templates.push(read(&template));
    }
    if templates.is_empty() {
        let message = format!("`{}` holds no PermitTemplate", path.display());
        return Err(Refusal::error(message, "leave -f out to look at those of the cluster").into());
    }
    Ok(templates)
}

async fn of_cluster(cluster: &Cluster) -> anyhow::Result<Vec<Read>> {
    let all: Api<PermitTemplate> = Api::all(cluster.client.clone());
    let found = all.list(&ListParams::default()).await;
    Ok(found
        .context("read the templates")?
        .iter()
        .map(read)
        .collect())
}

/// The namespaces that are gated, each with its environment; who may not list them is told.
async fn places(cluster: &Cluster) -> Vec<Place> {
    let all: Api<Namespace> = Api::all(cluster.client.clone());
    let gated = ListParams::default().labels(GATE_LABEL);
    let Ok(found) = all.list(&gated).await else {
        output::hint(
            "warning: namespaces may not be listed; only places that templates name are looked at",
        );
        return Vec::new();
    };
    let place = |namespace: &Namespace| {
        let label = namespace.labels().get(ENVIRONMENT_LABEL);
        Place {
            environment: environment_of(label.map(String::as_str)).to_owned(),
            namespace: Some(namespace.name_any()),
        }
    };
    found.iter().map(place).collect()
}

fn render(findings: &[Finding], templates: usize, look: Look) -> String {
    if findings.is_empty() {
        return format!(
            "{} {templates} templates, nothing found",
            look.mark(Mark::Good)
        );
    }
    let line = |finding: &Finding| {
        let (mark, word) = match finding.about {
            About::Unreadable => (Mark::Bad, "unreadable"),
            About::Tie => (Mark::Warning, "tie"),
            About::Gap => (Mark::Warning, "gap"),
            About::Window => (Mark::Warning, "window"),
        };
        let operations: Vec<_> = finding.operations.iter().map(|o| o.as_str()).collect();
        let parts = [
            finding.templates.join(", "),
            operations.join(", "),
            finding.places.join(", "),
        ];
        let about: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let (mark, about) = (look.mark(mark), about.join("; "));
        format!("{mark} {word:<10}  {about}: {}", finding.message)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::vocabulary::Operation;

    #[test]
    fn findings_are_told_one_a_line() {
        let finding =
            |about, templates: &[&str], operations: &[Operation], message: &str| Finding {
                about,
                templates: templates.iter().map(ToString::to_string).collect(),
                places: vec!["production".into()],
                operations: operations.to_vec(),
                message: message.into(),
            };
        let findings = [
            finding(
                About::Tie,
                &["a", "b"],
                &[Operation::Scale],
                "`a` governs by its name",
            ),
            finding(
                About::Gap,
                &[],
                &[Operation::Delete],
                "no template governs it",
            ),
        ];
        let look = Look {
            unicode: true,
            colour: false,
        };
        let told = "⚠ tie         a, b; Scale; production: `a` governs by its name\n\
            ⚠ gap         Delete; production: no template governs it";
        assert_eq!(render(&findings, 2, look), told);
        assert_eq!(render(&[], 2, look), "✔ 2 templates, nothing found");
    }
}
