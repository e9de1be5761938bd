//! Numbers in rows and columns, shaded by size.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// A matrix whose cells are the darker the larger they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// Heading above the matrix.
    pub title: String,
    /// What the rows are, above their names.
    pub corner: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows with their names, each as long as `columns`.
    pub rows: Vec<(String, Vec<f64>)>,
    /// Whether shades compare within a column alone, not over the whole matrix: where columns are of different difficulty.
    pub by_column: bool,
    /// A line below the matrix; may be empty.
    pub caption: String,
}

impl Matrix {
    /// An empty matrix, shaded as a whole.
    pub fn new<S: Into<String>>(
        title: impl Into<String>,
        corner: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            title: title.into(),
            corner: corner.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            by_column: false,
            caption: String::new(),
        }
    }

    /// Shades each column by itself.
    pub fn by_column(mut self) -> Self {
        self.by_column = true;
        self
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, cells: Vec<f64>) -> &mut Self {
        self.rows.push((name.into(), cells));
        self
    }

    /// Sets the line below the matrix.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// How dark a cell is, from 0 for the smallest of those that it is compared with to 1 for the largest; ½ where all are
    /// equal.
    pub(crate) fn shade(&self, row: usize, column: usize) -> f64 {
        let rows = self.rows.iter().map(|(_, cells)| cells);
        let compared: Vec<f64> =
            if self.by_column { rows.map(|cells| cells[column]).collect() } else { rows.flatten().copied().collect() };
        let low = compared.iter().copied().fold(f64::INFINITY, f64::min);
        let high = compared.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if high > low { (self.rows[row].1[column] - low) / (high - low) } else { 0.5 }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let width = self.columns.len();
        for (name, cells) in &self.rows {
            let n = cells.len();
            ensure!(n == width, "row `{name}` of matrix `{}` has {n} cells under {width} columns", self.title);
            ensure!(cells.iter().all(|x| x.is_finite()), "row `{name}` of matrix `{}` is not finite", self.title);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let mut matrix = Matrix::new("t", "", ["a", "b"]);
        matrix.row("x", vec![0.0, 6.0]).row("y", vec![2.0, 8.0]);
        matrix
    }

    #[test]
    fn shades_compare_with_all_cells_or_with_the_column() {
        assert_eq!([matrix().shade(0, 1), matrix().shade(1, 0)], [0.75, 0.25]);
        assert_eq!([matrix().by_column().shade(0, 1), matrix().by_column().shade(1, 0)], [0.0, 1.0]);
        let mut flat = Matrix::new("t", "", ["a"]);
        flat.row("x", vec![3.0]);
        assert_eq!(flat.shade(0, 0), 0.5);
    }

    #[test]
    fn rows_of_another_length_and_cells_that_are_not_finite_are_refused() {
        assert!(matrix().validate().is_ok());
        assert!(matrix().row("z", vec![1.0]).validate().is_err());
        assert!(matrix().row("z", vec![1.0, f64::NAN]).validate().is_err());
    }
}
