//! The text of a `Warning` header, as the API server sends it.

/// Reads `299 - "text"`; anything else is no warning of an API server.
pub(super) fn text(header: &str) -> Option<String> {
    let quoted = header
        .trim()
        .strip_prefix("299 ")?
        .trim_start()
        .split_once(' ')?
        .1
        .trim_start();
    let mut characters = quoted.strip_prefix('"')?.chars();
    let mut out = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(out),
            '\\' => out.push(characters.next()?),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_text_is_read_and_unescaped() {
        assert_eq!(
            text(r#"299 - "permit-gate: would admit""#).as_deref(),
            Some("permit-gate: would admit")
        );
        assert_eq!(
            text(r#"299 - "a \"b\" \\ c""#).as_deref(),
            Some(r#"a "b" \ c"#)
        );
        assert_eq!(
            text(r#"299 agent "with a date" "Sat, 21 Nov 2026 21:00:00 GMT""#).as_deref(),
            Some("with a date")
        );
    }

    #[test]
    fn what_is_no_warning_is_none() {
        for header in [
            "",
            "299",
            "299 - ",
            r#"199 - "other""#,
            r#"299 - "unended"#,
            "299 - bare",
        ] {
            assert_eq!(text(header), None, "{header}");
        }
    }
}
