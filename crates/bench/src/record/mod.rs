//! What an experiment records.

mod bars;
mod block;
mod image;
mod matrix;
mod metric;
mod plot;
mod stats;

pub use bars::{Bar, Bars};
pub use block::{Block, Table};
pub use image::{Image, ImageGrid, ImageRow, Mark};
pub use matrix::Matrix;
pub use metric::{Estimate, Metric, Published};
pub use plot::{Axis, Plot, Series, Style};

pub(crate) use metric::{format_number, metric_line};
