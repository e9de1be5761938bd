//! What an eye in a maze sees: a ray for every column of the picture.
//!
//! The field of view is 90° across 40 columns, so the picture plane lies 20 pixels ahead; the eye is 41 units above the
//! floor, the ceiling 104. Rays walk from square to square until they meet a wall or the goal, whose square shows as a
//! green block. Colours fade with the distance; walls that face north and south are darker, and dark lines run where
//! squares meet, so that moving along a wall can be seen.

use super::body::SQUARE;
use super::layout::Maze;

/// Columns W.
pub(super) const WIDTH: usize = 40;
/// Rows H.
pub(super) const HEIGHT: usize = 30;
const CHANNELS: usize = 3;
/// Numbers in a row of the picture.
const ROW: usize = WIDTH * CHANNELS;
/// Numbers that are drawn at once: whole pixels and whole vector registers.
const STRIDE: usize = 4 * CHANNELS;
/// Numbers in a picture, `[30, 40, 3]`.
pub(super) const PICTURE: usize = HEIGHT * ROW;

const EYE: f32 = 41.0;
const CEILING: f32 = 104.0;
/// Distance of the picture plane in pixels.
const FOCUS: f32 = WIDTH as f32 / 2.0;
/// The distance at which colours have half of their brightness.
const FADE: f32 = 400.0;

type Colour = [f32; CHANNELS];
const WALL: Colour = [0.75, 0.45, 0.30];
const GOAL: Colour = [0.15, 0.95, 0.25];
const FLOOR: Colour = [0.40, 0.35, 0.30];
const SKY: Colour = [0.45, 0.50, 0.60];

/// Renders pictures; holds what does not change between them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Eye {
    /// Floor and ceiling without walls, `[30, 4, 3]`: four equal pixels for each row, the stride of the drawing.
    rows: Vec<[f32; STRIDE]>,
}

/// The wall that a column of the picture shows.
#[derive(Clone, Copy)]
struct Column {
    /// First row of the wall, and the first row below it.
    rows: [f32; 2],
    colour: Colour,
}

impl Eye {
    pub(super) fn new() -> Self {
        let row = |row: usize| {
            let slope = (row as f32 + 0.5 - HEIGHT as f32 / 2.0) / FOCUS;
            // Where the middle of the pixel meets floor or ceiling.
            let (distance, colour) = if slope > 0.0 { (EYE / slope, FLOOR) } else { ((EYE - CEILING) / slope, SKY) };
            let pixel = shade(colour, distance);
            std::array::from_fn(|i| pixel[i % CHANNELS])
        };
        Self { rows: (0..HEIGHT).map(row).collect() }
    }

    /// Draws what is seen from `position` in the `direction` (cosine, sine; y points down, angles go against the clock)
    /// into `picture [30, 40, 3]`, red, green and blue from −1 to 1.
    pub(super) fn draw(&self, maze: &Maze, position: [f32; 2], direction: [f32; 2], picture: &mut [f32]) {
        // The same numbers for each channel of a column, so that a row of the picture is one pass over plain arrays.
        let (mut first, mut end, mut colours) = ([0.0; ROW], [0.0; ROW], [0.0; ROW]);
        for column in 0..WIDTH {
            let wall = look(maze, position, direction, (column as f32 + 0.5) / FOCUS - 1.0);
            for channel in 0..CHANNELS {
                let i = column * CHANNELS + channel;
                (first[i], end[i], colours[i]) = (wall.rows[0], wall.rows[1], wall.colour[channel]);
            }
        }
        for (row, (background, line)) in self.rows.iter().zip(picture.chunks_exact_mut(ROW)).enumerate() {
            let middle = row as f32 + 0.5;
            for (i, pixels) in line.chunks_exact_mut(STRIDE).enumerate() {
                let lanes = i * STRIDE..(i + 1) * STRIDE;
                let walls = first[lanes.clone()].iter().zip(&end[lanes.clone()]).zip(&colours[lanes]);
                for ((pixel, background), ((first, end), colour)) in pixels.iter_mut().zip(background).zip(walls) {
                    *pixel = if (*first <= middle) & (middle < *end) { *colour } else { *background };
                }
            }
        }
    }
}

/// Walks along the ray `across` (−1 left edge, 1 right edge of the picture) to the first wall.
fn look(maze: &Maze, position: [f32; 2], [cos, sin]: [f32; 2], across: f32) -> Column {
    // Forward is (cos, −sin), right of it (sin, cos). Forward has length 1, so t is the distance along the view.
    let ray = [cos + across * sin, -sin + across * cos];
    let from = position.map(|units| units / SQUARE);
    let mut square = from.map(|coordinate| coordinate as usize);
    let per_square = ray.map(|slope| 1.0 / slope.abs());
    let mut next = [0, 1].map(|axis| {
        let inside = from[axis] - square[axis] as f32;
        match ray[axis] {
            0.0 => f32::INFINITY,
            slope => per_square[axis] * if slope > 0.0 { 1.0 - inside } else { inside },
        }
    });
    loop {
        let axis = usize::from(next[1] < next[0]);
        let t = next[axis];
        next[axis] += per_square[axis];
        square[axis] = if ray[axis] > 0.0 { square[axis] + 1 } else { square[axis].wrapping_sub(1) };
        let is_goal = square == maze.goal();
        if is_goal || maze.is_wall(square) {
            let along = from[1 - axis] + t * ray[1 - axis];
            return column(t * SQUARE, axis, along - along.floor(), is_goal);
        }
    }
}

