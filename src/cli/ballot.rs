//! What a person's decision says, as it was typed.
//!
//! Whether they may decide is not known here, nor whether the permit is there.

use clap::ValueEnum;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};

use super::exit::Refusal;
use super::output::Format;
use super::request::DryRun;
use crate::api::GROUP;
use crate::api::template::PermitTemplateSpec;
use crate::api::vocabulary::{Decision, RevocationReason};

/// A decision in a role
#[derive(Debug, clap::Args)]
pub(super) struct RoleArgs {
    /// The role to decide in [default: the template's, where it has only one]
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    own: OwnArgs,
}

/// A decision about one's own approval or permit
#[derive(Debug, clap::Args)]
pub(super) struct OwnArgs {
    /// Name of the permit
    name: String,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not store the decision: show the object (client) or have the server judge it (server)
    #[arg(long, value_enum, default_value = "none")]
    dry_run: DryRun,
    /// Output of the decision
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// A revocation
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// What makes it necessary
    #[arg(long, value_enum)]
    cause: Cause,
    #[command(flatten)]
    role: RoleArgs,
}

/// Why people revoke; the other reasons are the operator's findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(super) enum Cause {
    /// An approver or the requester's side wants it ended
    ApproverRequest,
    /// An incident makes the change unwise
    Incident,
    /// An emergency takes the target
    Emergency,
}

/// A decision as it was typed.
#[derive(Debug)]
pub(super) struct Ballot {
    /// Name of the permit.
    pub(super) name: String,
    /// What is decided.
    pub(super) decision: Decision,
    /// The role, where one was given.
    pub(super) role: Option<String>,
    /// Beside a revocation, and only there.
    pub(super) cause: Option<RevocationReason>,
    /// Why, in words.
    pub(super) reason: String,
    /// Whether the decision is stored.
    pub(super) dry_run: DryRun,
    /// Output of the decision.
    pub(super) output: Option<Format>,
}

impl RoleArgs {
    /// This decision, made in a role.
    pub(super) fn ballot(self, decision: Decision) -> Ballot {
        Ballot {
            role: self.role,
            ..self.own.ballot(decision)
        }
    }
}

impl OwnArgs {
    /// This decision, made about what is one's own.
    pub(super) fn ballot(self, decision: Decision) -> Ballot {
        let Self {
            name,
            reason,
            dry_run,
            output,
        } = self;
        Ballot {
            name,
            decision,
            role: None,
            cause: None,
            reason,
            dry_run,
            output,
        }
    }
}

impl RevokeArgs {
    /// The revocation.
    pub(super) fn ballot(self) -> Ballot {
        let cause = match self.cause {
            Cause::ApproverRequest => RevocationReason::ApproverRequest,
            Cause::Incident => RevocationReason::Incident,
            Cause::Emergency => RevocationReason::Emergency,
        };
        Ballot {
            cause: Some(cause),
            ..self.role.ballot(Decision::Revoke)
        }
    }
}

/// Whether this decision is made in a role.
pub(super) const fn needs_role(decision: Decision) -> bool {
    !matches!(decision, Decision::Withdraw | Decision::Cancel)
}

/// What became of the permit by this decision, as kubectl words it.
pub(super) const fn participle(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Reject => "rejected",
        Decision::RequestChanges => "sent back for changes",
        Decision::Withdraw => "no longer approved",
        Decision::Cancel => "cancelled",
        Decision::Revoke => "revoked",
        Decision::Resume => "resumed",
    }
}

/// The roles that a template's rules name, each once.
pub(super) fn roles(spec: &PermitTemplateSpec) -> Vec<&str> {
    let mut roles: Vec<&str> = spec
        .approval
        .rules
        .iter()
        .flat_map(|rule| rule.roles.iter().map(String::as_str))
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// The question whether the asker holds a role for this decision.
pub(super) fn right(ballot: &Ballot, role: &str, namespace: &str) -> SelfSubjectAccessReview {
    let verb = if ballot.decision == Decision::Revoke {
        "revoke"
    } else {
        "approve"
    };
    let attributes = ResourceAttributes {
        group: Some(GROUP.to_owned()),
        resource: Some("permits".to_owned()),
        subresource: Some(role.to_owned()),
        verb: Some(verb.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(ballot.name.clone()),
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            non_resource_attributes: None,
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// The one role of a template; with several, the person says in which.
pub(super) fn only_role(template: &str, roles: &[&str]) -> Result<String, Refusal> {
    let (message, next) = match roles {
        [role] => return Ok((*role).to_owned()),
        [] => (
            format!("template `{template}` names no role"),
            "give --role ROLE",
        ),
        several => (
            format!(
                "template `{template}` has several roles: {}",
                several.join(", ")
            ),
            "give --role ROLE; which you hold: kubectl auth can-i approve permits --subresource=ROLE",
        ),
    };
    Err(Refusal::error(message, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(roles: &[&str]) -> PermitTemplateSpec {
        serde_json::from_value(json!({"level": 2, "approval": {"rules": [{"roles": roles}]}}))
            .unwrap()
    }

    #[test]
    fn the_only_role_of_a_template_is_taken_and_several_are_listed() {
        assert_eq!(only_role("t", &["tech-lead"]), Ok("tech-lead".into()));
        let spec = template(&["tech-lead", "ciso", "tech-lead"]);
        assert_eq!(roles(&spec), ["ciso", "tech-lead"]);
        let error = only_role("t", &roles(&spec)).unwrap_err();
        assert_eq!(
            error.message,
            "template `t` has several roles: ciso, tech-lead"
        );
    }

    #[test]
    fn a_revocation_carries_its_cause_and_role() {
        let own = OwnArgs {
            name: "x".into(),
            reason: "why".into(),
            dry_run: DryRun::None,
            output: None,
        };
        let args = RevokeArgs {
            cause: Cause::Emergency,
            role: RoleArgs {
                role: Some("sre".into()),
                own,
            },
        };
        let ballot = args.ballot();
        assert_eq!(
            (ballot.decision, ballot.cause),
            (Decision::Revoke, Some(RevocationReason::Emergency))
        );
        assert_eq!(ballot.role.as_deref(), Some("sre"));
    }
}
