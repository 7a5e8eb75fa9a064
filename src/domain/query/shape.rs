//! The shape of a query: which labels its result has, and what may not stand in it at all.
//!
//! An allow-list: what is not known to keep the labels, the window and the freshness is refused. Does not know which
//! namespaces are asked about.

use std::collections::BTreeSet;

use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, MatrixSelector, VectorMatchCardinality,
    VectorSelector,
};

use super::{QueryError, Terms};

/// Aggregations that give one value a group.
const AGGREGATIONS: [&str; 6] = ["sum", "avg", "min", "max", "count", "quantile"];
/// Functions that count, over a range.
const COUNTING: [&str; 3] = ["increase", "sum_over_time", "count_over_time"];
/// Functions over a range whose result is no count.
const RANGING: [&str; 9] = [
    "rate",
    "irate",
    "delta",
    "idelta",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "quantile_over_time",
];
/// Functions of single values that keep every label.
const POINTWISE: [&str; 7] = [
    "abs",
    "ceil",
    "floor",
    "round",
    "clamp",
    "clamp_min",
    "clamp_max",
];
/// The function that folds the buckets of a histogram.
const QUANTILE: &str = "histogram_quantile";
/// Operators that keep every series: comparisons and set operators hide some.
const ARITHMETIC: [&str; 6] = ["+", "-", "*", "/", "%", "^"];

/// The labels of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Labels {
    /// No vector: a number or a string.
    Scalar,
    /// Whatever the series have.
    Open,
    /// No others than these.
    Only(BTreeSet<String>),
}

/// Refuses a query whose result is not one value a workload, from fresh samples within the window.
pub(super) fn check(tree: &Expr, terms: &Terms<'_>) -> Result<(), QueryError> {
    let found = match labels(tree, terms)? {
        Labels::Only(found) if found == wanted(terms) => return Ok(()),
        Labels::Only(found) if found.is_empty() => "none".to_owned(),
        Labels::Only(found) => found.into_iter().collect::<Vec<_>>().join(", "),
        Labels::Open => "all those of the series".to_owned(),
        Labels::Scalar => "none (it is a plain number)".to_owned(),
    };
    let wanted = format!("{}, {}", terms.namespace_label, terms.workload_label);
    Err(QueryError::Labels { found, wanted })
}

fn wanted(terms: &Terms<'_>) -> BTreeSet<String> {
    [terms.namespace_label, terms.workload_label]
        .map(str::to_owned)
        .into()
}

fn refuse<T>(what: impl Into<String>, instead: &'static str) -> Result<T, QueryError> {
    Err(QueryError::Refused {
        what: what.into(),
        instead,
    })
}

fn labels(expr: &Expr, terms: &Terms<'_>) -> Result<Labels, QueryError> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(Labels::Scalar),
        Expr::Paren(paren) => labels(&paren.expr, terms),
        Expr::Unary(unary) => labels(&unary.expr, terms),
        Expr::VectorSelector(selector) if terms.counts => refuse(
            format!("`{}` without a range", name(selector)),
            "count with `increase(…[{{ window }}])`",
        ),
        Expr::VectorSelector(selector) => selected(selector),
        Expr::MatrixSelector(range) => ranged(range, terms),
        Expr::Aggregate(aggregate) => aggregated(aggregate, terms),
        Expr::Binary(binary) => combined(binary, terms),
        Expr::Call(call) => called(call, terms),
        Expr::Subquery(_) => refuse(
            "a subquery",
            "it reaches back beyond the window; use a range of `[{{ window }}]`",
        ),
        Expr::Extension(_) => refuse("an extension", "use plain PromQL"),
    }
}

fn name(selector: &VectorSelector) -> &str {
    selector.name.as_deref().unwrap_or("a selector")
}

fn selected(selector: &VectorSelector) -> Result<Labels, QueryError> {
    if selector.offset.is_some() || selector.at.is_some() {
        return refuse("`offset` or `@`", "the guard judges what is measured now");
    }
    if !selector.matchers.or_matchers.is_empty() {
        return refuse(
            "`or` between matchers",
            "Prometheus does not know it; use `=~` with alternatives",
        );
    }
    Ok(Labels::Open)
}

fn ranged(range: &MatrixSelector, terms: &Terms<'_>) -> Result<Labels, QueryError> {
    if range.range != terms.window {
        return refuse(
            "a range of its own",
            "write `[{{ window }}]`, so that nothing from before the change is judged",
        );
    }
    selected(&range.vs)
}

fn aggregated(aggregate: &AggregateExpr, terms: &Terms<'_>) -> Result<Labels, QueryError> {
    let operator = aggregate.op.to_string();
    if !AGGREGATIONS.contains(&operator.as_str()) {
        return refuse(
            format!("`{operator}`"),
            "use sum, avg, min, max, count or quantile",
        );
    }
    if let Some(parameter) = &aggregate.param {
        plain_number(parameter)?;
    }
    let inner = labels(&aggregate.expr, terms)?;
    let by: BTreeSet<String> = match &aggregate.modifier {
        Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect(),
        Some(LabelModifier::Exclude(_)) => {
            return refuse("`without`", "name the labels that are kept with `by`");
        }
        None => BTreeSet::new(),
    };
    Ok(match inner {
        Labels::Only(kept) => Labels::Only(by.intersection(&kept).cloned().collect()),
        Labels::Open | Labels::Scalar => Labels::Only(by),
    })
}

/// Parameters are written out, so that no series steers how another one is read.
fn plain_number(expr: &Expr) -> Result<(), QueryError> {
    if matches!(expr, Expr::NumberLiteral(_)) {
        Ok(())
    } else {
        refuse("a computed parameter", "write it as a plain number")
    }
}

fn combined(binary: &BinaryExpr, terms: &Terms<'_>) -> Result<Labels, QueryError> {
    let operator = binary.op.to_string();
    if !ARITHMETIC.contains(&operator.as_str()) {
        return refuse(
            format!("`{operator}`"),
            "it can hide series; the limit belongs into `max`",
        );
    }
    if let Some(modifier) = &binary.modifier {
        let filled = modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some();
        let one_to_one = modifier.card == VectorMatchCardinality::OneToOne;
        if filled || !one_to_one || modifier.matching.is_some() {
            return refuse(
                "a join (`on`, `ignoring`, `group_left`, `fill`)",
                "aggregate both sides alike",
            );
        }
    }
    match (labels(&binary.lhs, terms)?, labels(&binary.rhs, terms)?) {
        (Labels::Scalar, other) | (other, Labels::Scalar) => Ok(other),
        (left, right) if left == right => Ok(left),
        _ => refuse(
            "two sides with different labels",
            "aggregate both sides alike",
        ),
    }
}

fn called(call: &Call, terms: &Terms<'_>) -> Result<Labels, QueryError> {
    let function = call.func.name;
    let ranging = RANGING.contains(&function);
    if ranging && terms.counts {
        return refuse(
            format!("`{function}` where requests are counted"),
            "use `increase`",
        );
    }
    let known = ranging
        || COUNTING.contains(&function)
        || POINTWISE.contains(&function)
        || function == QUANTILE;
    if !known {
        return refuse(
            format!("the function `{function}`"),
            "it does not keep labels, freshness or series",
        );
    }
    let mut result = Labels::Scalar;
    for argument in &call.args.args {
        match labels(argument, terms)? {
            Labels::Scalar => plain_number(argument)?,
            vector @ (Labels::Open | Labels::Only(_)) => result = vector,
        }
    }
    if let (Labels::Only(kept), QUANTILE) = (&mut result, function) {
        kept.remove("le");
    }
    Ok(result)
}
