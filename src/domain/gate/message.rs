//! What people read when the gate has decided: bounded, code word first, never a secret value.
//!
//! The first line stands alone, because `kubectl apply` prints a whole patch before it (`ux.md` 2).

use super::{Code, GateDecision, GateWorld, Judged};
use crate::domain::change::Change;
use crate::domain::kind::short;
use crate::domain::trace::Trace;

/// How a dry run's warning begins when the change would be admitted.
pub const DRY_RUN_ADMITS: &str = "permit-gate: would admit";
/// How a dry run's warning begins when the change would be denied.
pub const DRY_RUN_DENIES: &str = "permit-gate: would deny";

/// The longest first line, in bytes.
const FIRST_LINE: usize = 160;
/// The longest message, in bytes.
const WHOLE: usize = 1000;
/// The longest warning, in bytes.
const WARNING: usize = 256;

/// One line without control characters, cut at a character's boundary: anything else vanishes on its way.
pub fn line(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut(&flat, WARNING)
}

fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// Puts what was judged in words.
pub(super) fn decision(world: &GateWorld, judged: Judged, trace: Trace) -> GateDecision {
    let message = if judged.admits {
        String::new()
    } else {
        denial(world, &judged)
    };
    GateDecision {
        judged,
        trace,
        message,
    }
}

fn denial(world: &GateWorld, judged: &Judged) -> String {
    let workload = format!("{} {}/{}", world.kind, world.namespace, world.name);
    let known = judged.permit.as_deref().filter(|name| !name.is_empty());
    // Of a permit that the user may not know, not even its state is told.
    let is_hidden = judged.permit.is_some() && known.is_none();
    let code = if is_hidden {
        Code::PermitRequired
    } else {
        judged.code
    };
    let first = match (code, known) {
        (Code::FreezeActive, _) => format!("{workload} may not change {}.", judged.why),
        (Code::GateUnavailable, None) => format!("{workload} may not change: {}.", judged.why),
        (Code::PermitRequired, _) => format!("{workload} may not change without a permit."),
        (_, Some(permit)) => format!(
            "{workload} may not change now; permit {permit}: {}.",
            judged.why
        ),
        (_, None) => format!("{workload} may not change; no permit of yours covers it."),
    };
    let mut lines = vec![cut(
        &line(&format!("{}: {first}", code.as_str())),
        FIRST_LINE,
    )];
    let change = Change::between(world.old.as_ref(), world.new.as_ref());
    lines.extend(
        change
            .fields
            .iter()
            .take(4)
            .map(|f| format!("  change    {}", line(&f.describe()))),
    );
    lines.push(format!("  next      {}", next(world, code, known, &change)));
    if let Some(permit) = known {
        lines.push(format!(
            "  status    kubectl permit get {permit} -n {}",
            world.namespace
        ));
    }
    lines.push(format!("  decision  {}", world.decision_id));
    cut(&lines.join("\n"), WHOLE)
}

/// What to do about it, as a command where there is one.
fn next(world: &GateWorld, code: Code, known: Option<&str>, change: &Change) -> String {
    match (code, known) {
        (Code::PermitPending, Some(permit)) => {
            format!(
                "kubectl permit approve {permit} -n {} --reason TEXT (by somebody else)",
                world.namespace
            )
        }
        (Code::PermitWindow | Code::TargetBusy, _) => "wait, then apply again".to_owned(),
        (Code::FreezeActive, _) => format!(
            "wait; in an incident: kubectl permit request -n {} --template EMERGENCY-TEMPLATE --incident REF",
            world.namespace
        ),
        (Code::GateUnavailable, _) => {
            "try again; if it stays, ask whoever runs permit-operator".to_owned()
        }
        _ => {
            let images: Vec<_> = change
                .image_changes()
                .iter()
                .filter_map(|i| {
                    i.to.as_ref()
                        .map(|to| format!(" --image {}={to}", i.container))
                })
                .collect();
            let how = if images.is_empty() {
                " -f FILE".to_owned()
            } else {
                format!(
                    " {}/{}{}",
                    short(world.kind.as_str()),
                    world.name,
                    images.concat()
                )
            };
            format!(
                "kubectl permit request{how} -n {} --template TEMPLATE --purpose TEXT",
                world.namespace
            )
        }
    }
}
