//! Columns of text, as wide as they need to be.

use std::io::{self, Write};

/// Writes `rows` under `header`, two spaces between columns, nothing after the last. Colours take no width.
pub(super) fn write<const N: usize>(
    mut to: impl Write,
    header: [&str; N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> io::Result<()> {
    let mut lines = vec![header.map(Cell::plain)];
    lines.extend(rows);
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|cells| cells[column].width()).max().unwrap_or_default());
    for cells in &lines {
        for (column, cell) in cells.iter().enumerate() {
            let padding = if column + 1 == N { 0 } else { widths[column] + 2 - cell.width() };
            write!(to, "{}{}{:#}{:padding$}", cell.style, cell.text, cell.style, "")?;
        }
        writeln!(to)?;
    }
    Ok(())
}

/// One entry of a table.
pub(super) struct Cell {
    text: String,
    style: clap::builder::styling::Style,
}

impl Cell {
    /// Text without colour; nothing is shown as a dash.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, clap::builder::styling::Style::new())
    }

    /// Text in a colour.
    pub(super) fn styled(text: impl Into<String>, style: clap::builder::styling::Style) -> Self {
        let text = text.into();
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut text = Vec::new();
        write(&mut text, ["NAME", "PHASE"], [["alpha", "Running"].map(Cell::plain), ["b", ""].map(Cell::plain)])
            .unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "NAME   PHASE\nalpha  Running\nb      -\n");
    }
}
