//! What people read when the gate has decided: bounded, code word first, never a secret value.
//!
//! The first line stands alone, because `kubectl apply` prints a whole patch before it (`ux.md` 2).

use super::{Candidate, Code, GateDecision, GateWorld, Judged, governing};
use crate::api::vocabulary::Operation;
use crate::domain::change::{Change, FieldChange};
use crate::domain::kind::short;
use crate::domain::quorum::tally;
use crate::domain::template::{Level, Template};
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
    let candidate = candidate(world, judged);
    // Of a permit that the user may not know, not even its state is told.
    let is_hidden = judged.permit.is_some() && candidate.is_none();
    let code = if is_hidden {
        Code::PermitRequired
    } else {
        judged.code
    };
    let change = Change::between(world.old.as_ref(), world.new.as_ref());
    let template = match candidate {
        Some(candidate) => candidate.template.as_ref(),
        None if is_hidden => None,
        None => governing::demanded(world, &change),
    };
    let first = line(&first(world, judged, (code, candidate)));
    let mut lines = vec![cut(&first, FIRST_LINE)];
    let changes = change.fields.iter().take(4);
    lines.extend(changes.map(|f| format!("  change    {}", line(&f.describe()))));
    lines.extend(template.map(|t| format!("  template  {}", line(&demands(t)))));
    let next = match candidate {
        Some(candidate) => next_of(world, code, candidate),
        None => next(world, code),
    };
    let next = next.unwrap_or_else(|| {
        let anew = template.and(governing::demanded(world, &change));
        request(world, &change, anew.or(template))
    });
    lines.push(format!("  next      {next}"));
    if let Some(candidate) = candidate {
        let (permit, namespace) = (&candidate.request.name, &world.namespace);
        lines.push(format!(
            "  status    kubectl permit get {permit} -n {namespace}"
        ));
    }
    lines.push(format!("  decision  {}", world.decision_id));
    cut(&lines.join("\n"), WHOLE)
}

/// The permit that is told of, where the user may know it.
fn candidate<'a>(world: &'a GateWorld, judged: &Judged) -> Option<&'a Candidate> {
    let name = judged.permit.as_deref().filter(|name| !name.is_empty())?;
    world.candidates.iter().find(|c| c.request.name == name)
}

fn first(
    world: &GateWorld,
    judged: &Judged,
    (code, candidate): (Code, Option<&Candidate>),
) -> String {
    let workload = format!("{} {}/{}", world.kind, world.namespace, world.name);
    let told = match (code, candidate) {
        (Code::FreezeActive, _) => format!("{workload} may not change {}.", judged.why),
        (Code::GateUnavailable, None) => format!("{workload} may not change: {}.", judged.why),
        (Code::PermitRequired, _) => format!("{workload} may not change without a permit."),
        (_, Some(candidate)) => format!(
            "{workload} may not change now; permit {}: {}.",
            candidate.request.name, judged.why
        ),
        (_, None) => format!("{workload} may not change; no permit of yours covers it."),
    };
    format!("{}: {told}", code.as_str())
}

/// A template and what it demands, in words.
fn demands(template: &Template) -> String {
    let never = match template.level {
        Level::Emergency => "",
        Level::Numbered(_) if template.is_automatic() => "",
        Level::Numbered(_) => ", never the requester",
    };
    let (name, level, needs) = (&template.name, template.level, template.needs());
    format!("{name} (level {level}: {needs}{never})")
}

/// What to do about a denial that no permit of the user's gives the reason for; `None`: request one.
fn next(world: &GateWorld, code: Code) -> Option<String> {
    match code {
        Code::GateUnavailable if world.unsound.is_some() => {
            Some("have it corrected; what is wrong: kubectl permit config lint".to_owned())
        }
        Code::GateUnavailable if !world.unreadable.is_empty() => {
            Some("have it corrected; what is wrong: kubectl permit template lint".to_owned())
        }
        Code::GateUnavailable => {
            Some("try again; if it stays, ask whoever runs permit-operator".to_owned())
        }
        Code::FreezeActive => Some(format!(
            "wait; in an incident: kubectl permit request -n {} --template {} --incident REF",
            world.namespace,
            emergency(world)
        )),
        _ => None,
    }
}

/// The template for emergencies, if there is one.
fn emergency(world: &GateWorld) -> &str {
    let mut templates = world.templates.iter();
    let found = templates.find(|template| template.level == Level::Emergency);
    found.map_or("EMERGENCY-TEMPLATE", |template| template.name.as_str())
}

/// What to do about this permit; `None`: request another one.
fn next_of(world: &GateWorld, code: Code, candidate: &Candidate) -> Option<String> {
    match code {
        Code::PermitPending => Some(match missing_role(candidate) {
            Some(role) => format!(
                "kubectl permit approve {} -n {} --role {role} --reason TEXT",
                candidate.request.name, world.namespace
            ),
            None => "wait, then apply again".to_owned(),
        }),
        Code::PermitWindow | Code::TargetBusy => Some("wait, then apply again".to_owned()),
        Code::PermitSubject => {
            let executors = candidate.request.executors().join(", ");
            Some(line(&format!("let an executor do it: {executors}")))
        }
        _ => next(world, code),
    }
}

/// A role in which somebody's approval would bring the permit further.
fn missing_role(candidate: &Candidate) -> Option<String> {
    let (request, template) = (&candidate.request, candidate.template.as_ref()?);
    let digest = request.digest(&template.digest);
    let requester = &request.requester.username;
    tally(template, requester, &digest, &candidate.ballots).missing_role
}

/// The command that asks for a permit for exactly this change.
fn request(world: &GateWorld, change: &Change, template: Option<&Template>) -> String {
    let named = by_flags(world, change).map(|flags| {
        let short = short(world.kind.as_str());
        format!(" {short}/{}{flags}", world.name)
    });
    format!(
        "kubectl permit request{} -n {} --template {} --purpose TEXT",
        named.unwrap_or_else(|| " -f FILE".to_owned()),
        world.namespace,
        template.map_or("TEMPLATE", |t| t.name.as_str())
    )
}

/// The flags that ask for this change: images of containers that stay, and operations that a permit can name. What
/// needs more is asked for by its file.
fn by_flags(world: &GateWorld, change: &Change) -> Option<String> {
    let is_named = |operation: Operation| match operation {
        Operation::Scale
        | Operation::Restart
        | Operation::Pause
        | Operation::Resume
        | Operation::Delete
        | Operation::Diagnose => true,
        // Nobody applies a file to a pod that runs.
        Operation::Configure => world.kind.as_str() == "Pod",
        _ => false,
    };
    world.old.as_ref()?;
    let others = change.fields.iter().filter(|f| !is_named(f.operation));
    let image = |field: &FieldChange| {
        let image = field.image_change()?;
        image.from?;
        Some(format!(" --image {}={}", image.container, image.to?))
    };
    let images: Vec<String> = others.map(image).collect::<Option<_>>()?;
    let operations = change.operations.iter().filter(|o| is_named(**o));
    let operations: Vec<_> = operations.map(|o| format!(" --operation {o}")).collect();
    let flags = images.concat() + &operations.concat();
    (!flags.is_empty()).then_some(flags)
}