/// The part of a column that a wall fills: `along` is where it was met, from 0 to 1 over a square.
fn column(distance: f32, axis: usize, along: f32, is_goal: bool) -> Column {
    let horizon = HEIGHT as f32 / 2.0;
    let scale = FOCUS / distance.max(1.0);
    let mut colour = if is_goal { GOAL } else { WALL };
    let facing = if axis == 1 && !is_goal { 0.75 } else { 1.0 };
    let joint = if !is_goal && !(0.04..=0.96).contains(&along) { 0.5 } else { 1.0 };
    colour = colour.map(|channel| channel * facing * joint);
    Column { rows: [horizon - (CEILING - EYE) * scale, horizon + EYE * scale], colour: shade(colour, distance) }
}

/// A colour from 0 to 1, seen from a distance, from −1 to 1.
fn shade(colour: Colour, distance: f32) -> Colour {
    let light = 1.0 / (1.0 + distance / FADE);
    colour.map(|channel| 2.0 * channel * light - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{random, stream_rng};

    /// The first square along a ray that is no floor, found by many small steps: the slow way.
    fn march(maze: &Maze, position: [f32; 2], ray: [f32; 2]) -> f32 {
        let square = |t: f32| [0, 1].map(|axis| ((position[axis] + t * ray[axis]) / SQUARE) as usize);
        let closed = |t: &f32| square(*t) == maze.goal() && square(*t) != square(0.0) || maze.is_wall(square(*t));
        (0..20_000).map(|i| i as f32 * 0.05).find(closed).expect("a maze is closed")
    }

    #[test]
    fn walls_are_as_high_as_their_distance_says() -> crate::Result<()> {
        let mut rng = stream_rng(5, 0);
        for _ in 0..200 {
            let maze = Maze::sample(3, &mut rng)?;
            let position = maze.start().map(|square| (square as f32 + random::uniform(&mut rng, 0.2, 0.8)) * SQUARE);
            let angle = random::uniform(&mut rng, 0.0, std::f32::consts::TAU);
            let (cos, sin, across) = (libm::cosf(angle), libm::sinf(angle), random::uniform(&mut rng, -1.0, 1.0));
            let distance = march(&maze, position, [cos + across * sin, -sin + across * cos]);
            let [top, bottom] = look(&maze, position, [cos, sin], across).rows;
            // 104 units at this distance; a small step of the slow way is 0.05 of at least 19 units.
            let height = FOCUS * CEILING / distance;
            assert!(((bottom - top) / height - 1.0).abs() < 0.005, "{} rows, not {height}", bottom - top);
            assert!(((bottom - 15.0) / (bottom - top) - EYE / CEILING).abs() < 1e-4);
        }
        Ok(())
    }

    #[test]
    fn a_picture_shows_sky_wall_and_floor_and_the_goal_in_green() -> crate::Result<()> {
        let eye = Eye::new();
        let mut picture = vec![f32::NAN; PICTURE];
        let (mut mazes, mut green) = (0, 0);
        let mut rng = stream_rng(6, 0);
        while mazes < 50 {
            let maze = Maze::sample(3, &mut rng)?;
            let position = maze.start().map(|square| (square as f32 + 0.5) * SQUARE);
            eye.draw(&maze, position, [1.0, 0.0], &mut picture);
            assert!(picture.iter().all(|x| (-1.0..=1.0).contains(x)));
            let pixel = |row: usize, column: usize| &picture[row * ROW + column * CHANNELS..][..CHANNELS];
            mazes += 1;
            let [x, y] = maze.start();
            if maze.is_wall([x + 1, y]) {
                // Half a square away the wall fills more than the picture.
                assert!(pixel(0, 19) == pixel(29, 19) && pixel(0, 19)[0] > pixel(0, 19)[2], "a reddish wall all over");
            } else if maze.goal() == [x + 1, y] {
                green += 1;
                assert!(pixel(15, 20)[1] > pixel(15, 20)[0] + 0.5 && pixel(15, 20)[1] > pixel(15, 20)[2] + 0.5);
            } else if maze.is_wall([x + 2, y]) && maze.goal() != [x + 2, y] {
                // One and a half squares away it leaves rows for sky and floor.
                assert_eq!((pixel(0, 20), pixel(29, 20)), (&eye.rows[0][..3], &eye.rows[29][..3]));
                assert!(pixel(15, 20)[0] > pixel(15, 20)[2]);
            }
        }
        assert!(green > 0);
        Ok(())
    }
}
