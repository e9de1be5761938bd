//! Pendulum: swing a rod up with a motor that is too weak to lift it, and hold it there.
//!
//! ```text
//! ω ← clip(ω + (3g/(2l)·sin θ + 3/(m l²)·u)·dt, ±8),   θ ← θ + ω·dt,   r = −(θ² + 0.1 ω² + 0.001 u²)
//! ```
//! with g = 10, m = l = 1, dt = 0.05, θ = 0 upright and wrapped to [−π, π) in the reward, which is that of the state
//! before the step. Observation `[cos θ, sin θ, ω]`; action the torque u `[1]` in [−2, 2]; it never terminates. A start is
//! uniform in θ ∈ [−π, π], ω ∈ [−1, 1]. Gymnasium's `Pendulum-v1`, whose torque terms are rounded to f32, as here.

use std::f64::consts::PI;

use rand::RngCore;

use super::{uniform, write};
use crate::{Action, Env, Result, Space, TimeLimit, Transition};

const GRAVITY: f64 = 10.0;
const SECONDS: f64 = 0.05;
const MOST_TORQUE: f32 = 2.0;
const MOST_SPEED: f64 = 8.0;

/// The pendulum without a time limit; [`v1`](Self::v1) has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pendulum {
    angle: f64,
    speed: f64,
}

impl Pendulum {
    /// Gymnasium's `Pendulum-v1`: truncated after 200 steps.
    pub fn v1() -> TimeLimit<Self> {
        TimeLimit::known(Self::default(), 200)
    }

    /// Goes on from an angle in radians and a speed.
    pub fn set_state(&mut self, [angle, speed]: [f64; 2]) {
        (self.angle, self.speed) = (angle, speed);
    }

    fn observe(&self, obs: &mut [f32]) {
        write([libm::cos(self.angle), libm::sin(self.angle), self.speed], obs);
    }
}

impl Env for Pendulum {
    fn observation_space(&self) -> Space {
        let high = [1.0, 1.0, MOST_SPEED as f32];
        Space::vector(&high.map(|x| -x), &high)
    }

    fn action_space(&self) -> Space {
        Space::boxed(-MOST_TORQUE, MOST_TORQUE, &[1])
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.angle, self.speed) = (uniform(rng, -PI, PI), uniform(rng, -1.0, 1.0));
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let [torque] = action.values()?;
        let torque = torque.clamp(-MOST_TORQUE, MOST_TORQUE);
        let wrapped = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost = wrapped * wrapped + 0.1 * (self.speed * self.speed) + f64::from(0.001 * (torque * torque));
        let turning = 3.0 * GRAVITY / 2.0 * libm::sin(self.angle) + f64::from(3.0 * torque);
        self.speed = (self.speed + turning * SECONDS).clamp(-MOST_SPEED, MOST_SPEED);
        self.angle += self.speed * SECONDS;
        self.observe(obs);
        Ok(Transition::new(-cost as f32, false))
    }
}
