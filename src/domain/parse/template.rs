//! PermitTemplate to `Template`: durations exact, checks sound, nothing demanded that is not built.

use std::time::Duration;

use super::{FieldError, openings};
use crate::api::check::Check;
use crate::api::template::{PermitTemplateSpec, SignatureDemand};
use crate::api::vocabulary::{Grant, TemplateClass};
use crate::domain::check::GuardCheck;
use crate::domain::quantity;
use crate::domain::template::{Level, Template, Unreadable};

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
    // Also a rule of the schema; whoever can write a stored object otherwise must not get past it.
    if spec.grant == Grant::Automatic && (spec.level != 0 || spec.class == TemplateClass::Emergency)
    {
        errors.push(FieldError::new(
            "spec.grant",
            "only level 0 may be granted automatically",
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
        level: level_of(spec),
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

/// Checks a template; of one with mistakes it is still known what it governs.
pub fn governing(
    name: &str,
    digest: &str,
    spec: &PermitTemplateSpec,
) -> Result<Template, Box<Unreadable>> {
    let unreadable = |mistakes| Unreadable {
        name: name.to_owned(),
        level: level_of(spec),
        applies_to: spec.applies_to.clone(),
        mistakes,
    };
    template(name, digest, spec).map_err(|mistakes| Box::new(unreadable(mistakes)))
}

fn level_of(spec: &PermitTemplateSpec) -> Level {
    match spec.class {
        TemplateClass::Emergency => Level::Emergency,
        TemplateClass::Standard => Level::Numbered(spec.level),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What becomes of a template that one reviewer approves, with fields of its spec set.
    fn parsed(fields: &Value) -> Result<Template, Vec<FieldError>> {
        let mut spec = json!({"level": 2, "approval": {"rules": [{"roles": ["sre"]}]}});
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        template("t", "", &serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn levels_from_3_demand_signatures_and_so_does_who_says_so() {
        for level in 0..=4 {
            let demands = parsed(&json!({"level": level})).unwrap().demands_signature;
            assert_eq!(demands, level >= 3, "level {level}");
        }
        let required =
            json!({"approval": {"rules": [{"roles": ["sre"]}], "signature": "Required"}});
        assert!(parsed(&required).unwrap().demands_signature);
        // An emergency has a class of its own, and no way round a level.
        let emergency = json!({"level": 3, "class": "Emergency", "execution": {"window": "1h"}});
        assert!(parsed(&emergency).unwrap().demands_signature);
    }

    #[test]
    fn only_level_0_is_granted_automatically() {
        let automatic = |level: i32, class: &str| {
            parsed(
                &json!({"grant": "Automatic", "level": level, "class": class,
                "execution": {"window": "1h"}}),
            )
        };
        assert!(automatic(0, "Standard").unwrap().is_automatic());
        for (level, class) in [(1, "Standard"), (2, "Standard"), (0, "Emergency")] {
            let errors = automatic(level, class).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(
                errors[0].to_string(),
                "spec.grant: only level 0 may be granted automatically"
            );
        }
    }

    #[test]
    fn an_emergency_lasts_an_hour_at_most() {
        let lasting = |window: &str| {
            parsed(&json!({"class": "Emergency", "execution": {"window": window}})).is_ok()
        };
        assert!(lasting("1h") && !lasting("61m"));
    }
}
