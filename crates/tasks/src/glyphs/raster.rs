//! Ink on pixels: a round pen drawn along straight segments, with smooth edges.

use super::hand::Drawing;
use super::program::Point;

/// Writes the drawing into `out`, `[size, size]` row-major: 1 where the pen covers a pixel's centre, 0 where its edge
/// is more than half a pixel away, and the share in between.
pub(super) fn ink(drawing: &Drawing, size: usize, out: &mut [f32]) {
    out.fill(0.0);
    for line in &drawing.lines {
        for ends in line.windows(2) {
            segment(ends[0], ends[1], drawing.radius, size, out);
        }
    }
}

/// One segment with round ends. Ink does not add up where segments meet: a pixel keeps the most that one of them
/// gives it.
fn segment(from: Point, to: Point, radius: f32, size: usize, out: &mut [f32]) {
    let reach = radius + 0.5;
    let along = [to[0] - from[0], to[1] - from[1]];
    // The small addend makes a segment of no length a dot.
    let per_length = 1.0 / (along[0] * along[0] + along[1] * along[1] + 1e-12);
    let (columns, rows) = (pixels(from[0], to[0], reach, size), pixels(from[1], to[1], reach, size));
    for row in rows {
        for column in columns.clone() {
            let offset = [column as f32 + 0.5 - from[0], row as f32 + 0.5 - from[1]];
            let t = ((offset[0] * along[0] + offset[1] * along[1]) * per_length).clamp(0.0, 1.0);
            let [dx, dy] = [offset[0] - t * along[0], offset[1] - t * along[1]];
            let coverage = (reach - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
            let pixel = &mut out[row * size + column];
            *pixel = pixel.max(coverage);
        }
    }
}

/// Pixels along one axis whose centres can lie within `reach` of the interval from `a` to `b`.
fn pixels(a: f32, b: f32, reach: f32, size: usize) -> std::ops::Range<usize> {
    // Conversion to an integer saturates, so drawings that leave the sheet are cut off at its edge.
    let start = (a.min(b) - reach - 0.5).ceil() as usize;
    let end = (a.max(b) + reach + 0.5) as usize;
    start..end.min(size)
}
