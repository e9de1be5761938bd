//! Bars and matrices, drawn with the style sheet alone.

use maud::{Markup, html};

use super::markup;
use crate::record::{Bars, Matrix, format_number};

pub(super) fn bars(bars: &Bars) -> Markup {
    let end = bars.end();
    html! {
        figure {
            h4 { (bars.title) }
            div.bars {
                @for bar in &bars.bars {
                    span { (bar.label) }
                    div.track { div.fill style={ "width:" (format!("{:.2}", 100.0 * bar.estimate.value / end)) "%" } {} }
                    span {
                        (format_number(bar.estimate.value, 4)) " " (bars.unit)
                        @if let Some(ci) = bar.estimate.ci { span.ci { " ± " (format_number(ci, 2)) } }
                    }
                }
            }
            @if !bars.caption.is_empty() { figcaption { (markup::inline(&bars.caption)) } }
        }
    }
}

pub(super) fn matrix(matrix: &Matrix) -> Markup {
    html! {
        figure {
            h4 { (matrix.title) }
            div.wide {
                table.matrix {
                    thead { tr { th { (matrix.corner) } @for column in &matrix.columns { th { (column) } } } }
                    tbody {
                        @for (i, (name, cells)) in matrix.rows.iter().enumerate() {
                            tr {
                                th { (name) }
                                @for (j, cell) in cells.iter().enumerate() {
                                    td style={ "--shade:" (format!("{:.0}", 70.0 * matrix.shade(i, j))) "%" } {
                                        (format_number(*cell, 3))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if !matrix.caption.is_empty() { figcaption { (markup::inline(&matrix.caption)) } }
        }
    }
}
