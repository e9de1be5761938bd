//! The metrics and the plot of [`finetune`](super::finetune): curves, gains and where they cross.

use anyhow::Result;

use super::finetune::{Accuracies, Regime, Target};
use crate::{Context, Plot, Series};

/// Records everything, one value a seed, and plots the means.
pub(super) fn report(ctx: &mut Context, target: &Target, all: &Accuracies) -> Result<()> {
    let (prefix, labels) = (target.prefix, target.labels());
    let mut plot = Plot::new(format!("{}: accuracy on the test", target.title), "target labels", "%").log_x();
    for (regime, row) in Regime::ALL.into_iter().zip(all) {
        for (n, cell) in labels.iter().zip(row) {
            seeds(ctx, &format!("{prefix}{}/n{n}/accuracy", regime.name()), cell)?;
        }
        let points = labels.iter().zip(row).map(|(&n, cell)| (n as f64, mean(cell), half_width(cell)));
        plot = plot.series(Series::with_ci(regime.name(), points));
    }
    let [frozen, tuned, discriminative] = [&all[0], &all[1], &all[2]];
    let mut gains = Vec::new();
    for (i, n) in labels.iter().enumerate() {
        let gain = differences(&frozen[i], &tuned[i]);
        seeds(ctx, &format!("{prefix}frozen-gain/n{n}"), &gain)?;
        let better = if mean(&gain) > 0.0 { &frozen[i] } else { &tuned[i] };
        seeds(ctx, &format!("{prefix}discriminative-gain/n{n}"), &differences(&discriminative[i], better))?;
        gains.push((*n as f64, mean(&gain)));
    }
    if let Some(at) = crossing(&gains) {
        ctx.metric(&format!("{prefix}crossing"), at, "labels")?;
        let curve: Vec<(f64, f64)> = labels.iter().zip(tuned).map(|(&n, cell)| (n as f64, mean(cell))).collect();
        plot = plot.scatter("crossing", [(at, height(&curve, at))]);
    }
    ctx.plot(plot.caption("Mean over seeds with its 95 % interval."))
}

fn seeds(ctx: &mut Context, name: &str, values: &[f64]) -> Result<()> {
    (0..).zip(values).try_for_each(|(seed, value)| ctx.seed_metric(seed, name, *value, "%"))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 1.96 standard errors: for the band of a plot; metrics have Student's interval.
fn half_width(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|v| (v - mean(values)).powi(2)).sum();
    1.96 * (squares / (values.len() as f64 - 1.0).max(1.0) / values.len() as f64).sqrt()
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Where the gains fall from above zero to below for the last time, on a line through log n; `None` if they never do.
fn crossing(gains: &[(f64, f64)]) -> Option<f64> {
    let falls = |pair: &&[(f64, f64)]| pair[0].1 > 0.0 && pair[1].1 <= 0.0;
    let pair = gains.windows(2).rev().find(falls)?;
    let share = pair[0].1 / (pair[0].1 - pair[1].1);
    Some((pair[0].0.ln() + share * (pair[1].0.ln() - pair[0].0.ln())).exp())
}

/// The height of a curve at `x`, on a line through log x.
fn height(curve: &[(f64, f64)], x: f64) -> f64 {
    let segment = curve.windows(2).find(|pair| pair[0].0 <= x && x <= pair[1].0);
    let Some([a, b]) = segment else { return curve.last().map_or(0.0, |point| point.1) };
    a.1 + (b.1 - a.1) * (x / a.0).ln() / (b.0 / a.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From +3 at 10 to −1 at 1000 zero is three quarters of the way in log n: 10 · 100^¾.
    #[test]
    fn the_crossing_is_interpolated_in_the_logarithm() {
        let at = crossing(&[(1.0, 5.0), (10.0, 3.0), (1000.0, -1.0)]).unwrap();
        assert!((at - 10.0 * 100f64.powf(0.75)).abs() < 1e-9, "{at}");
        assert_eq!(crossing(&[(1.0, -1.0), (10.0, -2.0)]), None);
        assert!((height(&[(1.0, 0.0), (100.0, 4.0)], 10.0) - 2.0).abs() < 1e-12);
    }
}
