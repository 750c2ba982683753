//! Tables as `flux` prints them.

/// Each cell padded to its column, with a tab behind it; the header ends with a blank. A cell of several lines takes
/// several lines of the table.
pub(super) fn padded(header: &[String], rows: &[Vec<String>]) -> String {
    let every =
        || std::iter::once(header).chain(rows.iter().map(Vec::as_slice)).filter(|row| !row.is_empty());
    let wide = |column: usize| {
        let cells = every().filter_map(|row| row.get(column)).flat_map(|cell| cell.split('\n'));
        cells.map(|line| line.chars().count()).max().unwrap_or_default()
    };
    let columns = every().map(<[String]>::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let mut out = String::new();
    for row in every() {
        let cells: Vec<Vec<&str>> = row.iter().map(|cell| cell.split('\n').collect()).collect();
        for at in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let line = cell.get(at).copied().unwrap_or_default();
                let ends_header = std::ptr::eq(row, header) && column + 1 == cells.len();
                let end = if ends_header { ' ' } else { '\t' };
                out.push_str(&format!("{line:width$}{end}"));
            }
            out.push('\n');
        }
    }
    out
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
