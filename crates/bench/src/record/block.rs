//! The pieces that an experiment's section of the report is made of.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Bars, ImageGrid, Matrix, Plot};

/// One piece, in the order of recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Block {
    /// A heading within the experiment.
    Heading {
        /// Its text.
        text: String,
    },
    /// A paragraph.
    Note {
        /// Its text.
        text: String,
    },
    /// A table.
    Table(Table),
    /// A plot.
    Plot(Plot),
    /// Rows of small images.
    Images(ImageGrid),
    /// Bars side by side.
    Bars(Bars),
    /// A shaded matrix.
    Matrix(Matrix),
}

/// A free table of texts; cells that read as numbers are set to the right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Heading above the table.
    pub title: String,
    /// Column heads.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// A line below the table; may be empty.
    pub caption: String,
}

impl Table {
    /// An empty table.
    pub fn new<S: Into<String>>(title: impl Into<String>, columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { title: title.into(), columns, rows: Vec::new(), caption: String::new() }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let width = self.columns.len();
        for (i, row) in self.rows.iter().enumerate() {
            let cells = row.len();
            ensure!(cells == width, "row {i} of table `{}` has {cells} cells under {width} columns", self.title);
        }
        Ok(())
    }
}
