//! The mazes as symbols: the same plans and rewards, a square and a quarter turn at a time.
//!
//! Observation `[6]`: for the three directions ahead, left and right, the number of free squares before the wall over
//! the maze's side, then for the same directions 1 if the goal lies there in plain sight, else 0. A first-person agent
//! takes some five steps for what is one step here, so horizons are a fifth of its own: 50 for small mazes, 200 for
//! large ones.

use std::sync::Arc;

use rand::RngCore;

use super::layout::{Maze, Pose, ahead};
use super::{GOAL_REWARD, Move, STEP_REWARD, WALL_REWARD};
use crate::{Action, Env, EnvFamily, Result, Space, TimeLimit, Transition};

/// Random mazes, seen as symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolicMazes {
    /// Cells a side, `>= 2`.
    pub cells: usize,
    /// Steps after which an episode is truncated, `>= 1`.
    pub horizon: usize,
}

impl SymbolicMazes {
    /// Mazes of 3 × 3 cells.
    pub const fn small() -> Self {
        Self { cells: 3, horizon: 50 }
    }

    /// Mazes of 5 × 5 cells.
    pub const fn large() -> Self {
        Self { cells: 5, horizon: 200 }
    }
}

impl EnvFamily for SymbolicMazes {
    type Task = Arc<Maze>;
    type Env = TimeLimit<SymbolicMaze>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        Ok(Arc::new(Maze::sample(self.cells, rng)?))
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        TimeLimit::new(SymbolicMaze::new(task.clone()), self.horizon)
    }
}

/// Somebody in a maze who moves by squares.
#[derive(Clone, Debug, PartialEq)]
pub struct SymbolicMaze {
    maze: Arc<Maze>,
    square: [usize; 2],
    heading: usize,
}

impl SymbolicMaze {
    /// At the start of a maze.
    pub fn new(maze: Arc<Maze>) -> Self {
        let (square, heading) = (maze.start(), maze.heading());
        Self { maze, square, heading }
    }

    /// The plan.
    pub fn maze(&self) -> &Maze {
        &self.maze
    }

    /// Where the agent is, in the middle of its square.
    pub fn pose(&self) -> Pose {
        let [x, y] = self.square.map(|coordinate| coordinate as f32 + 0.5);
        Pose { x, y, heading: self.heading as f32 * std::f32::consts::FRAC_PI_2 }
    }

    /// Free squares in a direction, and whether the goal is one of them.
    fn look(&self, heading: usize) -> (usize, bool) {
        let (mut square, mut free, mut goal) = (ahead(self.square, heading), 0, false);
        while !self.maze.is_wall(square) {
            free += 1;
            goal |= square == self.maze.goal();
            square = ahead(square, heading);
        }
        (free, goal)
    }

    fn observe(&self, obs: &mut [f32]) {
        let (distances, goals) = obs.split_at_mut(3);
        // Ahead, left, right.
        for (i, turn) in [0, 1, 3].into_iter().enumerate() {
            let (free, goal) = self.look(self.heading + turn);
            distances[i] = free as f32 / self.maze.side() as f32;
            goals[i] = f32::from(u8::from(goal));
        }
    }
}

impl Env for SymbolicMaze {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 1.0, &[6])
    }

    fn action_space(&self) -> Space {
        Space::discrete(Move::ALL.len())
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.square, self.heading) = (self.maze.start(), self.maze.heading());
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let mut reward = STEP_REWARD;
        match Move::ALL[action.index(Move::ALL.len())?] {
            Move::TurnLeft => self.heading = (self.heading + 1) % 4,
            Move::TurnRight => self.heading = (self.heading + 3) % 4,
            Move::Forward => {
                let to = ahead(self.square, self.heading);
                if self.maze.is_wall(to) {
                    reward += WALL_REWARD;
                } else {
                    self.square = to;
                }
            }
        }
        let found = self.square == self.maze.goal();
        reward += if found { GOAL_REWARD } else { 0.0 };
        self.observe(obs);
        Ok(Transition::new(reward, found))
    }
}
