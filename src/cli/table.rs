//! A table as kubectl prints it: columns as wide as their widest cell, three spaces between.
//!
//! Knows widths, nothing of what stands in the cells. Cells hold no colour codes, and no control character that
//! somebody wrote into an object reaches a terminal; an icon counts as one column.

use super::branches::one_line;

/// Lays out rows under their headings; no line ends in spaces.
pub(super) fn render(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading_row: Vec<String> = headings
        .iter()
        .map(|heading| (*heading).to_owned())
        .collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let all = || std::iter::once(&heading_row).chain(&rows);
    let width = |column: usize| {
        all()
            .filter_map(|row| row.get(column))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    all()
        .map(|row| line(row, &widths))
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["checkout-7f3c9".into(), "InReview".into()],
            vec!["ads".into(), String::new()],
        ];
        assert_eq!(
            render(&["NAME", "PHASE"], &rows),
            "NAME             PHASE\ncheckout-7f3c9   InReview\nads"
        );
    }
}
