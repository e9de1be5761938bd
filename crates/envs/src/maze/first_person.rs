//! The mazes as RL² sees them: pictures of 40 × 30 pixels from inside.
//!
//! Observation `[30, 40, 3]`, red, green and blue from −1 to 1. Actions: turn left, turn right, go forward; each is held
//! for 4 tics. Motion is that of [`body`](super::body), the picture that of [`eye`](super::eye). The agent is at the goal
//! when its middle enters the goal's square. Where this differs from the paper: ViZDoom's textures and sprites are
//! replaced by plain colours, and the goal's square by a block that can be walked into.

use std::sync::Arc;

use rand::RngCore;

use super::body::Body;
use super::eye::{Eye, HEIGHT, PICTURE, WIDTH};
use super::layout::{Maze, Pose};
use super::{GOAL_REWARD, Move, STEP_REWARD, WALL_REWARD};
use crate::{Action, Env, EnvFamily, Result, Space, TimeLimit, Transition};

/// Tics for which an action is held.
const TICS: usize = 4;

/// Random mazes, seen from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstPersonMazes {
    /// Cells a side, `>= 2`.
    pub cells: usize,
    /// Steps after which an episode is truncated, `>= 1`.
    pub horizon: usize,
}

impl FirstPersonMazes {
    /// Mazes of 3 × 3 cells, 250 steps: what RL² trains on.
    pub const fn small() -> Self {
        Self { cells: 3, horizon: 250 }
    }

    /// Mazes of 5 × 5 cells, 1000 steps.
    pub const fn large() -> Self {
        Self { cells: 5, horizon: 1000 }
    }
}

impl EnvFamily for FirstPersonMazes {
    type Task = Arc<Maze>;
    type Env = TimeLimit<FirstPersonMaze>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        Ok(Arc::new(Maze::sample(self.cells, rng)?))
    }

    fn make(&self, task: &Self::Task) -> Result<Self::Env> {
        TimeLimit::new(FirstPersonMaze::new(task.clone()), self.horizon)
    }
}

/// Somebody in a maze who sees and moves as in Doom.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstPersonMaze {
    maze: Arc<Maze>,
    body: Body,
    eye: Eye,
}

impl FirstPersonMaze {
    /// At the start of a maze.
    pub fn new(maze: Arc<Maze>) -> Self {
        Self { body: Body::new(&maze), maze, eye: Eye::new() }
    }

    /// The plan.
    pub fn maze(&self) -> &Maze {
        &self.maze
    }

    /// Where the agent is and looks.
    pub fn pose(&self) -> Pose {
        self.body.pose()
    }

    fn observe(&self, obs: &mut [f32]) {
        self.eye.draw(&self.maze, self.body.position, self.body.direction, &mut obs[..PICTURE]);
    }
}

impl Env for FirstPersonMaze {
    fn observation_space(&self) -> Space {
        Space::boxed(-1.0, 1.0, &[HEIGHT, WIDTH, 3])
    }

    fn action_space(&self) -> Space {
        Space::discrete(Move::ALL.len())
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.body = Body::new(&self.maze);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let action = Move::ALL[action.index(Move::ALL.len())?];
        let (mut hit, mut found, mut tics) = (false, false, 0);
        while tics < TICS && !found {
            hit |= self.body.tic(action, &self.maze);
            found = self.body.square() == self.maze.goal();
            tics += 1;
        }
        // A tic costs a quarter of a step: the step that finds the goal may be short.
        let mut reward = STEP_REWARD * tics as f32 / TICS as f32;
        reward += if hit { WALL_REWARD } else { 0.0 };
        reward += if found { GOAL_REWARD } else { 0.0 };
        self.observe(obs);
        Ok(Transition::new(reward, found))
    }
}
