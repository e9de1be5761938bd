//! An episode in the plane: embedded queries around the prototypes of their classes, along the two directions in which
//! the embedding varies most.

use anyhow::Result;
use rekindle_meta::metric::Episode;

use crate::Plot;

/// Rounds of the power iteration for each direction.
const ROUNDS: usize = 200;

/// Draws the first task of an episode. Each class is a star: lines from its prototype, the mean of its support examples,
/// to the queries with that class, `labels [Q]`.
pub(super) fn plane(title: &str, episode: &Episode, labels: &[u32]) -> Result<Plot> {
    let queries = rows(&episode.queries.value().get(0)?)?;
    let prototypes = rows(&episode.class_means()?.value().get(0)?)?;
    let all: Vec<&[f64]> = queries.iter().chain(&prototypes).map(Vec::as_slice).collect();
    let at = Projection::of(&all);
    let mut plot = Plot::new(title, "first principal component", "second principal component");
    for (class, prototype) in prototypes.iter().enumerate() {
        let middle = at.project(prototype);
        let own = queries.iter().zip(labels).filter(|(_, label)| **label as usize == class);
        let star = own.flat_map(|(query, _)| [middle, at.project(query)]).chain([middle]);
        let name = char::from_u32('a' as u32 + class as u32).map_or_else(|| class.to_string(), String::from);
        plot = plot.line(name, star);
    }
    Ok(plot.scatter("prototypes", prototypes.iter().map(|p| at.project(p))))
}

fn rows(t: &candle_core::Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(t.to_device(&candle_core::Device::Cpu)?.to_dtype(candle_core::DType::F64)?.to_vec2()?)
}

/// The mean of some points, and two orthonormal directions.
struct Projection {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
}

impl Projection {
    /// Principal components by power iteration on the covariance, the second one beside the first.
    fn of(points: &[&[f64]]) -> Self {
        let width = points.first().map_or(0, |point| point.len());
        let mean: Vec<f64> =
            (0..width).map(|j| points.iter().map(|point| point[j]).sum::<f64>() / points.len() as f64).collect();
        let centred: Vec<Vec<f64>> =
            points.iter().map(|point| point.iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
        let first = direction(&centred, None);
        let second = direction(&centred, Some(&first));
        Self { mean, axes: [first, second] }
    }

    fn project(&self, point: &[f64]) -> (f64, f64) {
        let centred: Vec<f64> = point.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        (dot(&centred, &self.axes[0]), dot(&centred, &self.axes[1]))
    }
}

/// The direction in which centred points vary most, among those at right angles to `but`.
fn direction(points: &[Vec<f64>], but: Option<&[f64]>) -> Vec<f64> {
    let width = points.first().map_or(0, Vec::len);
    // No two elements are equal, so that no symmetry of the points is one of the start.
    let mut v: Vec<f64> = (0..width).map(|j| 1.0 / (j + 1) as f64).collect();
    for _ in 0..ROUNDS {
        let along: Vec<f64> = points.iter().map(|point| dot(point, &v)).collect();
        v = (0..width).map(|j| points.iter().zip(&along).map(|(point, a)| a * point[j]).sum()).collect();
        if let Some(but) = but {
            let shared = dot(&v, but);
            v.iter_mut().zip(but).for_each(|(x, b)| *x -= shared * b);
        }
        let norm = dot(&v, &v).sqrt();
        if norm > 0.0 {
            v.iter_mut().for_each(|x| *x /= norm);
        }
    }
    v
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on two axes of a rotated frame: 3 along the first, 1 along the second, none along the third.
    #[test]
    fn principal_components_of_a_cross() {
        let (a, b) = ([0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]);
        let shifted = |s: f64, axis: [f64; 3]| axis.map(|x| 5.0 + s * x).to_vec();
        let points = [shifted(3.0, a), shifted(-3.0, a), shifted(1.0, b), shifted(-1.0, b)];
        let at = Projection::of(&points.each_ref().map(Vec::as_slice));
        let (x, y) = at.project(&points[0]);
        assert!((x.abs() - 3.0).abs() < 1e-9 && y.abs() < 1e-9, "{x}, {y}");
        let (x, y) = at.project(&points[2]);
        assert!(x.abs() < 1e-9 && (y.abs() - 1.0).abs() < 1e-9, "{x}, {y}");
    }

    /// Points that do not vary have no direction, and lie in the middle.
    #[test]
    fn equal_points_lie_in_the_middle() {
        let at = Projection::of(&[&[2.0, 1.0], &[2.0, 1.0]]);
        assert_eq!(at.project(&[2.0, 1.0]), (0.0, 0.0));
    }
}
