//! Admissible: can this request be reviewed at all?
//!
//! A chain of refusals in their order; what is refused here can never be granted as it stands. Does not know what
//! people said about it.

use super::{Case, short};
use crate::domain::request::is_service_account;
use crate::domain::template::{Level, governs_place};
use crate::domain::trace::{Rule, Trace, Verdict};

/// A permit can never be granted, and why: the condition's reason and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word from the stable list.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// What one question found; `None`: it does not concern this request.
type Found = Result<Option<(Verdict, String)>, Refusal>;

/// The questions in their order.
const QUESTIONS: [(Rule, fn(&Case<'_>) -> Found); 6] = [
    (Rule::Level, level),
    (Rule::Template, place),
    (Rule::Environment, environment),
    (Rule::Requester, requester),
    (Rule::Spec, incident),
    (Rule::Use, may_use),
];

/// Whether the request can be reviewed at all. Service accounts, wrong places and demands that are not built refuse it.
pub fn admissible(case: &Case<'_>, trace: &mut Trace) -> Result<(), Refusal> {
    for (rule, question) in QUESTIONS {
        match question(case) {
            Ok(Some((verdict, fact))) => trace.push(rule, verdict, fact),
            Ok(None) => {}
            Err(refusal) => {
                trace.push(rule, Verdict::Fail, refusal.message.clone());
                return Err(refusal);
            }
        }
    }
    Ok(())
}

fn refuse(reason: &'static str, message: String) -> Found {
    Err(Refusal { reason, message })
}

fn pass(fact: impl Into<String>) -> Found {
    Ok(Some((Verdict::Pass, fact.into())))
}

fn level(case: &Case<'_>) -> Found {
    let template = case.template;
    if template.demands_signature {
        let message = format!(
            "template `{}` (level {}) demands signed approvals, which this version cannot verify; use a template up to level 2",
            template.name, template.level
        );
        return refuse("SignatureUnsupported", message);
    }
    pass(format!("level {}", template.level))
}

fn place(case: &Case<'_>) -> Found {
    let (request, template) = (case.request, case.template);
    if !governs_place(&template.applies_to, &request.namespace, case.environment) {
        let message = format!(
            "template `{}` does not govern namespace `{}` in environment `{}`",
            template.name, request.namespace, case.environment
        );
        return refuse("TemplateNotApplicable", message);
    }
    pass(format!("{} at {}", template.name, short(&template.digest)))
}

fn environment(case: &Case<'_>) -> Found {
    let stated = case.request.spec.environment.as_deref();
    if let Some(stated) = stated.filter(|stated| *stated != case.environment) {
        let message = format!(
            "the permit says environment `{stated}`, the namespace is `{}`",
            case.environment
        );
        return refuse("EnvironmentMismatch", message);
    }
    pass(case.environment)
}

fn requester(case: &Case<'_>) -> Found {
    let username = &case.request.requester.username;
    if is_service_account(username) && !case.template.is_automatic() {
        let message = "a service account delivered this permit and no person signed the request";
        return refuse("RequesterUnproved", message.into());
    }
    pass(username.clone())
}

fn incident(case: &Case<'_>) -> Found {
    if case.template.level == Level::Emergency && case.request.spec.incident.is_none() {
        let message = "an emergency names its incident: spec.incident is missing";
        return refuse("IncidentMissing", message.into());
    }
    Ok(None)
}

/// Doubt is not a refusal for ever; the caller waits or denies.
fn may_use(case: &Case<'_>) -> Found {
    let username = &case.request.requester.username;
    match case.may_use {
        Some(true) => pass(format!("{username} may use it")),
        Some(false) => refuse(
            "TemplateNotPermitted",
            format!(
                "{username} lacks the verb `use` on permittemplates/{}",
                case.template.name
            ),
        ),
        None => Ok(Some((
            Verdict::Wait,
            "the right to use the template could not be asked".into(),
        ))),
    }
}
