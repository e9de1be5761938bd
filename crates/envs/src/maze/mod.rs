//! The mazes of RL²: find a goal, then find it again.
//!
//! Duan et al., *RL²*, 2016, §3.3. A task is a maze with a start and a goal; a trial plays several episodes in it, so
//! that what the first one explored makes the second one short. Reward: 1 at the goal, which ends the episode, −0.001
//! for a step that hits a wall, −0.04 a step. Small mazes have 3 × 3 cells and 250 steps, large ones 5 × 5 cells and
//! 1000 steps (the paper's 5 × 5 and 9 × 9 squares inside of the outer wall). Training takes 1000 small mazes, the test
//! 1000 others: `TaskPool::split(FirstPersonMazes::small(), 1000, 1000, rng)`.
//!
//! The paper's pictures come from Doom's engine; ours come from a ray caster, with Doom's laws of motion. How far apart
//! start and goal are the paper does not say; here an agent that knows the plan takes 35 steps to a small maze's goal on
//! average and 60 to a large one's (RL², which does not know it, 39 and 152 in its second episode), and one that acts at
//! random finds it in time in 29 % of the episodes.

mod body;
mod eye;
mod first_person;
mod layout;
mod symbolic;

pub use first_person::{FirstPersonMaze, FirstPersonMazes};
pub use layout::{Maze, Pose};
pub use symbolic::{SymbolicMaze, SymbolicMazes};

const GOAL_REWARD: f32 = 1.0;
const WALL_REWARD: f32 = -0.001;
const STEP_REWARD: f32 = -0.04;

/// The three actions of both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    TurnLeft,
    TurnRight,
    Forward,
}

impl Move {
    const ALL: [Self; 3] = [Self::TurnLeft, Self::TurnRight, Self::Forward];
}
