//! Plots as SVG.
//!
//! Colours are written as fixed stand-ins ([`INK`], [`GRID`], [`SERIES`]) that the style sheet replaces, in light and in dark.
//! The text in the picture is only numbers and axis labels; the legend is HTML.

mod ticks;

use plotters::coord::ranged1d::{KeyPointHint, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::record::{Axis, Plot, Series, Style};
use ticks::Scale;

const SIZE: (u32, u32) = (520, 320);
const INK: RGBColor = RGBColor(90, 96, 106);
const GRID: RGBColor = RGBColor(228, 230, 235);
/// Told apart by readers with the common colour blindnesses: after Okabe & Ito 2008, darkened for thin lines.
const SERIES: [RGBColor; 7] = [
    RGBColor(0, 104, 174),
    RGBColor(213, 94, 0),
    RGBColor(0, 138, 104),
    RGBColor(186, 90, 150),
    RGBColor(196, 140, 0),
    RGBColor(64, 150, 208),
    RGBColor(110, 110, 110),
];

/// The plot as an `<svg>` element.
pub(super) fn svg(plot: &Plot) -> String {
    let (x, y) = scales(plot);
    let mut svg = String::new();
    draw(plot, x, y, &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area()).expect("writing to a String cannot fail");
    svg
}
