//! The plan of a maze: walls, start and goal, and how they are drawn at random.

use rand::RngCore;

use crate::{Error, Result, random};

/// A maze of n × n cells on a grid of (2n + 1)² squares: cells at odd coordinates, walls or openings between them. It
/// has one way between any two squares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maze {
    side: usize,
    walls: Vec<bool>,
    start: [usize; 2],
    heading: usize,
    goal: [usize; 2],
}

/// Where somebody is: squares from the left and from the top of the maze, and the direction looked at, in radians
/// against the clock from the right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Squares from the left edge.
    pub x: f32,
    /// Squares from the upper edge.
    pub y: f32,
    /// Direction, 0 to the right, π/2 up.
    pub heading: f32,
}

impl Maze {
    /// Draws a maze of `cells × cells` cells by Prim's algorithm with random choices, then a start and another square as
    /// the goal among all open ones, and one of four directions to look at first.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than 2 cells a side.
    pub fn sample(cells: usize, rng: &mut dyn RngCore) -> Result<Self> {
        if cells < 2 {
            return Err(Error::config("cells", cells, "at least 2"));
        }
        let side = 2 * cells + 1;
        let mut maze = Self { side, walls: vec![true; side * side], start: [1, 1], heading: 0, goal: [1, 1] };
        maze.carve(cells, rng);
        let open: Vec<usize> = (0..side * side).filter(|&square| !maze.walls[square]).collect();
        let start = random::below(rng, open.len());
        // One of the others, each as likely.
        let goal = (start + 1 + random::below(rng, open.len() - 1)) % open.len();
        maze.start = [open[start] % side, open[start] / side];
        maze.goal = [open[goal] % side, open[goal] / side];
        maze.heading = random::below(rng, 4);
        Ok(maze)
    }

    /// Opens a cell, then again and again a wall between an open cell and a closed one.
    fn carve(&mut self, cells: usize, rng: &mut dyn RngCore) {
        let first = [random::below(rng, cells), random::below(rng, cells)];
        let mut frontier = Vec::new();
        self.open(first, first, cells, &mut frontier);
        while !frontier.is_empty() {
            let (from, to) = frontier.swap_remove(random::below(rng, frontier.len()));
            if self.is_wall([2 * to[0] + 1, 2 * to[1] + 1]) {
                self.open(from, to, cells, &mut frontier);
            }
        }
    }

    /// Opens the way between neighbouring cells, and offers the ways on from the second.
    fn open(&mut self, from: [usize; 2], to: [usize; 2], cells: usize, frontier: &mut Vec<([usize; 2], [usize; 2])>) {
        // The square between two cells, and the second cell itself.
        for [x, y] in [[from[0] + to[0] + 1, from[1] + to[1] + 1], [2 * to[0] + 1, 2 * to[1] + 1]] {
            self.walls[y * self.side + x] = false;
        }
        let [x, y] = to;
        let ways = [(x > 0).then(|| [x - 1, y]), (x + 1 < cells).then(|| [x + 1, y])];
        let more_ways = [(y > 0).then(|| [x, y - 1]), (y + 1 < cells).then(|| [x, y + 1])];
        frontier.extend(ways.into_iter().chain(more_ways).flatten().map(|next| (to, next)));
    }

    /// Squares along each side, 2n + 1.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Whether the square at `[x, y]`, counted from the upper left, is wall; everything outside is.
    pub fn is_wall(&self, [x, y]: [usize; 2]) -> bool {
        x >= self.side || y >= self.side || self.walls[y * self.side + x]
    }

    /// Walls from above, for a picture: row by row from the top, `[side, side]`, true where there is wall.
    pub fn walls(&self) -> &[bool] {
        &self.walls
    }

    /// The square where episodes start, `[x, y]`.
    pub fn start(&self) -> [usize; 2] {
        self.start
    }

    /// The square of the goal, `[x, y]`.
    pub fn goal(&self) -> [usize; 2] {
        self.goal
    }

    /// Quarter turns against the clock from looking right, at the start.
    pub fn heading(&self) -> usize {
        self.heading
    }
}

/// One square on from `[x, y]` in the direction of so many quarter turns against the clock; y grows downwards. Beyond
/// the edge the coordinates wrap to numbers outside of any maze.
pub(super) fn ahead([x, y]: [usize; 2], heading: usize) -> [usize; 2] {
    match heading % 4 {
        0 => [x + 1, y],
        1 => [x, y.wrapping_sub(1)],
        2 => [x.wrapping_sub(1), y],
        _ => [x, y + 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_rng;

    /// The open squares of a maze form a tree: n² cells and n² − 1 ways between them, all connected.
    #[test]
    fn mazes_are_trees_over_all_cells() -> Result<()> {
        let mut rng = stream_rng(1, 0);
        for cells in 2..7 {
            let maze = Maze::sample(cells, &mut rng)?;
            let side = maze.side();
            let n_open = maze.walls().iter().filter(|wall| !**wall).count();
            assert_eq!(n_open, 2 * cells * cells - 1);
            let (mut seen, mut stack) = (vec![false; side * side], vec![maze.start()]);
            while let Some(square) = stack.pop() {
                if !std::mem::replace(&mut seen[square[1] * side + square[0]], true) {
                    stack.extend((0..4).map(|turn| ahead(square, turn)).filter(|&next| !maze.is_wall(next)));
                }
            }
            assert_eq!(seen.iter().filter(|seen| **seen).count(), n_open);
            assert!((0..side).all(|i| [[i, 0], [0, i], [i, side - 1], [side - 1, i]].iter().all(|&s| maze.is_wall(s))));
            assert!(!maze.is_wall(maze.goal()) && maze.goal() != maze.start());
        }
        assert!(Maze::sample(1, &mut rng).is_err());
        Ok(())
    }
}
