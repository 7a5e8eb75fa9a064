//! The one line by which the gate answers a dry run, and how it is read again.
//!
//! A warning is one line of at most 256 bytes without control characters: with one it vanishes without a trace.
//! Knows the wording only; the verdict itself is decided in `gate`.

/// How the warning of a dry run begins that would be admitted.
pub const WOULD_ADMIT: &str = "permit-gate: would admit";
/// How the warning of a dry run begins that would be denied; the code word follows.
pub const WOULD_DENY: &str = "permit-gate: would deny: ";
/// The longest warning, in bytes.
const MAX_BYTES: usize = 256;

/// What the gate would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerdictLine {
    /// It would admit; the note names permit or reason and may be empty.
    Admit {
        /// Why.
        note: String,
    },
    /// It would deny.
    Deny {
        /// The code word. Example: `PermitRequired`.
        code: String,
        /// Why, in one line.
        message: String,
    },
}

/// The warning that tells this verdict.
pub fn render(verdict: &VerdictLine) -> String {
    let line = match verdict {
        VerdictLine::Admit { note } if note.is_empty() => WOULD_ADMIT.to_owned(),
        VerdictLine::Admit { note } => format!("{WOULD_ADMIT}: {note}"),
        VerdictLine::Deny { code, message } => format!("{WOULD_DENY}{code}: {message}"),
    };
    one_line(&line)
}

/// Reads a warning again; one that is not the gate's verdict on a dry run is `None`.
pub fn parse(warning: &str) -> Option<VerdictLine> {
    if let Some(rest) = warning.strip_prefix(WOULD_DENY) {
        let (code, message) = rest.split_once(": ").unwrap_or((rest, ""));
        return Some(VerdictLine::Deny {
            code: code.to_owned(),
            message: message.to_owned(),
        });
    }
    let rest = warning.strip_prefix(WOULD_ADMIT)?;
    match rest.strip_prefix(": ") {
        Some(note) => Some(VerdictLine::Admit {
            note: note.to_owned(),
        }),
        None => rest.is_empty().then(|| VerdictLine::Admit {
            note: String::new(),
        }),
    }
}

/// `text` without control characters, cut to what a warning may hold.
fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out = String::new();
    for character in clean {
        if out.len() + character.len_utf8() > MAX_BYTES {
            break;
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(message: &str) -> VerdictLine {
        VerdictLine::Deny {
            code: "PermitRequired".into(),
            message: message.into(),
        }
    }

    #[test]
    fn what_is_rendered_is_read_again() {
        let admit = |note: &str| VerdictLine::Admit { note: note.into() };
        for verdict in [
            admit(""),
            admit("permit checkout-7f3c9"),
            deny("Deployment shop/checkout: no permit"),
        ] {
            assert_eq!(parse(&render(&verdict)), Some(verdict));
        }
    }

    #[test]
    fn the_line_begins_as_documented() {
        assert_eq!(
            render(&deny("no permit")),
            "permit-gate: would deny: PermitRequired: no permit"
        );
        assert_eq!(
            render(&VerdictLine::Admit {
                note: String::new()
            }),
            "permit-gate: would admit"
        );
    }

    #[test]
    fn a_long_or_broken_message_stays_one_warning() {
        let line = render(&deny(&"ä\n".repeat(300)));
        assert!(line.len() <= MAX_BYTES && !line.chars().any(char::is_control));
        assert!(matches!(parse(&line), Some(VerdictLine::Deny { .. })));
    }

    #[test]
    fn a_warning_of_somebody_else_is_no_verdict() {
        for text in [
            "",
            "would admit",
            "permit-gate: would admittedly",
            "permit-gate: read only",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
