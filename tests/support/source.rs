//! Rust source as text: its code without comments and literals, and the part of it that is no test.
//!
//! Reads well enough to find names and lines. Does not parse the language.

/// The code with every comment and every literal blanked out; lines stay where they are.
pub(crate) fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_token(&chars, at);
        let is_code = end == at + 1;
        code.extend(
            chars[at..end]
                .iter()
                .map(|&c| if is_code || c == '\n' { c } else { ' ' }),
        );
        at = end;
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at + 1` where none starts.
fn end_of_token(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts_name = at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match rest {
        ['/', '/', ..] => at + until(rest, |tail| tail[0] == '\n'),
        ['/', '*', ..] => at + end_of_block_comment(rest),
        ['"', ..] => at + end_of_quoted(rest, '"'),
        ['r', '"' | '#', ..] if starts_name => at + end_of_raw(rest).unwrap_or(1),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => at + end_of_quoted(rest, '\''),
        _ => at + 1,
    }
}

fn until(chars: &[char], is_end: impl Fn(&[char]) -> bool) -> usize {
    (0..chars.len())
        .find(|&n| is_end(&chars[n..]))
        .unwrap_or(chars.len())
}

fn end_of_quoted(chars: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw(chars: &[char]) -> Option<usize> {
    let hashes = chars[1..].iter().take_while(|&&c| c == '#').count();
    let body = chars
        .get(hashes + 1..)
        .filter(|body| body.first() == Some(&'"'))?;
    let closing: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let length = until(&body[1..], |tail| tail.starts_with(&closing));
    Some((hashes + 2 + length + closing.len()).min(chars.len()))
}

fn end_of_block_comment(chars: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// How many lines stand before the test module at the bottom, or the line at which code follows it.
pub(crate) fn lines_before_tests(code: &str) -> Result<usize, usize> {
    let lines: Vec<&str> = code.lines().collect();
    let starts = |at: usize| {
        lines[at].trim() == "#[cfg(test)]"
            && lines
                .get(at + 1)
                .is_some_and(|next| next.contains("mod tests"))
    };
    let Some(first) = (0..lines.len()).find(|&at| starts(at)) else {
        return Ok(lines.len());
    };
    let is_inline = lines[first + 1].contains('{');
    let end = if is_inline {
        (first + 2..lines.len()).find(|&at| lines[at] == "}")
    } else {
        Some(first + 1)
    };
    let after = end.and_then(|end| (end + 1..lines.len()).find(|&at| !lines[at].trim().is_empty()));
    after.map_or(Ok(first), |at| Err(at + 1))
}

/// Whether `word` stands in `line` as a whole word.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}
