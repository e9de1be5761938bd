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
use crate::{Action, Env, Error, Result, Space, TimeLimit, Transition};

const GRAVITY: f64 = 9.8;
const SECONDS: f64 = 0.02;
const MOST_X: f64 = 2.4;
const MOST_ANGLE: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

/// What a cart-pole is made of. Default: Gymnasium's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CartPoleBody {
    /// Half of the pole's length l in metres, `> 0`. Default 0.5.
    pub half_length: f64,
    /// Mass of the pole m in kilograms, `> 0`. Default 0.1.
    pub pole_mass: f64,
    /// Mass of the cart in kilograms, `> 0`. Default 1.
    pub cart_mass: f64,
    /// Force of a push F in newtons, `> 0`. Default 10.
    pub force: f64,
}

impl Default for CartPoleBody {
    fn default() -> Self {
        Self { half_length: 0.5, pole_mass: 0.1, cart_mass: 1.0, force: 10.0 }
    }
}

/// Cart-pole without a time limit; [`v1`](Self::v1) has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CartPole {
    body: CartPoleBody,
    state: [f64; 4],
}

impl CartPole {
    /// Gymnasium's `CartPole-v1`: truncated after 500 steps. Solved at a mean return of 475.
    pub fn v1() -> TimeLimit<Self> {
        TimeLimit::known(Self::default(), 500)
    }

    /// One of another body.
    ///
    /// # Errors
    /// [`Error::Config`] for a number that is not above zero.
    pub fn with_body(body: CartPoleBody) -> Result<Self> {
        let CartPoleBody { half_length, pole_mass, cart_mass, force } = body;
        let parts =
            [("half_length", half_length), ("pole_mass", pole_mass), ("cart_mass", cart_mass), ("force", force)];
        match parts.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            Some((field, value)) => Err(Error::config(field, value, "a finite number above 0")),
            None => Ok(Self { body, ..Self::default() }),
        }
    }

    /// What it is made of.
    pub fn body(&self) -> CartPoleBody {
        self.body
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
        let CartPoleBody { half_length, pole_mass, cart_mass, force } = self.body;
        let (total_mass, mass_length) = (pole_mass + cart_mass, pole_mass * half_length);
        let force = if action.index(2)? == 1 { force } else { -force };
        let [x, v, angle, turn] = self.state;
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let push = (force + mass_length * (turn * turn) * sin) / total_mass;
        let inertia = half_length * (4.0 / 3.0 - pole_mass * (cos * cos) / total_mass);
        let turning = (GRAVITY * sin - cos * push) / inertia;
        let acceleration = push - mass_length * turning * cos / total_mass;
        self.state = [x + SECONDS * v, v + SECONDS * acceleration, angle + SECONDS * turn, turn + SECONDS * turning];
        write(self.state, obs);
        let fell = self.state[0].abs() > MOST_X || self.state[2].abs() > MOST_ANGLE;
        Ok(Transition::new(1.0, fell))
    }
}
