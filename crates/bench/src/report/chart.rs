//! Plots as SVG.
//!
//! Colours are written as fixed stand-ins ([`INK`], [`GRID`], [`SERIES`]) that the style sheet replaces, in light and in dark.
//! The text in the picture is only numbers and axis labels; the legend is HTML.

mod ticks;

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::record::{Plot, Series, Style};
use ticks::Scale;

/// Units of the picture in a CSS pixel: plotters rounds every point to whole units, which would show as steps.
const UNIT: i32 = 4;
/// Width and height in units.
const SIZE: (u32, u32) = (520 * UNIT as u32, 310 * UNIT as u32);

const INK: RGBColor = RGBColor(0x5a, 0x60, 0x6a);
const GRID: RGBColor = RGBColor(0xe4, 0xe6, 0xeb);
/// Told apart by readers with the common colour blindnesses: after Okabe & Ito 2008, darkened for thin lines.
const SERIES: [RGBColor; 7] = [
    RGBColor(0x00, 0x68, 0xae),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x8a, 0x68),
    RGBColor(0xba, 0x5a, 0x96),
    RGBColor(0xb8, 0x86, 0x00),
    RGBColor(0x40, 0x96, 0xd0),
    RGBColor(0x6e, 0x6e, 0x6e),
];

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// The plot as an `<svg>` element.
pub(super) fn svg(plot: &Plot) -> String {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    draw(plot, &area).and_then(|()| area.present()).expect("writing to a String cannot fail");
    drop(area);
    svg
}

/// The sign of the `i`-th series for the legend.
pub(super) fn key(style: Style, i: usize) -> String {
    let RGBColor(r, g, b) = color(i);
    let mark = match style {
        Style::Line => "d=\"M0 5h20\"",
        Style::Dashed => "d=\"M0 5h20\" stroke-dasharray=\"5 2.5\"",
        Style::Points => "d=\"M10 5h0\" stroke-width=\"7\" stroke-linecap=\"round\"",
    };
    format!("<svg class=\"key\" viewBox=\"0 0 20 10\"><path {mark} stroke=\"#{r:02X}{g:02X}{b:02X}\"/></svg>")
}

fn draw<'a>(plot: &Plot, area: &DrawingArea<SVGBackend<'a>, Shift>) -> Drawn {
    let (x, y) = scales(plot);
    let widest = y.labels().map(|label| label.chars().count()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .margin(8 * UNIT)
        .margin_right(16 * UNIT)
        .x_label_area_size(42 * UNIT)
        .y_label_area_size((34 + 7 * widest as i32) * UNIT)
        .build_cartesian_2d(x.clone(), y.clone())?;
    let text = |size| ("sans-serif", size * UNIT).into_font().color(&INK);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(UNIT as u32))
        .axis_style(GRID.stroke_width(UNIT as u32))
        .set_all_tick_mark_size(4 * UNIT)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .x_desc(&plot.x.label)
        .y_desc(&plot.y.label)
        .draw()?;
    for (i, series) in plot.series.iter().enumerate() {
        draw_series(&mut chart, series, color(i), (&x, &y))?;
    }
    Ok(())
}

fn draw_series(chart: &mut Chart<'_>, series: &Series, color: RGBColor, (x, y): (&Scale, &Scale)) -> Drawn {
    let on_axes = |point: &(f64, f64)| x.holds(point.0) && y.holds(point.1);
    let points: Vec<_> = series.points.iter().copied().filter(on_axes).collect();
    let line = color.stroke_width(2 * UNIT as u32);
    chart.draw_series(band(series, on_axes, color))?;
    match series.style {
        Style::Line => chart.draw_series([PathElement::new(points, line)])?,
        Style::Dashed => chart.draw_series(DashedLineSeries::new(points, 7 * UNIT, 4 * UNIT, line))?,
        Style::Points => {
            chart.draw_series(points.into_iter().map(|at| Circle::new(at, 7 * UNIT / 2, color.filled())))?
        }
    };
    Ok(())
}

/// The area between the lower ends, left to right, and the upper ends, right to left.
fn band(series: &Series, on_axes: impl Fn(&(f64, f64)) -> bool, color: RGBColor) -> Option<Polygon<(f64, f64)>> {
    let ends = || series.points.iter().zip(&series.band).map(|(point, (low, high))| (point.0, *low, *high));
    let lower = ends().map(|(x, low, _)| (x, low));
    let upper = ends().rev().map(|(x, _, high)| (x, high));
    let outline: Vec<_> = lower.chain(upper).filter(on_axes).collect();
    (!outline.is_empty()).then(|| Polygon::new(outline, color.mix(0.16)))
}

/// Axes that hold every point and band.
fn scales(plot: &Plot) -> (Scale, Scale) {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let bands = plot.series.iter().flat_map(|series| &series.band).flat_map(|(low, high)| [*low, *high]);
    let x = Scale::new(points().map(|point| point.0), plot.x.log);
    let y = Scale::new(points().map(|point| point.1).chain(bands), plot.y.log);
    (x, y)
}

fn color(i: usize) -> RGBColor {
    SERIES[i % SERIES.len()]
}
