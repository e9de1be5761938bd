//! Small pictures of a piece of the plane: paths, discs, rectangles.

use anyhow::Result;

use crate::{Image, Mark};

/// Red, green and blue, from 0 to 1.
pub(super) type Colour = [f32; 3];

/// The colours of plots, for pictures beside them.
pub(super) const BLUE: Colour = [0.0, 0.41, 0.68];
pub(super) const ORANGE: Colour = [0.84, 0.37, 0.0];
pub(super) const GREEN: Colour = [0.0, 0.54, 0.41];
pub(super) const PURPLE: Colour = [0.73, 0.35, 0.59];
pub(super) const GREY: Colour = [0.72, 0.74, 0.77];

/// Pixels a side.
const SIDE: usize = 112;

/// A square of the plane in white, y pointing up; everything on it is given in the plane's own units but for widths, which
/// are in pixels.
pub(super) struct Canvas {
    middle: [f64; 2],
    /// Half of the side.
    half: f64,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(middle: [f64; 2], half: f64) -> Self {
        Self { middle, half, pixels: vec![[1.0; 3]; SIDE * SIDE] }
    }

    /// A rectangle between two corners.
    pub(super) fn rectangle(&mut self, [left, bottom]: [f64; 2], [right, top]: [f64; 2], colour: Colour) {
        let edge = |inside: f64| (inside + 0.5).clamp(0.0, 1.0);
        let ([l, t], [r, b]) = (self.pixel([left, top]), self.pixel([right, bottom]));
        self.paint(colour, |[x, y]| edge(x - l) * edge(r - x) * edge(y - t) * edge(b - y));
    }

    /// A disc of a radius in pixels.
    pub(super) fn disc(&mut self, at: [f64; 2], radius: f64, colour: Colour) {
        let at = self.pixel(at);
        self.paint(colour, |place| covered(distance(place, at), radius));
    }

    /// A line through points, of a width in pixels.
    pub(super) fn path(&mut self, points: &[[f64; 2]], width: f64, colour: Colour) {
        let points: Vec<[f64; 2]> = points.iter().map(|&point| self.pixel(point)).collect();
        // The nearest piece decides, so that joints are painted once.
        let nearest =
            |place| points.windows(2).map(|ends| to_piece(place, [ends[0], ends[1]])).fold(f64::MAX, f64::min);
        self.paint(colour, |place| covered(nearest(place), width / 2.0));
    }

    /// # Errors
    /// If it cannot be encoded.
    pub(super) fn image(&self, caption: impl Into<String>) -> Result<Image> {
        Image::new(self.pixels.as_flattened(), [SIDE, SIDE, 3], caption, Mark::Plain)
    }

    /// Mixes a colour in, by how much of each pixel it covers.
    fn paint(&mut self, colour: Colour, cover: impl Fn([f64; 2]) -> f64) {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let share = cover([(i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5]) as f32;
            pixel.iter_mut().zip(colour).for_each(|(old, new)| *old += share * (new - *old));
        }
    }

    /// From the plane to pixels, right and down from the upper left corner.
    fn pixel(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let scale = SIDE as f64 / (2.0 * self.half);
        [(x - self.middle[0] + self.half) * scale, (self.middle[1] + self.half - y) * scale]
    }
}

/// How much of a pixel lies within `radius` of something that is `distance` from its middle.
fn covered(distance: f64, radius: f64) -> f64 {
    (radius + 0.5 - distance).clamp(0.0, 1.0)
}

fn distance([x, y]: [f64; 2], [u, v]: [f64; 2]) -> f64 {
    (x - u).hypot(y - v)
}

/// From a place to the nearest point between two ends.
fn to_piece(place: [f64; 2], [from, to]: [[f64; 2]; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let dot = (place[0] - from[0]) * along[0] + (place[1] - from[1]) * along[1];
    let share = if length > 0.0 { (dot / length).clamp(0.0, 1.0) } else { 0.0 };
    distance(place, [from[0] + share * along[0], from[1] + share * along[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(canvas: &Canvas, place: [f64; 2]) -> Colour {
        let [x, y] = canvas.pixel(place);
        canvas.pixels[y as usize * SIDE + x as usize]
    }

    #[test]
    fn what_is_drawn_lies_where_it_should() -> Result<()> {
        let mut canvas = Canvas::new([0.0, 0.0], 1.0);
        canvas.rectangle([-0.9, 0.5], [-0.5, 0.9], GREEN);
        canvas.disc([0.5, -0.5], 6.0, ORANGE);
        canvas.path(&[[-0.5, 0.0], [0.0, 0.0], [0.0, 0.5]], 3.0, BLUE);
        for (place, colour) in [
            ([-0.7, 0.7], GREEN),
            ([0.5, -0.5], ORANGE),
            ([-0.25, 0.0], BLUE),
            ([0.0, 0.25], BLUE),
            ([0.7, 0.7], [1.0; 3]),
            ([-0.25, 0.25], [1.0; 3]),
            ([-0.7, -0.7], [1.0; 3]),
        ] {
            let found = at(&canvas, place);
            assert!(found.iter().zip(colour).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} at {place:?}");
        }
        let image = canvas.image("picture")?;
        assert_eq!((image.width, image.height), (SIDE as u32, SIDE as u32));
        Ok(())
    }
}
