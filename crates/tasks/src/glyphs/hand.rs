//! The hand: how one drawing of a program differs from another.

use rand_chacha::ChaCha8Rng;

use super::program::{Point, Stroke};
use super::random::{jitter, uniform};

/// One drawing in pixel coordinates: what the pen did.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    /// Chains of points joined by straight segments of a pixel or two.
    pub(super) lines: Vec<Vec<Point>>,
    /// Half the width of the pen in pixels.
    pub(super) radius: f32,
}

/// Straight segments per span of a curve: enough that none is longer than about two pixels at 28 × 28.
const SEGMENTS_PER_SPAN: usize = 5;

/// Draws `strokes` on a sheet of `size` × `size` pixels: each control point misses its place a little, each stroke
/// too, and the whole is turned, slanted, stretched and shifted.
pub(super) fn perform(strokes: &[Stroke], size: f32, rng: &mut ChaCha8Rng) -> Drawing {
    let affine = Affine::draw(size, rng);
    let lines = strokes.iter().map(|stroke| {
        let shift = [jitter(rng, 0.06), jitter(rng, 0.06)];
        let points: Vec<Point> = stroke
            .points
            .iter()
            .map(|p| affine.apply([0, 1].map(|axis| p[axis] + shift[axis] + jitter(rng, 0.06))))
            .collect();
        if stroke.smooth { curve(&points) } else { points }
    });
    let lines = lines.collect();
    Drawing { lines, radius: size / 28.0 * uniform(rng, 0.55, 0.95) }
}

/// x ↦ A x + b.
struct Affine {
    a: [[f32; 2]; 2],
    b: [f32; 2],
}

impl Affine {
    /// Rotation by about ±10°, shear ±0.15, scale 0.75–1.05 a side, shift by about ±2 of 28 pixels.
    fn draw(size: f32, rng: &mut ChaCha8Rng) -> Self {
        let (sin, cos) = libm::sincosf(jitter(rng, 0.14));
        let shear = jitter(rng, 0.12);
        let unit = 0.36 * size;
        let (sx, sy) = (unit * uniform(rng, 0.75, 1.05), unit * uniform(rng, 0.75, 1.05));
        let b = [size / 2.0 + jitter(rng, 0.06 * size), size / 2.0 + jitter(rng, 0.06 * size)];
        Self { a: [[sx * cos, sx * (shear * cos - sin)], [sy * sin, sy * (shear * sin + cos)]], b }
    }

    fn apply(&self, [x, y]: Point) -> Point {
        [0, 1].map(|row| self.a[row][0] * x + self.a[row][1] * y + self.b[row])
    }
}

/// The Catmull–Rom spline through `points`, as a chain of short segments; the ends are extended by reflection.
fn curve(points: &[Point]) -> Vec<Point> {
    let last = points.len() - 1;
    let reflect = |end: Point, inner: Point| [0, 1].map(|axis| 2.0 * end[axis] - inner[axis]);
    let mut chain = Vec::with_capacity(last * SEGMENTS_PER_SPAN + 1);
    for i in 0..last {
        let before = if i == 0 { reflect(points[0], points[1]) } else { points[i - 1] };
        let after = if i + 1 == last { reflect(points[last], points[last - 1]) } else { points[i + 2] };
        let span = [before, points[i], points[i + 1], after];
        chain.extend((0..SEGMENTS_PER_SPAN).map(|step| spline(&span, step as f32 / SEGMENTS_PER_SPAN as f32)));
    }
    chain.push(points[last]);
    chain
}

/// A point of the Catmull–Rom span from the second to the third of four points, `t` in [0, 1].
fn spline(points: &[Point; 4], t: f32) -> Point {
    [0, 1].map(|axis| {
        let [p0, p1, p2, p3] = points.map(|p| p[axis]);
        let (linear, square, cube) = (p2 - p0, 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3, 3.0 * (p1 - p2) + p3 - p0);
        p1 + 0.5 * t * (linear + t * (square + t * cube))
    })
}
