//! What to do about a refusal: from the API server's answer to the next command.
//!
//! Knows the code words of gate and admission and the codes of HTTP; judges nothing.

/// What somebody may do about this answer, if anything is known to help.
pub(super) fn next(code: u16, message: &str) -> Option<&'static str> {
    let word = CODE_WORDS
        .iter()
        .find(|(word, _)| message.starts_with(word) || message.contains(&format!(" {word}:")))
        .map(|(_, next)| *next);
    word.or_else(|| of_code(code, message))
}

const CODE_WORDS: [(&str, &str); 12] = [
    (
        "SelfApprovalBlocked",
        "have somebody else approve it; who may: kubectl auth can-i approve permits --subresource=ROLE --as THEM",
    ),
    (
        "RoleNotHeld",
        "name a role that you hold with --role; see: kubectl auth can-i approve permits --subresource=ROLE",
    ),
    (
        "WildcardHolder",
        "decide as a person who was granted the role by its name",
    ),
    (
        "NotAPerson",
        "decide as a person: only people approve, reject and revoke",
    ),
    (
        "DigestMismatch",
        "the request was edited: read it again with kubectl permit get, then decide again",
    ),
    (
        "TemplateNotFound",
        "name one that is there: kubectl get permittemplates",
    ),
    (
        "TemplateNotPermitted",
        "name one that you may use: kubectl auth can-i use permittemplates/NAME",
    ),
    (
        "NotTheRequester",
        "reject or revoke it in a role that you hold, or ask its requester",
    ),
    (
        "PermitFrozen",
        "request a new permit: what was approved stays as it was approved",
    ),
    ("PermitNotFound", "see which there are: kubectl permit list"),
    (
        "InvalidPermit",
        "correct each field that is named, then ask again",
    ),
    (
        "GateUnavailable",
        "try again in a moment; if it stays so, ask the operator's owners",
    ),
];

fn of_code(code: u16, message: &str) -> Option<&'static str> {
    match code {
        401 => Some("log in again: kubectl auth whoami shows who you are here"),
        403 => Some(
            "ask for the right, or act as somebody who has it; yours: kubectl auth can-i --list",
        ),
        404 if message.contains("page not found") => {
            Some("see that the operator is installed here: kubectl permit version")
        }
        404 => Some(
            "see which there are: kubectl permit list (-n NAMESPACE chooses another namespace)",
        ),
        409 if message.contains("already exists") => {
            Some("give another name with --name, or leave it out for a fresh one")
        }
        409 => Some("it was changed meanwhile: run the command again"),
        422 => Some("correct each field that is named, then run the command again"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_word_wins_over_the_http_code() {
        let next = |message| next(403, message).unwrap();
        assert!(next("SelfApprovalBlocked: alice requested permit x").contains("somebody else"));
        assert!(next("the gate says RoleNotHeld: bob").contains("--role"));
        assert!(next("permits is forbidden: User cannot list").contains("can-i --list"));
    }

    #[test]
    fn what_is_not_understood_gets_no_advice() {
        assert_eq!(next(500, "internal error"), None);
        assert!(next(409, "x already exists").unwrap().contains("--name"));
        assert!(
            next(404, "404 page not found")
                .unwrap()
                .contains("kubectl permit version")
        );
    }
}
