//! Mountain car with a motor of variable force.
//!
//! ```text
//! v ← clip(v + 0.0015 a − 0.0025 cos 3x, ±0.07),   x ← clip(x + v, [−1.2, 0.6]);   v = 0 at the left wall
//! r = −0.1 a², and 100 more at the goal
//! ```
//! Observation `[x, v]`; action the force a `[1]` in [−1, 1]; terminated at x ≥ 0.45 with v ≥ 0. A start is at rest, x
//! uniform in [−0.6, −0.4]. Gymnasium's `MountainCarContinuous-v0`, which keeps its state in f32 from the first step on;
//! so does this one.

use rand::RngCore;

use super::{uniform, write};
use crate::{Action, Env, Result, Space, TimeLimit, Transition};

const LEAST_X: f32 = -1.2;
const MOST_X: f32 = 0.6;
const MOST_SPEED: f32 = 0.07;
const POWER: f32 = 0.0015;
const GRAVITY: f64 = 0.0025;
const GOAL: f32 = 0.45;

/// Continuous mountain car without a time limit; [`v0`](Self::v0) has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MountainCarContinuous {
    /// The start in double precision, until the first step has been made from it.
    start: Option<f64>,
    position: f32,
    velocity: f32,
}

impl MountainCarContinuous {
    /// Gymnasium's `MountainCarContinuous-v0`: truncated after 999 steps.
    pub fn v0() -> TimeLimit<Self> {
        TimeLimit::known(Self::default(), 999)
    }

    /// Begins an episode at rest from a position.
    pub fn set_start(&mut self, position: f64) {
        *self = Self { start: Some(position), position: position as f32, velocity: 0.0 };
    }

    /// Position and velocity after a push, before the bounds.
    fn moved(&mut self, force: f32) -> (f32, f32) {
        let push = |cos: f64| force * POWER - (GRAVITY * cos) as f32;
        match self.start.take() {
            Some(position) => {
                let velocity = push(libm::cos(3.0 * position));
                ((position + f64::from(velocity)) as f32, velocity)
            }
            None => {
                let velocity = self.velocity + push(libm::cos(f64::from(3.0 * self.position)));
                let velocity = velocity.clamp(-MOST_SPEED, MOST_SPEED);
                (self.position + velocity, velocity)
            }
        }
    }
}

impl Env for MountainCarContinuous {
    fn observation_space(&self) -> Space {
        Space::vector(&[LEAST_X, -MOST_SPEED], &[MOST_X, MOST_SPEED])
    }

    fn action_space(&self) -> Space {
        Space::boxed(-1.0, 1.0, &[1])
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.set_start(uniform(rng, -0.6, -0.4));
        write([f64::from(self.position), 0.0], obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let [action] = action.values()?;
        let (position, velocity) = self.moved(action.clamp(-1.0, 1.0));
        self.position = position.clamp(LEAST_X, MOST_X);
        self.velocity = if self.position == LEAST_X { velocity.max(0.0) } else { velocity };
        obs.copy_from_slice(&[self.position, self.velocity]);
        let terminated = self.position >= GOAL && self.velocity >= 0.0;
        let bonus = if terminated { 100.0 } else { 0.0 };
        Ok(Transition::new((bonus - f64::from(action) * f64::from(action) * 0.1) as f32, terminated))
    }
}
