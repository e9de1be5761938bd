//! The table of all metrics beside the published figures.

use maud::{Markup, html};

use crate::record::{Estimate, Metric, Published, format_number};
use crate::{ExperimentResult, Status, Usage};

/// One group of rows an experiment, with what it cost; a row has a cost where its metric was measured in a part of its own.
pub(super) fn summary(experiments: &[ExperimentResult]) -> Markup {
    html! {
        section #summary {
            h2 { "Summary" }
            @if experiments.is_empty() { p { "No experiment has run yet." } }
            div.wide {
                table.metrics {
                    (head())
                    @for experiment in experiments {
                        tbody {
                            tr.group {
                                th colspan="5" { a href={ "#" (experiment.id) } { (experiment.title) } (badge(&experiment.status)) }
                                (cost(&experiment.usage))
                            }
                            @for metric in &experiment.metrics { (row(metric, experiment)) }
                        }
                    }
                }
            }
        }
    }
}

fn head() -> Markup {
    html! {
        thead {
            tr {
                th { "metric" } th.number { "published" } th.number { "ours" } th { "unit" } th.number { "seeds" } th.number { "time" }
                th.number { "peak memory" }
            }
        }
    }
}

fn row(metric: &Metric, experiment: &ExperimentResult) -> Markup {
    let name =
        metric.name.strip_prefix(&experiment.id).map_or(metric.name.as_str(), |name| name.trim_start_matches('/'));
    html! {
        tr {
            td { (name) }
            td.number { @for figure in &metric.published { (published(figure)) } }
            td.number.ours { (estimate(metric.estimate)) }
            td.unit { (metric.unit) }
            td.number { (metric.seeds.len().max(1)) }
            @match &metric.usage {
                Some(usage) => (cost(usage)),
                None => { td {} td {} }
            }
        }
    }
}

fn cost(usage: &Usage) -> Markup {
    html! {
        td.number { (seconds(usage.wall_seconds)) }
        td.number { (memory(usage)) }
    }
}

fn published(figure: &Published) -> Markup {
    html! { div.published { (estimate(Estimate { value: figure.value, ci: figure.ci })) small { (figure.source) } } }
}

/// `98.53 ± 0.41`: the value rounded to the same place as the first two digits of its interval, if that is worth showing.
fn estimate(Estimate { value, ci }: Estimate) -> Markup {
    let worth_showing = |ci: &f64| *ci > 1e-6 * value.abs().max(1e-6);
    html! {
        @match ci.filter(worth_showing) {
            Some(ci) => {
                @let places = usize::try_from(1 - ci.log10().floor() as i32).unwrap_or(0);
                (grouped(&format!("{value:.places$}"))) span.ci { " ± " (grouped(&format!("{ci:.places$}"))) }
            }
            None => (grouped(&format_number(value, 4))),
        }
    }
}

/// A number with its whole part in groups of three from five digits on: `2,512,345`.
fn grouped(number: &str) -> String {
    let whole = number.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(number.len());
    let digits = number[..whole].trim_start_matches('-').len();
    let mut out = String::new();
    for (i, c) in number.char_indices() {
        let left = whole.saturating_sub(i);
        if digits > 4 && left > 0 && left < digits && left.is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A coloured word for what did not go well.
pub(super) fn badge(status: &Status) -> Markup {
    match status {
        Status::Done => html! {},
        Status::Failed { .. } => html! { " " span.badge.failed { "failed" } },
        Status::Skipped { .. } => html! { " " span.badge.skipped { "skipped" } },
    }
}

/// A duration to two or three digits: `0.35 s`, `12 s`, `3 min 20 s`, `1 h 12 min`.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 if seconds < 0.01 => "< 0.01 s".into(),
        0..10 => format!("{} s", format_number(seconds, 2)),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Peak memory in MiB, or a dash where the system does not tell.
pub(super) fn memory(usage: &Usage) -> String {
    usage.peak_memory_mib.map_or("–".into(), |mib| format!("{mib:.0} MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_set_the_number_of_places() {
        let text = |value, ci| estimate(Estimate::new(value, ci)).into_string();
        assert_eq!(text(98.527, 0.41), "98.53<span class=\"ci\"> ± 0.41</span>");
        assert_eq!(text(2768.4, 31.0), "2768<span class=\"ci\"> ± 31</span>");
        assert_eq!(text(0.6689, 0.01), "0.669<span class=\"ci\"> ± 0.010</span>");
        assert_eq!(text(5.0, 0.0), "5");
        assert_eq!(text(1.0, 1e-16), "1");
    }

    #[test]
    fn long_numbers_are_grouped() {
        let cases =
            [("2512345", "2,512,345"), ("-123456.789", "-123,456.789"), ("2768", "2768"), ("0.12345", "0.12345")];
        for (plain, expected) in cases {
            assert_eq!(grouped(plain), expected);
        }
    }

    #[test]
    fn durations_in_the_units_that_people_use() {
        let cases = [
            (0.0, "< 0.01 s"),
            (0.352, "0.35 s"),
            (12.4, "12 s"),
            (59.7, "1 min 00 s"),
            (200.0, "3 min 20 s"),
            (4330.0, "1 h 12 min"),
        ];
        for (value, expected) in cases {
            assert_eq!(seconds(value), expected);
        }
    }
}
