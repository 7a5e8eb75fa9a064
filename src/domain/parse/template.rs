//! PermitTemplate to `Template`: durations exact, checks sound, nothing demanded that is not built.

use std::time::Duration;

use super::{FieldError, openings};
use crate::api::check::Check;
use crate::api::template::{PermitTemplateSpec, SignatureDemand};
use crate::api::vocabulary::TemplateClass;
use crate::domain::check::GuardCheck;
use crate::domain::quantity;
use crate::domain::template::{Level, Template};

/// The longest window of an emergency (`decisions.md` 9).
const EMERGENCY_WINDOW: Duration = Duration::from_hours(1);

/// Checks a template; all mistakes are reported.
pub fn template(
    name: &str,
    digest: &str,
    spec: &PermitTemplateSpec,
) -> Result<Template, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut duration = |path: &str, text: &str| {
        quantity::span(text).unwrap_or_else(|error| {
            errors.push(FieldError::new(path, error.to_string()));
            Duration::ZERO
        })
    };
    let approval_window = duration("spec.approval.window", &spec.approval.window);
    let window = duration("spec.execution.window", &spec.execution.window);
    let max_duration = duration("spec.execution.maxDuration", &spec.execution.max_duration);
    let soak = duration("spec.guard.soak", &spec.guard.soak);
    if spec.class == TemplateClass::Emergency && window > EMERGENCY_WINDOW {
        errors.push(FieldError::new(
            "spec.execution.window",
            "an emergency lasts at most `1h`",
        ));
    }
    for (i, rule) in spec.approval.rules.iter().enumerate() {
        rule_errors(i, rule, &mut errors);
    }
    let openings = openings(("spec.execution", &spec.execution.recurring), &mut errors);
    let checks = checks(&spec.guard.checks, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Template {
        name: name.to_owned(),
        digest: digest.to_owned(),
        level: if spec.class == TemplateClass::Emergency {
            Level::Emergency
        } else {
            Level::Numbered(spec.level)
        },
        grant: spec.grant,
        applies_to: spec.applies_to.clone(),
        rules: spec.approval.rules.clone(),
        approval_window,
        window,
        max_duration,
        openings,
        on_revoke: spec.execution.on_revoke,
        soak,
        checks,
        demands_signature: spec.approval.signature == SignatureDemand::Required || spec.level >= 3,
    })
}

/// The checks that were understood; the mistakes of the others are reported.
fn checks(wire: &[Check], errors: &mut Vec<FieldError>) -> Vec<GuardCheck> {
    let mut understood = Vec::new();
    for (i, check) in wire.iter().enumerate() {
        let path = format!("spec.guard.checks[{i}]");
        if wire
            .iter()
            .take(i)
            .any(|earlier| earlier.name == check.name)
        {
            errors.push(FieldError::new(
                format!("{path}.name"),
                format!("`{}` is named twice", check.name),
            ));
        }
        match GuardCheck::parse(check) {
            Ok(check) => understood.push(check),
            Err(mistakes) => errors.extend(
                mistakes
                    .into_iter()
                    .map(|m| FieldError::new(format!("{path}.{}", m.field), m.message)),
            ),
        }
    }
    understood
}

fn rule_errors(i: usize, rule: &crate::api::template::ApprovalRule, errors: &mut Vec<FieldError>) {
    let path = format!("spec.approval.rules[{i}]");
    if rule.roles.is_empty() {
        errors.push(FieldError::new(
            format!("{path}.roles"),
            "names no role; nobody could ever approve",
        ));
    }
    if rule.count < 1 {
        errors.push(FieldError::new(
            format!("{path}.count"),
            format!("must be at least 1: `{}`", rule.count),
        ));
    }
    for role in rule.roles.iter().filter(|r| r.as_str() == "status") {
        errors.push(FieldError::new(
            format!("{path}.roles"),
            format!("`{role}` is the status subresource, not a role"),
        ));
    }
}
