//! Metrics: named numbers with a unit, an interval and the published figures beside them.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::stats;
use crate::Usage;

/// A value, with the half-width of its 95 % confidence interval if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Half-width of the 95 % interval, in the unit of the value.
    pub ci: Option<f64>,
}

impl Estimate {
    /// `value ± ci`.
    pub fn new(value: f64, ci: f64) -> Self {
        Self { value, ci: Some(ci) }
    }
}

/// With two decimals, as a table shows it.
impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ci {
            Some(ci) => write!(f, "{:.2} ± {ci:.2}", self.value),
            None => write!(f, "{:.2}", self.value),
        }
    }
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Self { value, ci: None }
    }
}

/// What somebody else reported for the same quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The figure, in the unit of the metric that it stands beside.
    pub value: f64,
    /// Half-width of its 95 % interval, if given.
    pub ci: Option<f64>,
    /// Where it stands: `Finn et al. 2017, Table 1`.
    pub source: String,
}

impl Published {
    /// A figure without an interval.
    pub fn new(value: f64, source: impl Into<String>) -> Self {
        Self { value, ci: None, source: source.into() }
    }

    /// Adds the half-width of the 95 % interval.
    pub fn with_ci(self, ci: f64) -> Self {
        Self { ci: Some(ci), ..self }
    }
}

/// One measured quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `experiment id/name`.
    pub name: String,
    /// One word: `%`, `MiB`, `1/s`, `mse`.
    pub unit: String,
    /// Value, or mean over seeds.
    pub estimate: Estimate,
    /// One value a seed, where the experiment recorded seeds.
    pub seeds: Vec<Estimate>,
    /// What others reported.
    pub published: Vec<Published>,
    /// What it took, where it was measured in a part of its own; else the experiment's usage holds.
    pub usage: Option<Usage>,
}

impl Metric {
    /// Checks and makes a metric; several seeds become a mean with Student's 95 % interval.
    pub(crate) fn new(name: String, unit: &str, seeds: &[Estimate], of_seeds: bool) -> Result<Self> {
        ensure!(is_word(&name), "metric name `{name}` must be one word without blanks");
        ensure!(is_word(unit), "unit `{unit}` of metric {name} must be one word without blanks, such as % or 1/s");
        for (i, Estimate { value, ci }) in seeds.iter().enumerate() {
            let finite = value.is_finite() && ci.is_none_or(f64::is_finite);
            ensure!(
                finite,
                "metric {name} is {value} ± {ci:?} (value {} of {}): not a finite number",
                i + 1,
                seeds.len()
            );
        }
        let estimate = stats::over_seeds(seeds);
        let seeds = if of_seeds { seeds.to_vec() } else { Vec::new() };
        Ok(Self { name, unit: unit.to_owned(), estimate, seeds, published: Vec::new(), usage: None })
    }
}

/// `METRIC <name> <value> <unit>`, the line that other programs read.
pub(crate) fn metric_line(metric: &Metric) -> String {
    format!("METRIC {} {} {}", metric.name, format_number(metric.estimate.value, 6), metric.unit)
}

/// A number with up to `digits` significant digits, without needless zeros; powers of ten only for the very small and large.
pub(crate) fn format_number(value: f64, digits: usize) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    if !(-5..15).contains(&magnitude) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    let decimals = usize::try_from(digits as i32 - 1 - magnitude).unwrap_or(0);
    let fixed = format!("{value:.decimals$}");
    match fixed.contains('.') {
        true => fixed.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => fixed,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(value: f64, unit: &str) -> Result<Metric> {
        Metric::new("maml/sinusoid/k5/mse-1".into(), unit, &[value.into()], false)
    }

    #[test]
    fn metric_lines_read_name_value_unit() -> Result<()> {
        assert_eq!(metric_line(&metric(0.668_912_345, "mse")?), "METRIC maml/sinusoid/k5/mse-1 0.668912 mse");
        assert_eq!(metric_line(&metric(98.5, "%")?), "METRIC maml/sinusoid/k5/mse-1 98.5 %");
        assert_eq!(metric_line(&metric(2_768_412.6, "1/s")?), "METRIC maml/sinusoid/k5/mse-1 2768413 1/s");
        Ok(())
    }

    #[test]
    fn numbers_keep_their_significant_digits() {
        for (value, expected) in
            [(0.0, "0"), (100.0, "100"), (0.000_123, "0.000123"), (-2.5, "-2.5"), (1e-9, "1.00000e-9")]
        {
            assert_eq!(format_number(value, 6), expected);
        }
        assert_eq!(format_number(98.765, 3), "98.8");
    }

    #[test]
    fn what_is_not_finite_or_not_a_word_is_refused() {
        for value in [f64::NAN, f64::INFINITY] {
            let error = metric(value, "mse").unwrap_err().to_string();
            assert!(error.contains("maml/sinusoid/k5/mse-1") && error.contains("finite"), "{error}");
        }
        assert!(metric(1.0, "iterations per second").is_err());
        assert!(metric(1.0, "").is_err());
        assert!(Metric::new("two words".into(), "s", &[1.0.into()], false).is_err());
    }
}
