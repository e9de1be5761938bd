//! Four rooms with objects to collect on the way to a goal: the world in which successor features were tried first.
//!
//! ```text
//! φ = (objects of class 1, 2, 3 taken in this step, 1 at the goal)        w = (class rewards, 1)
//! ```
//! Barreto et al., *Successor Features for Transfer in Reinforcement Learning*, NIPS 2017, §4.1: there are 12 objects in 3
//! classes; an object is taken by touching it and is back in the next episode; the goal pays 1 and ends the episode. A
//! task is what an object of each class pays, drawn uniformly from [−1, 1].
//!
//! The paper shows the places of walls, doors and objects in a picture only, so ours are our own: each room has three
//! objects, and there are four of each class.

mod continuous;
mod grid;

use rand::RngCore;

use crate::{Error, Result, random};

pub use continuous::{FourRooms, FourRoomsEnv};
pub use grid::{GridRooms, GridRoomsEnv};

/// Classes of objects.
const CLASSES: usize = 3;
/// Objects; each is a bit of the inventory.
const OBJECTS: usize = 12;
/// Features: one for each class, and the goal.
const FEATURES: usize = CLASSES + 1;

/// Rewards of the three classes, uniform in [−1, 1].
fn sample_rewards(rng: &mut dyn RngCore) -> [f32; CLASSES] {
    [0; CLASSES].map(|_| random::uniform(rng, -1.0, 1.0))
}

/// Weights of the features for these class rewards.
fn weights(rewards: &[f32; CLASSES]) -> Result<[f32; FEATURES]> {
    match rewards {
        [a, b, c] if rewards.iter().all(|r| r.is_finite()) => Ok([*a, *b, *c, 1.0]),
        _ => Err(Error::config("rewards", format!("{rewards:?}"), "finite numbers, one for each class")),
    }
}

/// φᵀw.
fn reward(features: &[f32; FEATURES], weights: &[f32; FEATURES]) -> f32 {
    features.iter().zip(weights).map(|(phi, w)| phi * w).sum()
}
