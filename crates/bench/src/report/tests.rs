//! A report over hand-made results: every text is escaped, every piece is there, nothing is fetched.

use super::*;
use crate::record::{Bars, Block, Estimate, Image, ImageGrid, Mark, Matrix, Metric, Plot, Published, Table};
use crate::{DeviceKind, ExperimentResult, Host, Mode, Status, Usage};

const NASTY: &str = "<script>alert('&\"')</script>";

fn nasty_result(status: Status, run: &Run) -> ExperimentResult {
    let estimate = Estimate::new(98.5, 0.4);
    let metric = Metric {
        name: format!("a/b/{NASTY}"),
        unit: NASTY.into(),
        estimate,
        seeds: vec![estimate; 3],
        published: vec![Published::new(98.7, NASTY).with_ci(0.4)],
        usage: None,
    };
    let mut table = Table::new(NASTY, [NASTY]);
    table.row([NASTY]);
    let plot = Plot::new(NASTY, NASTY, NASTY).log_y().line(NASTY, [(0.0, 1.0), (1.0, 10.0)]).caption(NASTY);
    let image = Image::new(&[0.0, 1.0], [1, 2, 1], NASTY, Mark::Wrong).unwrap();
    let mut bars = Bars::new(NASTY, NASTY).caption(NASTY);
    bars.bar(NASTY, Estimate::new(30.0, 10.0));
    let mut matrix = Matrix::new(NASTY, NASTY, [NASTY, "b"]).caption(NASTY);
    matrix.row(NASTY, vec![1.0, 2.0]);
    let blocks = vec![
        Block::Heading { text: NASTY.into() },
        Block::Note { text: format!("*{NASTY}* `{NASTY}`") },
        Block::Table(table),
        Block::Plot(plot),
        Block::Images(ImageGrid::new(NASTY).row(NASTY, vec![image]).caption(NASTY)),
        Block::Bars(bars),
        Block::Matrix(matrix),
    ];
    ExperimentResult {
        id: "a/b".into(),
        title: NASTY.into(),
        about: NASTY.into(),
        status,
        run: run.clone(),
        usage: Usage { wall_seconds: 4330.0, cpu_seconds: Some(8000.0), peak_memory_mib: Some(512.3) },
        metrics: vec![metric],
        blocks,
    }
}

fn nasty_report() -> String {
    let run = Run {
        host: Host { cpu: NASTY.into(), cores: 2, memory_gib: Some(24.0), os: NASTY.into() },
        device: DeviceKind::Cpu,
        threads: 2,
        mode: Mode::Quick,
        seeds: 3,
        version: NASTY.into(),
        revision: Some(NASTY.into()),
        command: NASTY.into(),
        started: NASTY.into(),
    };
    let failed = Status::Failed { reason: NASTY.into() };
    let experiments = [Status::Done, failed].map(|status| nasty_result(status, &run)).into();
    render(&Results { run, experiments })
}

#[test]
fn every_text_is_escaped() {
    let page = nasty_report();
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains("<script"));
}

#[test]
fn published_figures_stand_beside_ours_with_seeds_time_and_memory() {
    let page = nasty_report();
    for part in
        ["98.70<span class=\"ci\"> ± 0.40", "98.50<span class=\"ci\"> ± 0.40", ">3</td>", "1 h 12 min", "512 MiB"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("class=\"badge failed\""));
}

#[test]
fn bars_end_at_their_value_and_cells_are_shaded() {
    let page = nasty_report();
    for part in ["width:75.00%", "--shade:0%", "--shade:70%"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_report_fetches_nothing() {
    let page = nasty_report();
    assert!(page.contains("data:image/png;base64,") && page.contains("<svg"));
    let links = ["src=\"http", "href=\"http", "url(", "@import", "<link"];
    assert!(links.iter().all(|link| !page.contains(link)));
}

/// The style sheet recolours the pictures by their fixed colours, so it must know each.
#[test]
fn every_colour_of_a_plot_has_its_rule() {
    let mut plot = Plot::new("", "x", "y");
    for i in 0..8 {
        plot = plot.line("", [(0.0, f64::from(i)), (1.0, 2.0)]);
    }
    let (svg, css) = (chart::svg(&plot), include_str!("style.css"));
    let colors: std::collections::BTreeSet<_> = svg.match_indices("\"#").map(|(at, _)| &svg[at..at + 9]).collect();
    assert_eq!(colors.len(), 9, "{colors:?}");
    for color in colors {
        assert!(css.contains(&format!("[stroke={color}]")) && css.contains(&format!("[fill={color}]")), "{color}");
    }
}
