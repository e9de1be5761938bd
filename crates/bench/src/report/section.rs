//! One experiment's section.

use maud::{Markup, PreEscaped, html};

use super::summary::{badge, memory, seconds};
use super::{chart, images, markup, shades};
use crate::record::{Block, Plot, Table};
use crate::{ExperimentResult, Status};

/// Description, then everything recorded in its order, then how and at what cost it ran.
pub(super) fn section(result: &ExperimentResult) -> Markup {
    html! {
        section id=(result.id) {
            p.id { (result.id) }
            h2 { (result.title) (badge(&result.status)) }
            @match &result.status {
                Status::Done => {},
                Status::Failed { reason } => p.reason.failed { (reason) },
                Status::Skipped { reason } => p.reason.skipped { (reason) },
            }
            div.about { (markup::paragraphs(&result.about)) }
            // Plots that follow each other stand side by side, so they are taken in runs.
            @for run in result.blocks.chunk_by(|a, b| matches!((a, b), (Block::Plot(_), Block::Plot(_)))) {
                @match run {
                    [Block::Plot(_), ..] => div.plots { @for block in run { @if let Block::Plot(p) = block { (plot(p)) } } },
                    _ => @for block in run { (single(block)) },
                }
            }
            (cost(result))
        }
    }
}

fn single(block: &Block) -> Markup {
    match block {
        Block::Heading { text } => html! { h3 { (text) } },
        Block::Note { text } => markup::paragraphs(text),
        Block::Table(table) => free_table(table),
        Block::Plot(data) => plot(data),
        Block::Images(grid) => images::grid(grid),
        Block::Bars(bars) => shades::bars(bars),
        Block::Matrix(matrix) => shades::matrix(matrix),
    }
}

fn plot(plot: &Plot) -> Markup {
    html! {
        figure.plot {
            h4 { (plot.title) }
            ul.legend {
                @for (i, series) in plot.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
                    li { (PreEscaped(chart::key(series.style, i))) (series.name) }
                }
            }
            (PreEscaped(chart::svg(plot)))
            @if !plot.caption.is_empty() { figcaption { (markup::inline(&plot.caption)) } }
        }
    }
}

fn free_table(table: &Table) -> Markup {
    let numeric: Vec<_> = (0..table.columns.len()).map(|i| table.rows.iter().all(|row| is_number(&row[i]))).collect();
    let class = |i: usize| numeric[i].then_some("number");
    html! {
        figure {
            @if !table.title.is_empty() { h4 { (table.title) } }
            div.wide {
                table {
                    thead { tr { @for (i, head) in table.columns.iter().enumerate() { th class=[class(i)] { (markup::inline(head)) } } } }
                    tbody {
                        @for row in &table.rows {
                            tr { @for (i, cell) in row.iter().enumerate() { td class=[class(i)] { (markup::inline(cell)) } } }
                        }
                    }
                }
            }
            @if !table.caption.is_empty() { figcaption { (markup::inline(&table.caption)) } }
        }
    }
}

/// Whether a cell reads as a number, perhaps with an interval or a unit behind it; an empty cell or a dash does too.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    let digits = cell.trim_start_matches(['-', '−', '+', '±', '<', '>', '≤', '≥', '~', '≈', ' ']);
    matches!(cell, "" | "-" | "–" | "—") || digits.starts_with(|c: char| c.is_ascii_digit())
}

fn cost(result: &ExperimentResult) -> Markup {
    let (run, usage) = (&result.run, &result.usage);
    html! {
        p.cost {
            (run.mode.name()) " · " (run.device.name()) " · " (run.threads) " threads · "
            (run.seeds) @if run.seeds == 1 { " seed" } @else { " seeds" }
            " · " (seconds(usage.wall_seconds))
            @if let Some(cpu) = usage.cpu_seconds { " (" (seconds(cpu)) " of processor time)" }
            " · peak " (memory(usage)) " · " (run.started)
            @if let Some(revision) = &run.revision { " · " code { (revision) } }
        }
    }
}
