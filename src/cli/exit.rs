//! How a command ends: the exit codes that scripts rely on, and how an error is told.
//!
//! Knows what an API server's answer looks like; does not know which command asked.

use std::process::ExitCode;

use super::advice;

/// The exit codes of `kubectl permit`; 2 is wrong usage and belongs to the argument parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, admitted, succeeded.
    Done = 0,
    /// Something went wrong.
    Error = 1,
    /// Not permitted: by the gate, by RBAC, or by a rule about who may decide.
    NotPermitted = 10,
    /// The time given ran out and it is not settled yet.
    StillWaiting = 11,
    /// The permit was rejected, revoked, cancelled or has expired.
    Ended = 12,
    /// A check breached its limit while the change was live, and the change was rolled back.
    Breached = 13,
}

/// What each exit code means, for the reference.
pub const EXIT_CODES: [(u8, &str); 7] = [
    (Exit::Done as u8, "done, admitted, or closed with success"),
    (
        Exit::Error as u8,
        "something went wrong; for `audit verify`: the record is broken; for `lint`: something was found",
    ),
    (2, "wrong usage"),
    (
        Exit::NotPermitted as u8,
        "not permitted: by the gate, by RBAC, or by a rule about who may decide",
    ),
    (
        Exit::StillWaiting as u8,
        "the time given ran out, and it is not settled yet",
    ),
    (
        Exit::Ended as u8,
        "the permit was rejected, revoked or cancelled or has expired, or a breach could not be undone",
    ),
    (
        Exit::Breached as u8,
        "a check breached its limit while the change was live, and the change was rolled back",
    ),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An answer that is no success, with its own exit code and what to do next.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub(super) struct Refusal {
    /// How the process ends.
    pub(super) exit: Exit,
    /// What is wrong, and where.
    pub(super) message: String,
    /// What to do about it.
    pub(super) next: Option<String>,
}

impl Refusal {
    /// A plain error that says what is wrong and what to do.
    pub(super) fn error(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            exit: Exit::Error,
            message: message.into(),
            next: Some(next.into()),
        }
    }

    /// A permit that did not come to where it was waited for.
    pub(super) fn ended(exit: Exit, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            next: Some(next.into()),
        }
    }
}

/// What is printed of an error, and how the process ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The exit code.
    pub(super) exit: Exit,
    /// What is wrong, where.
    pub(super) message: String,
    /// What to do next.
    pub(super) next: Option<String>,
}

/// Turns an error into what is printed: a refusal speaks for itself, an API answer is the server's own message.
pub(super) fn report(error: &anyhow::Error) -> Report {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return Report {
            exit: refusal.exit,
            message: refusal.message.clone(),
            next: refusal.next.clone(),
        };
    }
    if let Some(status) = error.chain().find_map(api_status) {
        return of_status(status);
    }
    let message = told(error);
    let next = error.chain().any(<dyn std::error::Error>::is::<kube::Error>).then(|| {
        "see that the API server answers: kubectl cluster-info (--context and --kubeconfig choose another)".to_owned()
    });
    Report {
        exit: Exit::Error,
        message,
        next,
    }
}

/// The whole chain; a cause that its effect has told already is not told twice.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        match told.as_str() {
            "" => cause,
            before if before.contains(&cause) => told,
            _ => format!("{told}: {cause}"),
        }
    })
}

fn api_status<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e kube::core::Status> {
    match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// What an API server's refusal means for the person at the terminal.
pub(super) fn of_status(status: &kube::core::Status) -> Report {
    let exit = if status.code == 403 {
        Exit::NotPermitted
    } else {
        Exit::Error
    };
    let message = spoken(&status.message);
    let next = advice::next(status.code, message).map(str::to_owned);
    Report {
        exit,
        message: message.to_owned(),
        next,
    }
}

/// What was said, without who passed it on: the code word comes first.
fn spoken(message: &str) -> &str {
    let between = |before: &str, after: &str| {
        message
            .split_once(before)
            .and_then(|(_, rest)| rest.split_once(after))
    };
    let passed_on = between("admission webhook \"", "\" denied the request: ")
        .or_else(|| between("ValidatingAdmissionPolicy '", "' denied request: "));
    match passed_on {
        Some((by, said)) if by.ends_with("gate.permits.dev") => said,
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use kube::core::Status;

    fn api(code: u16, message: &str) -> anyhow::Error {
        let status = Status::failure(message, "Because").with_code(code);
        anyhow::Error::from(kube::Error::Api(status.boxed())).context("create the approval")
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        let help = crate::cli::args::Cli::command()
            .render_long_help()
            .to_string();
        let told = help.split("Exit codes: ").nth(1).unwrap();
        for (code, _) in EXIT_CODES {
            let is_told = told.split([',', '\n']).any(|part| {
                let number = part.trim().split(' ').next();
                number == Some(&code.to_string())
            });
            assert!(is_told, "{code} is not in: {told}");
        }
    }

    #[test]
    fn a_denial_is_the_servers_own_message_and_exit_10() {
        let report = report(&api(
            403,
            "SelfApprovalBlocked: alice requested this permit",
        ));
        assert_eq!(report.exit, Exit::NotPermitted);
        assert_eq!(
            report.message,
            "SelfApprovalBlocked: alice requested this permit"
        );
    }

    #[test]
    fn our_own_denial_begins_with_its_code_word_and_another_webhooks_is_told_as_it_is() {
        let said =
            |who: &str| format!("admission webhook \"{who}\" denied the request: RoleNotHeld: bob");
        assert_eq!(spoken(&said("own.gate.permits.dev")), "RoleNotHeld: bob");
        assert_eq!(
            spoken(&said("policy.example.com")),
            said("policy.example.com")
        );
    }

    #[test]
    fn a_denial_by_a_policy_of_ours_begins_with_its_code_word_too() {
        let said = |who: &str| {
            format!(
                "approvals.permits.dev \"x\" is forbidden: ValidatingAdmissionPolicy '{who}' with binding '{who}' denied request: \
                 RoleNotHeld: bob"
            )
        };
        assert_eq!(
            spoken(&said("approvals.gate.permits.dev")),
            "RoleNotHeld: bob"
        );
        assert_eq!(
            spoken(&said("policy.example.com")),
            said("policy.example.com")
        );
    }

    #[test]
    fn another_api_error_is_exit_1() {
        assert_eq!(
            report(&api(404, "permits.permits.dev \"x\" not found")).exit,
            Exit::Error
        );
    }

    #[test]
    fn a_missing_kind_points_to_the_installation() {
        let next = report(&api(404, "404 page not found")).next.unwrap();
        assert!(next.contains("kubectl permit version"), "{next}");
    }

    #[test]
    fn a_refusal_keeps_its_exit_code_under_any_context() {
        let refusal = Refusal::ended(
            Exit::Breached,
            "permit `x` did not succeed",
            "kubectl permit get x",
        );
        let report = report(&anyhow::Error::from(refusal).context("follow the permit"));
        assert_eq!(report.exit, Exit::Breached);
        assert_eq!(report.message, "permit `x` did not succeed");
    }

    #[test]
    fn another_error_tells_its_whole_chain() {
        let error = anyhow::anyhow!("no such file").context("read `a.yaml`");
        assert_eq!(report(&error).message, "read `a.yaml`: no such file");
        let twice = anyhow::anyhow!("no such file").context("read `a.yaml`: no such file");
        assert_eq!(report(&twice).message, "read `a.yaml`: no such file");
    }
}
