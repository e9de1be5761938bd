//! Stroke programs: what all drawings of a class have in common.
//!
//! ```text
//! program = 1–4 strokes
//! stroke  = straight | arc | wave | corner | loop | an earlier stroke again, turned or mirrored
//! place   = begin on, or cross, a point of an earlier stroke | near one
//! ```

use std::f32::consts::{FRAC_PI_4, PI};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::random::{chance, jitter, uniform, weighted};

/// A point (x to the right, y down).
pub(super) type Point = [f32; 2];

/// One movement of the pen through control points.
#[derive(Clone, Debug)]
pub(super) struct Stroke {
    /// Where the pen passes.
    pub(super) points: Vec<Point>,
    /// Whether it passes in curves, or with a corner at each point.
    pub(super) smooth: bool,
}

/// Draws a program; its points fill the box [−1, 1]² along the longer side.
pub(super) fn compose(rng: &mut ChaCha8Rng) -> Vec<Stroke> {
    let n_strokes = 1 + weighted(rng, &[0.12, 0.43, 0.33, 0.12]);
    let mut strokes: Vec<Stroke> = Vec::with_capacity(n_strokes);
    for _ in 0..n_strokes {
        let reuse = !strokes.is_empty() && chance(rng, 0.25);
        // Straight lines alone differ in slope, and the hand's rotation hides that.
        let mut stroke = if reuse { vary(rng, &strokes) } else { invent(rng, n_strokes > 1) };
        place(rng, &mut stroke, &strokes);
        strokes.push(stroke);
    }
    fit(&mut strokes);
    strokes
}

/// A new stroke that starts at the origin, a straight one only where that is allowed.
fn invent(rng: &mut ChaCha8Rng, may_be_straight: bool) -> Stroke {
    let side = if chance(rng, 0.5) { 1.0 } else { -1.0 };
    // People favour upright, level and slanted starts.
    let heading = FRAC_PI_4 * rng.random_range(0..8u8) as f32 + jitter(rng, 0.12);
    match weighted(rng, &[0.28, 0.28, 0.14, 0.2, 0.1]) {
        // Straight.
        0 if may_be_straight => walk(heading, uniform(rng, 0.5, 1.1), &[], false),
        // An arc, of 90° to 290°.
        1 => {
            let turn = side * uniform(rng, 0.5 * PI, 1.6 * PI) / 3.0;
            walk(heading, uniform(rng, 0.3, 0.5), &[turn; 3], true)
        }
        // A wave, which bends one way and back.
        2 => {
            let (bend, back) = (side * uniform(rng, 0.9, 1.6), -side * uniform(rng, 0.9, 1.6));
            walk(heading, uniform(rng, 0.28, 0.42), &[bend, back, back], true)
        }
        // A loop: six sides of a hexagon and one more, in curves.
        4 => walk(heading, uniform(rng, 0.18, 0.34), &[side * PI / 3.0; 6], true),
        // One or two corners.
        _ => {
            let (first, again) = (side * uniform(rng, 0.3 * PI, 0.75 * PI), side * uniform(rng, 0.3 * PI, 0.75 * PI));
            let turns = [first, if chance(rng, 0.5) { again } else { -again }];
            let n_corners = 1 + usize::from(chance(rng, 0.45));
            walk(heading, uniform(rng, 0.45, 0.8), &turns[..n_corners], false)
        }
    }
}

/// Control points of a pen that takes steps of one length and turns between them, angles in radians.
fn walk(mut heading: f32, step: f32, turns: &[f32], smooth: bool) -> Stroke {
    let mut at = [0.0, 0.0];
    let mut points = vec![at];
    for turn in turns.iter().chain([&0.0]) {
        let (sin, cos) = libm::sincosf(heading);
        at = [at[0] + step * cos, at[1] + step * sin];
        points.push(at);
        heading += turn;
    }
    Stroke { points, smooth }
}

/// An earlier stroke again: as it was, mirrored, or turned by a quarter; a little smaller.
fn vary(rng: &mut ChaCha8Rng, strokes: &[Stroke]) -> Stroke {
    let mut stroke = strokes[rng.random_range(0..strokes.len() as u32) as usize].clone();
    let scale = uniform(rng, 0.6, 1.0);
    let kind = rng.random_range(0..4u8);
    for point in &mut stroke.points {
        let [x, y] = point.map(|v| v * scale);
        *point = match kind {
            0 => [x, y],
            1 => [-x, y],
            2 => [x, -y],
            _ => [-y, x],
        };
    }
    stroke
}

/// Moves a stroke to its place among the earlier ones.
fn place(rng: &mut ChaCha8Rng, stroke: &mut Stroke, earlier: &[Stroke]) {
    let Some(last) = earlier.len().checked_sub(1) else { return };
    let target = &earlier[rng.random_range(0..=last as u32) as usize].points;
    let middle = |points: &[Point]| between(points, 0.5);
    let (own, goal) = match weighted(rng, &[0.2, 0.3, 0.25, 0.25]) {
        0 => (stroke.points[0], if chance(rng, 0.5) { target[0] } else { target[target.len() - 1] }),
        1 => (stroke.points[0], between(target, uniform(rng, 0.25, 0.75))),
        2 => (middle(&stroke.points), between(target, uniform(rng, 0.2, 0.8))),
        _ => {
            let [x, y] = middle(target);
            (middle(&stroke.points), [x + jitter(rng, 0.35), y + jitter(rng, 0.35)])
        }
    };
    for point in &mut stroke.points {
        *point = [point[0] + goal[0] - own[0], point[1] + goal[1] - own[1]];
    }
}

/// The point at a fraction of the way along the control points.
fn between(points: &[Point], fraction: f32) -> Point {
    let along = fraction * (points.len() - 1) as f32;
    let i = (along as usize).min(points.len() - 2);
    let t = along - i as f32;
    [0, 1].map(|axis| points[i][axis] + t * (points[i + 1][axis] - points[i][axis]))
}

/// Centres the program and scales its longer side to [−1, 1]; a flat or thin one is widened somewhat, as writers do.
fn fit(strokes: &mut [Stroke]) {
    let points = || strokes.iter().flat_map(|stroke| &stroke.points);
    let low = [0, 1].map(|axis| points().map(|p| p[axis]).fold(f32::INFINITY, f32::min));
    let high = [0, 1].map(|axis| points().map(|p| p[axis]).fold(f32::NEG_INFINITY, f32::max));
    // No stroke is shorter than 0.1, so at most one side is empty; the bound keeps the division finite.
    let half = [0, 1].map(|axis| ((high[axis] - low[axis]) / 2.0).max(1e-3));
    let longer = half[0].max(half[1]);
    let scale = half.map(|side| (longer / side).sqrt().min(1.6) / longer);
    for point in strokes.iter_mut().flat_map(|stroke| &mut stroke.points) {
        *point = [0, 1].map(|axis| (point[axis] - (low[axis] + high[axis]) / 2.0) * scale[axis]);
    }
}
