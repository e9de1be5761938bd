//! Cart-pole: keep a pole upright by pushing the cart under it.
//!
//! ```text
//! f  = (F + m l ω² sin θ)/M
//! ω' = (g sin θ − f cos θ)/(l (4/3 − m cos² θ/M)),   v' = f − m l ω' cos θ/M        F = ±10 N
//! ```
//! integrated by Euler's explicit rule with 0.02 s; g = 9.8, pole m = 0.1 kg of half length l = 0.5 m, M = 1.1 kg with
//! the cart. Observation `[x, v, θ, ω]`; action 0 pushes left, 1 right; reward 1 a step; terminated when |x| > 2.4 or
//! |θ| > 12°. A start is uniform in [−0.05, 0.05]⁴. Barto, Sutton & Anderson, *Neuronlike adaptive elements that can
//! solve difficult learning control problems*, 1983; constants and equations of Gymnasium's `CartPole-v1`, which corrects
//! the paper's (Florian 2007) and has no friction.

use rand::RngCore;

use super::{uniform, write};
use crate::{Action, Env, Result, Space, TimeLimit, Transition};

const GRAVITY: f64 = 9.8;
const TOTAL_MASS: f64 = 0.1 + 1.0;
const HALF_LENGTH: f64 = 0.5;
const POLE_MASS: f64 = 0.1;
const POLE_MASS_LENGTH: f64 = POLE_MASS * HALF_LENGTH;
const FORCE: f64 = 10.0;
const SECONDS: f64 = 0.02;
const MOST_X: f64 = 2.4;
const MOST_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

/// Cart-pole without a time limit; [`v1`](Self::v1) has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CartPole {
    state: [f64; 4],
}

impl CartPole {
    /// Gymnasium's `CartPole-v1`: truncated after 500 steps. Solved at a mean return of 475.
    pub fn v1() -> TimeLimit<Self> {
        TimeLimit::known(Self::default(), 500)
    }

    /// Goes on from position, velocity, angle in radians and angular velocity.
    pub fn set_state(&mut self, state: [f64; 4]) {
        self.state = state;
    }
}

impl Env for CartPole {
    fn observation_space(&self) -> Space {
        let high = [(2.0 * MOST_X) as f32, f32::INFINITY, (2.0 * MOST_ANGLE) as f32, f32::INFINITY];
        Space::vector(&high.map(|x| -x), &high)
    }

    fn action_space(&self) -> Space {
        Space::discrete(2)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.state = [0; 4].map(|_| uniform(rng, -0.05, 0.05));
        write(self.state, obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let force = if action.index(2)? == 1 { FORCE } else { -FORCE };
        let [x, v, angle, turn] = self.state;
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let push = (force + POLE_MASS_LENGTH * (turn * turn) * sin) / TOTAL_MASS;
        let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS);
        let turning = (GRAVITY * sin - cos * push) / inertia;
        let acceleration = push - POLE_MASS_LENGTH * turning * cos / TOTAL_MASS;
        self.state = [x + SECONDS * v, v + SECONDS * acceleration, angle + SECONDS * turn, turn + SECONDS * turning];
        write(self.state, obs);
        let fell = self.state[0].abs() > MOST_X || self.state[2].abs() > MOST_ANGLE;
        Ok(Transition::new(1.0, fell))
    }
}
