//! What an experiment records.

mod block;
mod image;
mod metric;
mod plot;
mod stats;

pub use block::{Block, Table};
pub use image::{Image, ImageGrid, ImageRow, Mark};
pub use metric::{Estimate, Metric, Published};
pub use plot::{Axis, Plot, Series, Style};

pub(crate) use metric::{format_number, metric_line};
