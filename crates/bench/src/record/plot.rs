//! Line and scatter plots as data; the report draws them.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// A plot of several series over common axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Heading above the plot.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// The series, drawn in this order.
    pub series: Vec<Series>,
    /// A line below the plot; may be empty.
    pub caption: String,
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Logarithmic; points that are not above zero are left out.
    pub log: bool,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// A line.
    Line,
    /// A dashed line, for references.
    Dashed,
    /// Dots.
    Points,
}

/// One series. Its colour follows from its place in the plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Name in the legend; an empty one is left out there.
    pub name: String,
    /// Line or dots.
    pub style: Style,
    /// Points `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end of a shaded band at each point; empty without a band.
    pub band: Vec<(f64, f64)>,
}

impl Plot {
    /// A plot with linear axes and no series.
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Self {
        let axis = |label| Axis { label, log: false };
        Self { title: title.into(), x: axis(x.into()), y: axis(y.into()), series: Vec::new(), caption: String::new() }
    }

    /// Makes the horizontal axis logarithmic.
    pub fn log_x(mut self) -> Self {
        self.x.log = true;
        self
    }

    /// Makes the vertical axis logarithmic.
    pub fn log_y(mut self) -> Self {
        self.y.log = true;
        self
    }

    /// Sets the line below the plot.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Adds a line.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(Series::new(name, Style::Line, points))
    }

    /// Adds a dashed line.
    pub fn dashed(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(Series::new(name, Style::Dashed, points))
    }

    /// Adds dots.
    pub fn scatter(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(Series::new(name, Style::Points, points))
    }

    /// Adds any series.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        for Series { name, points, band, .. } in &self.series {
            let (n, m) = (points.len(), band.len());
            ensure!(m == 0 || m == n, "series `{name}` of plot `{}` has {n} points but a band of {m}", self.title);
            let finite = points.iter().chain(band).all(|(a, b)| a.is_finite() && b.is_finite());
            ensure!(finite, "series `{name}` of plot `{}` has a point that is not finite", self.title);
        }
        Ok(())
    }
}

impl Series {
    /// A series without a band.
    pub fn new(name: impl Into<String>, style: Style, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), style, points: points.into_iter().collect(), band: Vec::new() }
    }

    /// A line through `(x, y, ci)` with the band y ± ci.
    pub fn with_ci(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let (points, band) = points.into_iter().map(|(x, y, ci)| ((x, y), (y - ci, y + ci))).unzip();
        Self { name: name.into(), style: Style::Line, points, band }
    }

    /// A noisy curve in at most `bins` bins of neighbours: the line is their mean, the band holds all but the lowest
    /// and the highest tenth. Makes a loss curve of any length readable and small.
    pub fn binned(name: impl Into<String>, points: &[(f64, f64)], bins: usize) -> Self {
        let size = points.len().div_ceil(bins.max(1)).max(1);
        let (points, band) = points.chunks(size).map(bin).unzip();
        Self { name: name.into(), style: Style::Line, points, band }
    }
}

/// Mean of a chunk of points, and the 10 % and 90 % quantiles of its heights.
fn bin(chunk: &[(f64, f64)]) -> ((f64, f64), (f64, f64)) {
    let n = chunk.len() as f64;
    let (x, y) = chunk.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let mut heights: Vec<_> = chunk.iter().map(|p| p.1).collect();
    heights.sort_by(f64::total_cmp);
    let quantile = |q: f64| heights[(q * (n - 1.0)).round() as usize];
    ((x, y), (quantile(0.1), quantile(0.9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0, 1, …, 99 in two bins: means and quantiles by hand.
    #[test]
    fn bins_are_means_with_a_band_of_quantiles() {
        let points: Vec<_> = (0..100).map(|i| (f64::from(i), f64::from(i))).collect();
        let series = Series::binned("loss", &points, 2);
        assert_eq!(series.band, [(5.0, 44.0), (55.0, 94.0)]);
        for (point, middle) in series.points.iter().zip([24.5, 74.5]) {
            assert!((point.0 - middle).abs() < 1e-9 && (point.1 - middle).abs() < 1e-9, "{point:?}");
        }
        assert!(Series::binned("nothing", &[], 10).points.is_empty());
    }

    #[test]
    fn bands_of_another_length_and_points_that_are_not_finite_are_refused() {
        let mut series = Series::with_ci("a", [(0.0, 1.0, 0.5), (1.0, 2.0, 0.5)]);
        assert!(Plot::new("t", "x", "y").series(series.clone()).validate().is_ok());
        series.band.pop();
        assert!(Plot::new("t", "x", "y").series(series).validate().is_err());
        assert!(Plot::new("t", "x", "y").line("a", [(0.0, f64::NAN)]).validate().is_err());
    }
}
