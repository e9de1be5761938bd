//! Bars side by side, each with its value.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Estimate;

/// Horizontal bars from zero over one scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Heading above the bars.
    pub title: String,
    /// Unit of all values, such as `%`.
    pub unit: String,
    /// The bars, top to bottom.
    pub bars: Vec<Bar>,
    /// A line below the bars; may be empty.
    pub caption: String,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Text in front of it.
    pub label: String,
    /// Its length, `>= 0`, with the interval at its end.
    pub estimate: Estimate,
}

impl Bars {
    /// No bars yet.
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { title: title.into(), unit: unit.into(), bars: Vec::new(), caption: String::new() }
    }

    /// Adds a bar.
    pub fn bar(&mut self, label: impl Into<String>, estimate: impl Into<Estimate>) -> &mut Self {
        self.bars.push(Bar { label: label.into(), estimate: estimate.into() });
        self
    }

    /// Sets the line below the bars.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// The value at the right end of the scale: the highest end of an interval, or 1 where all is zero.
    pub(crate) fn end(&self) -> f64 {
        let ends = self.bars.iter().map(|bar| bar.estimate.value + bar.estimate.ci.unwrap_or(0.0));
        let end = ends.fold(0.0, f64::max);
        if end > 0.0 { end } else { 1.0 }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        for Bar { label, estimate: Estimate { value, ci } } in &self.bars {
            let fits = value.is_finite() && *value >= 0.0 && ci.is_none_or(|ci| ci.is_finite() && ci >= 0.0);
            ensure!(fits, "bar `{label}` of `{}` is {value} ± {ci:?}, not a finite length from 0", self.title);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_the_highest_interval() {
        let mut bars = Bars::new("t", "%");
        assert_eq!(bars.end(), 1.0);
        bars.bar("a", Estimate::new(3.0, 2.0)).bar("b", 4.0);
        assert_eq!(bars.end(), 5.0);
        assert!(bars.validate().is_ok());
    }

    #[test]
    fn bars_below_zero_or_without_end_are_refused() {
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Bars::new("t", "%").bar("a", value).validate().is_err(), "{value}");
        }
    }
}
