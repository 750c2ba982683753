//! Tables as `flux` prints them.

/// Each cell padded to its column, with a tab behind it; the header ends with a blank. A cell of several lines takes
/// several lines of the table.
pub(super) fn padded(header: &[String], rows: &[Vec<String>]) -> String {
    at_least(&[], header, rows)
}

/// The same with columns of at least these widths, so that more rows fit below it.
pub(super) fn at_least(least: &[usize], header: &[String], rows: &[Vec<String>]) -> String {
    let every = || std::iter::once(header).chain(rows.iter().map(Vec::as_slice));
    let wide = |column: usize| {
        let cells = every().filter_map(|row| row.get(column)).flat_map(|cell| cell.split('\n'));
        let least = least.get(column).copied().unwrap_or_default();
        cells.map(|line| line.chars().count()).max().unwrap_or_default().max(least)
    };
    let columns = every().map(<[String]>::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let mut text = lines(header, &widths, ' ');
    rows.iter().for_each(|row| text.push_str(&lines(row, &widths, '\t')));
    text
}

/// The lines of one row; `end` stands behind its last cell.
fn lines(row: &[String], widths: &[usize], end: char) -> String {
    let cells: Vec<Vec<&str>> = row.iter().map(|cell| cell.split('\n').collect()).collect();
    let mut text = String::new();
    for at in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let line = cell.get(at).copied().unwrap_or_default();
            let end = if column + 1 == cells.len() { end } else { '\t' };
            text.push_str(&format!("{line:width$}{end}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::padded;

    #[test]
    fn cells_of_several_lines_keep_their_column() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = padded(&row(["NAME", "MESSAGE"]), &[row(["a", "one\nlonger one"]), row(["b", "x"])]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            ["NAME\tMESSAGE    ", "a   \tone       \t", "    \tlonger one\t", "b   \tx         \t"]
        );
    }
}
