//! The report: one HTML file that needs nothing else.
//!
//! Every text goes through maud, which escapes it; only the plots, drawn here, and the style sheet are put in as they are.

mod chart;
mod images;
mod markup;
mod section;
mod shades;
mod summary;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Results, Run};

/// The report of a folder of results.
pub fn render(results: &Results) -> String {
    let Results { run, experiments } = results;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "rekindle bench" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header { (header(run)) }
                main {
                    (summary::summary(experiments))
                    @for experiment in experiments { (section::section(experiment)) }
                }
                footer {
                    "± is the half-width of the 95 % confidence interval: Student’s t over seeds, or over test tasks where there is one seed. "
                    "Peak memory is that of the whole process."
                }
            }
        }
    };
    page.into_string()
}

fn header(run: &Run) -> Markup {
    let host = &run.host;
    html! {
        p.brand { "rekindle " span { (run.version) } }
        h1 { "Bench report" }
        dl {
            (fact("machine", &html! {
                (host.cpu) " · " (host.cores) @if host.cores == 1 { " core" } @else { " cores" }
                @if let Some(gib) = host.memory_gib { " · " (format!("{gib:.0}")) " GiB" }
            }))
            (fact("system", &html! { (host.os) }))
            (fact("device", &html! { (run.device.name()) " · " (run.threads) @if run.threads == 1 { " thread" } @else { " threads" } }))
            (fact("revision", &html! { @match &run.revision { Some(hash) => code { (hash) }, None => "unknown" } }))
            (fact("started", &html! { (run.started) }))
            (fact("command", &html! { code { (run.command) } }))
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

#[cfg(test)]
mod tests;
