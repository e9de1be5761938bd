//! Mountain car: gather momentum in a valley to leave it over the right hill.
//!
//! ```text
//! v ← clip(v + 0.001 (a − 1) − 0.0025 cos 3x, ±0.07),   x ← clip(x + v, [−1.2, 0.6]);   v = 0 at the left wall
//! ```
//! Observation `[x, v]`; actions: push left, not at all, right; reward −1 a step; terminated at x ≥ 0.5 with v ≥ 0. A
//! start is at rest, x uniform in [−0.6, −0.4]. Moore, *Efficient memory-based learning for robot control*, 1990;
//! constants of Gymnasium's `MountainCar-v0`.

use rand::RngCore;

use super::{uniform, write};
use crate::{Action, Env, Result, Space, TimeLimit, Transition};

const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;
const LEAST_X: f64 = -1.2;
const MOST_X: f64 = 0.6;
const MOST_SPEED: f64 = 0.07;
const GOAL: f64 = 0.5;

/// Mountain car without a time limit; [`v0`](Self::v0) has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MountainCar {
    position: f64,
    velocity: f64,
}

impl MountainCar {
    /// Gymnasium's `MountainCar-v0`: truncated after 200 steps.
    pub fn v0() -> TimeLimit<Self> {
        TimeLimit::known(Self::default(), 200)
    }

    /// Goes on from a position and a velocity.
    pub fn set_state(&mut self, [position, velocity]: [f64; 2]) {
        (self.position, self.velocity) = (position, velocity);
    }
}

impl Env for MountainCar {
    fn observation_space(&self) -> Space {
        let speed = MOST_SPEED as f32;
        Space::vector(&[LEAST_X as f32, -speed], &[MOST_X as f32, speed])
    }

    fn action_space(&self) -> Space {
        Space::discrete(3)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.position, self.velocity) = (uniform(rng, -0.6, -0.4), 0.0);
        write([self.position, self.velocity], obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let push = (action.index(3)? as f64 - 1.0) * FORCE;
        let velocity = self.velocity + (push - libm::cos(3.0 * self.position) * GRAVITY);
        self.velocity = velocity.clamp(-MOST_SPEED, MOST_SPEED);
        self.position = (self.position + self.velocity).clamp(LEAST_X, MOST_X);
        if self.position == LEAST_X && self.velocity < 0.0 {
            self.velocity = 0.0;
        }
        write([self.position, self.velocity], obs);
        Ok(Transition::new(-1.0, self.position >= GOAL && self.velocity >= 0.0))
    }
}
