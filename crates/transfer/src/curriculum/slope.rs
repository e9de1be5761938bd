//! Progress as the slope of a line through scores.

/// The least-squares slope through points `(time, score)`; 0 where there are fewer than two times.
pub(super) fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = points.clone().count().max(1) as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (across, along) =
        points.fold((0.0, 0.0), |(xy, xx), p| (xy + (p.0 - x) * (p.1 - y), xx + (p.0 - x) * (p.0 - x)));
    if along > 0.0 { across / along } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::slope;

    /// (0, 1), (1, 2), (2, 6): the slope is 5/2; a line has its own; a point and nothing have none.
    #[test]
    fn slopes_by_hand() {
        assert!((slope([(0.0, 1.0), (1.0, 2.0), (2.0, 6.0)].into_iter()) - 2.5).abs() < 1e-12);
        assert!((slope((3..9).map(|t| (f64::from(t), 7.0 - 0.5 * f64::from(t)))) + 0.5).abs() < 1e-12);
        assert_eq!(slope([(4.0, 3.0)].into_iter()), 0.0);
        assert_eq!(slope([].into_iter()), 0.0);
    }
}
