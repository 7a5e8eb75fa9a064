//! `kubectl permit request`: works out what would change and asks for a permit that covers it, and no more.
//!
//! Who may approve is read from the template to tell the requester; it is not judged here.

use anyhow::Context as _;
use clap::ValueEnum;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};

use super::aim::{self, Aim};
use super::connect::{Cluster, FIELD_MANAGER};
use super::exit::Exit;
use super::output::{self, Format, permit_ref};
use super::petition::{self, Wish};
use crate::api::template::{ApprovalRule, PermitTemplateSpec};
use crate::api::{Permit, PermitTemplate};
use crate::clock::{Clock as _, SystemClock};

/// Ask for a permit
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    aim: Aim,
    #[command(flatten)]
    wish: Wish,
    /// Do not store the permit: show it (client) or have the server judge it (server)
    #[arg(long, value_enum, default_value = "none")]
    dry_run: DryRun,
    /// Output of the permit; yaml and json are a file that can be applied
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Whether what is asked for is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DryRun {
    /// Stored
    None,
    /// Made here and shown, not sent
    Client,
    /// Judged by the API server and not stored
    Server,
}

impl DryRun {
    /// What kubectl adds to a result that was not stored.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// Works out the targets, makes the permit, stores it, and tells what is next.
pub(super) async fn run(args: &Args, cluster: &Cluster) -> anyhow::Result<Exit> {
    let (cluster, targets) = aim::targets(&args.aim, cluster).await?;
    let now = SystemClock.now();
    let permit = petition::permit(&args.wish, targets, &cluster.namespace, petition::ulid(now));
    let permit = store(args.dry_run, permit, &cluster).await?;
    let reference = permit_ref(&permit.name_any());
    output::show(
        args.output,
        &petition::as_file(&permit),
        &reference,
        &format!("{reference} created{}", args.dry_run.suffix()),
    )?;
    if args.dry_run == DryRun::None {
        if matches!(args.output, Some(Format::Json | Format::Yaml)) {
            output::hint(&format!(
                "{reference} created; --dry-run=client prints the file and stores nothing"
            ));
        }
        tell_next(&permit, &cluster).await;
    }
    Ok(Exit::Done)
}

async fn store(dry_run: DryRun, permit: Permit, cluster: &Cluster) -> anyhow::Result<Permit> {
    if dry_run == DryRun::Client {
        return Ok(permit);
    }
    let params = PostParams {
        dry_run: dry_run == DryRun::Server,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    cluster
        .permits()
        .create(&params, &permit)
        .await
        .context("create the permit")
}

async fn tell_next(permit: &Permit, cluster: &Cluster) {
    let templates: Api<PermitTemplate> = Api::all(cluster.client.clone());
    // Not everybody may read templates; the permit is made either way.
    if let Ok(template) = templates.get(&permit.spec.template).await {
        output::hint(&needs(&template.spec));
    }
    let (name, namespace) = (permit.name_any(), &cluster.namespace);
    output::hint(&format!(
        "  next    kubectl permit status {name} -n {namespace}"
    ));
}

/// Who has to approve and until when the change may start, in two lines.
fn needs(template: &PermitTemplateSpec) -> String {
    let rule = |rule: &ApprovalRule| format!("{} of {}", rule.count, rule.roles.join(" or "));
    let rules: Vec<String> = template.approval.rules.iter().map(rule).collect();
    let who = match rules.as_slice() {
        [] => "nobody's approval".to_owned(),
        rules => format!("{}; not you", rules.join(", and ")),
    };
    let (review, window) = (&template.approval.window, &template.execution.window);
    format!("  needs   {who}\n  window  approval within {review}, then a start within {window}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_must_approve_is_told() {
        let rules =
            json!([{"roles": ["director"]}, {"roles": ["security-lead", "architect"], "count": 2}]);
        let template =
            serde_json::from_value(json!({"level": 2, "approval": {"rules": rules}})).unwrap();
        let told = "  needs   1 of director, and 2 of security-lead or architect; not you\n  \
                    window  approval within 24h, then a start within 2h";
        assert_eq!(needs(&template), told);
    }
}
