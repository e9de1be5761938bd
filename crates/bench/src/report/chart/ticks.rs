//! Axes: from values to positions, and where the marks go.
//!
//! A logarithmic axis is a linear one over log₁₀ of the values, so that a plot is of one type whatever its axes are.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::record::format_number;

/// An axis that fits the values it was made for.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    log: bool,
    /// Positions of the ends; log₁₀ of their values on a logarithmic axis.
    low: f64,
    high: f64,
    /// Positions of the marks.
    ticks: Vec<f64>,
}

impl Scale {
    pub(super) fn new(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let positions =
            values.filter(|value| !log || *value > 0.0).map(|value| if log { value.log10() } else { value });
        let (low, high) =
            positions.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
        let (low, high) = match high - low {
            span if span > 0.0 => (low - 0.03 * span, high + 0.03 * span),
            // One value, or none at all.
            0.0 => (low - low.abs().max(1.0) / 2.0, high + high.abs().max(1.0) / 2.0),
            _ => (0.0, 1.0),
        };
        let ticks = if log { log_ticks(low, high) } else { linear_ticks(low, high) };
        Self { log, low, high, ticks }
    }

    /// Whether a value has a place: on a logarithmic axis only those above zero do.
    pub(super) fn holds(&self, value: f64) -> bool {
        !self.log || value > 0.0
    }

    /// The texts at the marks.
    pub(super) fn labels(&self) -> impl Iterator<Item = String> {
        self.ticks.iter().map(|tick| self.label(*tick))
    }

    fn label(&self, tick: f64) -> String {
        if !self.log {
            return linear_label(tick, step(self.low, self.high), self.low.abs().max(self.high.abs()));
        }
        // Rounded a little up, since the logarithm of a power of ten may fall just short of a whole number.
        let decade = (tick + 1e-9).floor();
        let mantissa = format_number(10f64.powf(tick - decade), 2);
        let power = format!("10{}", superscript(decade as i32));
        match mantissa.as_str() {
            _ if (-3.0..5.0).contains(&decade) => format_number(10f64.powf(tick), 2),
            "1" => power,
            _ => format!("{mantissa}·{power}"),
        }
    }

    fn value(&self, position: f64) -> f64 {
        if self.log { 10f64.powf(position) } else { position }
    }

    fn position(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (self.position(*value) - self.low) / (self.high - self.low);
        from + (part * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let marks = || self.ticks.iter().map(|tick| self.value(*tick)).collect();
        if hint.weight().allow_light_points() { Vec::new() } else { marks() }
    }

    fn range(&self) -> Range<f64> {
        self.value(self.low)..self.value(self.high)
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.label(self.position(*value))
    }
}

/// About five marks at a multiple of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let step = step(low, high);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

fn step(low: f64, high: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= 0.7 * rough).unwrap_or(10.0);
    factor * power
}

/// Whole powers of ten, thinned out over many; over few, their halves or thirds (1, 2, 5) as well.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let factors: &[f64] = match high - low {
        span if span > 2.5 => &[1.0],
        span if span > 1.6 => &[1.0, 3.0],
        span if span > 0.5 => &[1.0, 2.0, 5.0],
        // Less than half a decade is nearly linear: marks at round values.
        _ => return linear_ticks(10f64.powf(low), 10f64.powf(high)).into_iter().map(f64::log10).collect(),
    };
    let stride = ((high - low) / 7.0).ceil().max(1.0) as usize;
    let decades = (low.floor() as i32..=high.ceil() as i32).filter(|d| d.rem_euclid(stride as i32) == 0);
    let ticks = decades.flat_map(|decade| factors.iter().map(move |factor| f64::from(decade) + factor.log10()));
    ticks.filter(|tick| (low..=high).contains(tick)).collect()
}

/// As many decimals as the step has; thousands and millions by letter where the axis reaches tens of them.
fn linear_label(tick: f64, step: f64, largest: f64) -> String {
    let (unit, letter) = match largest {
        l if l >= 1e7 => (1e6, "M"),
        l if l >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = usize::try_from(-(step / unit * 1.000_001).log10().floor() as i32).unwrap_or(0);
    // Adding zero turns a negative zero into a plain one.
    let value = (tick / step).round() * step / unit + 0.0;
    if value == 0.0 { "0".into() } else { format!("{value:.decimals$}{letter}").replace('-', "−") }
}

fn superscript(n: i32) -> String {
    let digit = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => char::from_u32(0x2070 + c.to_digit(10).unwrap_or(0)).unwrap_or('⁰'),
    };
    n.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], log: bool) -> Vec<String> {
        Scale::new(values.iter().copied(), log).labels().collect()
    }

    #[test]
    fn linear_marks_are_round_and_lie_within() {
        assert_eq!(labels(&[0.0, 1.0], false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[-5.0, 5.0], false), ["−4", "−2", "0", "2", "4"]);
        assert_eq!(labels(&[0.0, 70_000.0], false), ["0", "20k", "40k", "60k"]);
        assert_eq!(labels(&[0.0, 0.003], false), ["0", "0.0005", "0.0010", "0.0015", "0.0020", "0.0025", "0.0030"]);
    }

    #[test]
    fn logarithmic_marks_are_powers_of_ten_or_their_1_2_5() {
        assert_eq!(labels(&[1e-6, 1.0], true), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&[1.0, 10.0], true), ["1", "2", "5", "10"]);
        assert_eq!(labels(&[0.4, 0.6], true), ["0.4", "0.45", "0.5", "0.55", "0.6"]);
    }

    #[test]
    fn degenerate_axes_still_have_a_length() {
        for values in [&[] as &[f64], &[0.0], &[3.0, 3.0], &[-1e9]] {
            for log in [false, true] {
                let scale = Scale::new(values.iter().copied(), log);
                assert!(scale.range().start < scale.range().end, "{values:?} {log}");
                assert!(scale.ticks.len() >= 2 && scale.ticks.len() < 10, "{values:?} {log}: {:?}", scale.ticks);
            }
        }
    }
}
