//! A check's query: one PromQL text of a template, asked about every watched namespace at once.
//!
//! Parses, refuses what the guard cannot judge, and forces the namespace matcher onto every selector of the parsed
//! tree, never onto the text. Does not know what is done with the answer.

mod shape;

use std::collections::BTreeSet;
use std::time::Duration;

use promql_parser::label::{Matcher, Matchers};
use promql_parser::parser::{self, Expr, VectorSelector, token};
use promql_parser::util::display_duration;
use thiserror::Error;

/// The longest text of a query.
const LONGEST: usize = 2048;
/// How many operators and brackets a query may have: it bounds how deep its tree is.
const MOST_OPERATORS: usize = 128;
/// How many different selectors a query may have: each is a freshness query of its own.
const MOST_SELECTORS: usize = 4;

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// It is no PromQL.
    #[error("the query is not PromQL: {0}")]
    Syntax(String),
    /// It is longer or deeper than anything that a check needs.
    #[error(
        "the query is too large: at most {LONGEST} bytes and {MOST_OPERATORS} operators and brackets"
    )]
    TooLarge,
    /// It asks for too many different series.
    #[error("the query has too many different selectors: at most {MOST_SELECTORS}")]
    TooManySelectors,
    /// It has a placeholder that means nothing.
    #[error("the query has an unknown placeholder; `{{{{ window }}}}` is the only one: `{0}`")]
    Placeholder(String),
    /// It has a part that the guard cannot judge.
    #[error("the query may not have {what}: {instead}")]
    Refused {
        /// The part.
        what: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// Its result cannot be told apart by workload.
    #[error(
        "the query's result needs exactly the labels {wanted}, and has {found}; aggregate it with `by ({wanted})`"
    )]
    Labels {
        /// The labels of its result.
        found: String,
        /// The labels that say which workload it is about.
        wanted: String,
    },
    /// Nobody is watched.
    #[error("no namespace is named to ask about")]
    NoNamespace,
}

/// What a query has to fit.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The window of the check.
    pub window: Duration,
    /// The label that holds the namespace.
    pub namespace_label: &'a str,
    /// The label that holds the workload's name.
    pub workload_label: &'a str,
    /// Whether the result is a number of requests within the window.
    pub counts: bool,
}

/// A query that was parsed and accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    tree: Expr,
    namespace_label: String,
    workload_label: String,
}

impl Query {
    /// Parses a query and refuses whatever would evade the window, the freshness or the namespaces.
    pub fn parse(text: &str, terms: &Terms<'_>) -> Result<Self, QueryError> {
        let operators = text.bytes().filter(|b| b"([{+-*/%^!".contains(b)).count();
        if text.len() > LONGEST || operators > MOST_OPERATORS {
            return Err(QueryError::TooLarge);
        }
        let text = substitute(text, terms.window)?;
        let tree = parse_tree(&text)?;
        shape::check(&tree, terms)?;
        let query = Self {
            tree,
            namespace_label: terms.namespace_label.to_owned(),
            workload_label: terms.workload_label.to_owned(),
        };
        query.check_printing()?;
        Ok(query)
    }

    /// The query about these namespaces alone.
    pub fn about(&self, namespaces: &BTreeSet<String>) -> Result<String, QueryError> {
        self.forced(namespaces).map(|tree| tree.to_string())
    }

    /// When each workload's series were last sampled: one query for each different selector.
    pub fn freshness(&self, namespaces: &BTreeSet<String>) -> Result<BTreeSet<String>, QueryError> {
        let mut tree = self.forced(namespaces)?;
        let (namespace, workload) = (&self.namespace_label, &self.workload_label);
        Ok(selectors(&mut tree)
            .into_iter()
            .map(|selector| format!("max by ({namespace}, {workload}) (timestamp({selector}))"))
            .collect())
    }

    /// The tree with the namespace matcher on every selector; everything else as the template has it.
    fn forced(&self, namespaces: &BTreeSet<String>) -> Result<Expr, QueryError> {
        let matcher = namespace_matcher(&self.namespace_label, namespaces)?;
        let mut tree = self.tree.clone();
        for selector in selectors(&mut tree) {
            let matchers = std::mem::replace(&mut selector.matchers, Matchers::empty());
            selector.matchers = matchers.append(matcher.clone());
        }
        Ok(tree)
    }

    /// What is asked must be what was parsed: the printed tree has to read back as the same tree.
    fn check_printing(&self) -> Result<(), QueryError> {
        let anyone = BTreeSet::from(["any".to_owned()]);
        if self.freshness(&anyone)?.len() > MOST_SELECTORS {
            return Err(QueryError::TooManySelectors);
        }
        let printed = self.about(&anyone)?;
        let again = parse_tree(&printed)?;
        if again.to_string() == printed {
            Ok(())
        } else {
            Err(QueryError::Syntax(format!(
                "it does not read back as itself: {}",
                one_line(&printed)
            )))
        }
    }
}

/// Parses PromQL. The parser panics on some numbers that are no duration (`[1e999]`); that must cost one query only.
fn parse_tree(text: &str) -> Result<Expr, QueryError> {
    let parsed = std::panic::catch_unwind(|| parser::parse(text));
    let parsed = parsed.unwrap_or_else(|_| Err("a number in it is out of range".into()));
    parsed.map_err(|error| QueryError::Syntax(one_line(&error)))
}

/// A matcher of exactly these namespaces. An empty list would match every series without the label, so it is refused.
fn namespace_matcher(label: &str, namespaces: &BTreeSet<String>) -> Result<Matcher, QueryError> {
    if namespaces.is_empty() || namespaces.contains("") {
        return Err(QueryError::NoNamespace);
    }
    // Prometheus anchors every matcher at both ends.
    let any = namespaces
        .iter()
        .map(|name| escape(name))
        .collect::<Vec<_>>()
        .join("|");
    Matcher::new_matcher(token::T_EQL_REGEX, label.to_owned(), any)
        .map_err(|e| QueryError::Syntax(one_line(&e)))
}

/// A text that, as a regular expression, matches itself alone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Puts the window in place of its placeholder.
fn substitute(text: &str, window: Duration) -> Result<String, QueryError> {
    let mut pieces = text.split("{{");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once("}}") {
            Some((name, rest)) if name.trim() == "window" => {
                whole.push_str(&display_duration(&window));
                whole.push_str(rest);
            }
            Some((name, _)) => return Err(QueryError::Placeholder(one_line(name.trim()))),
            None => return Err(QueryError::Placeholder(one_line(piece))),
        }
    }
    Ok(whole)
}

/// Every selector of a tree.
fn selectors(tree: &mut Expr) -> Vec<&mut VectorSelector> {
    match tree {
        Expr::VectorSelector(selector) => vec![selector],
        Expr::MatrixSelector(range) => vec![&mut range.vs],
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate
                .param
                .as_deref_mut()
                .map(selectors)
                .unwrap_or_default();
            selectors(&mut aggregate.expr)
                .into_iter()
                .chain(parameter)
                .collect()
        }
        Expr::Binary(binary) => selectors(&mut binary.lhs)
            .into_iter()
            .chain(selectors(&mut binary.rhs))
            .collect(),
        Expr::Call(call) => call
            .args
            .args
            .iter_mut()
            .flat_map(|argument| selectors(argument))
            .collect(),
        Expr::Unary(unary) => selectors(&mut unary.expr),
        Expr::Paren(paren) => selectors(&mut paren.expr),
        Expr::Subquery(subquery) => selectors(&mut subquery.expr),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
    }
}

/// A message of others in one bounded line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(160)
        .collect()
}

#[cfg(test)]
mod tests;
