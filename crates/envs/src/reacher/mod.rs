//! A planar arm of two joints that reaches for targets.
//!
//! ```text
//! r = 1 − 4 δ(tip, target)        φ_i = 1 − 4 δ(tip, target i),   w one-hot
//! ```
//! Barreto et al., *Successor Features for Transfer in Reinforcement Learning*, NIPS 2017, §4.2, with the targets and the
//! factor 4 of its public replica: four targets to learn on, eight that are only tested. Torques are one of nine pairs of
//! −0.02, 0 and 0.02 N·m, 50 times a second, 500 steps an episode. The paper's arm is MuJoCo's; ours has the same lengths
//! (0.1 m and 0.11 m), rods of 0.1 kg each, friction of 0.01 N·m·s in both joints, no gravity and no contacts, and is
//! integrated in four pieces a step. It starts at rest with both angles uniform.

mod arm;

use std::f64::consts::PI;
use std::sync::Arc;

use rand::RngCore;

use self::arm::{Arm, DAMPING};
use crate::{Action, Env, EnvFamily, Error, LinearReward, Result, Space, TimeLimit, Transition, random};

const TORQUE: f64 = 0.02;
const SECONDS: f64 = 0.02;
const PIECES: usize = 4;
/// What a metre of distance costs.
const SCALE: f64 = 4.0;

/// An arm with a list of targets, each of which is a task.
///
/// Observation `[6]`: cosine and sine of both angles, both speeds in rad/s. Action 3 i + j has torques (i − 1, j − 1) ·
/// 0.02 N·m.
///
/// ```
/// use rekindle_envs::{EnvFamily, LinearReward, Reacher};
/// let reacher = Reacher::default();
/// let env = reacher.make(&2)?;
/// assert_eq!(env.weights().iter().position(|w| *w == 1.0), Some(2));
/// assert_eq!((reacher.targets.len(), Reacher::TRAINING), (12, 4));
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reacher {
    /// Places of the targets in metres from the first joint, at least one. Default: four to learn on, 0.14 m away on the
    /// axes, then eight to be tested on, 0.22 m away on the axes (a centimetre out of reach) and at (±0.1, ±0.1).
    pub targets: Arc<[[f64; 2]]>,
    /// Steps after which an episode is truncated, `>= 1`. Default 500.
    pub horizon: usize,
}

impl Default for Reacher {
    fn default() -> Self {
        let axes = |r: f64| [[r, 0.0], [-r, 0.0], [0.0, r], [0.0, -r]];
        let corners = [[0.1, 0.1], [-0.1, 0.1], [0.1, -0.1], [-0.1, -0.1]];
        Self { targets: [axes(0.14), axes(0.22), corners].concat().into(), horizon: 500 }
    }
}

impl Reacher {
    /// How many of the default targets, the first ones, are to learn on.
    pub const TRAINING: usize = 4;

    /// Whether there are targets, and whether they are places.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<()> {
        if self.targets.is_empty() {
            return Err(Error::config("targets", "an empty list", "at least one place"));
        }
        match self.targets.iter().find(|target| !target.iter().all(|x| x.is_finite())) {
            Some(target) => Err(Error::config("targets", format!("{target:?}"), "places in the plane")),
            None => Ok(()),
        }
    }
}

impl EnvFamily for Reacher {
    /// Number of the target.
    type Task = usize;
    type Env = TimeLimit<ReacherEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<usize> {
        self.validate()?;
        Ok(random::below(rng, self.targets.len()))
    }

    fn make(&self, target: &usize) -> Result<Self::Env> {
        self.validate()?;
        if *target >= self.targets.len() {
            return Err(Error::config("target", target, "the number of one of the targets"));
        }
        TimeLimit::new(ReacherEnv::new(self.targets.clone(), *target), self.horizon)
    }
}

/// The arm with one target that counts, without a time limit.
#[derive(Clone, Debug, PartialEq)]
pub struct ReacherEnv {
    targets: Arc<[[f64; 2]]>,
    weights: Vec<f32>,
    features: Vec<f32>,
    arm: Arm,
}

impl ReacherEnv {
    fn new(targets: Arc<[[f64; 2]]>, target: usize) -> Self {
        let n = targets.len();
        let mut weights = vec![0.0; n];
        weights[target] = 1.0;
        Self { targets, weights, features: vec![0.0; n], arm: Arm::default() }
    }

    /// Where the tip is, in metres from the first joint.
    pub fn tip(&self) -> [f64; 2] {
        self.arm.tip()
    }

    /// Puts the arm at rest at these angles in radians; the second is measured from the first rod.
    pub fn set_angles(&mut self, angles: [f64; 2]) {
        self.arm = Arm { angles, speeds: [0.0; 2] };
    }

    fn observe(&self, obs: &mut [f32]) {
        let [q1, q2] = self.arm.angles;
        let parts =
            [libm::cos(q1), libm::sin(q1), libm::cos(q2), libm::sin(q2), self.arm.speeds[0], self.arm.speeds[1]];
        obs.iter_mut().zip(parts).for_each(|(x, part)| *x = part as f32);
    }
}

impl Env for ReacherEnv {
    fn observation_space(&self) -> Space {
        let high = [1.0, 1.0, 1.0, 1.0, f32::INFINITY, f32::INFINITY];
        Space::vector(&high.map(|x| -x), &high)
    }

    fn action_space(&self) -> Space {
        Space::discrete(9)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.set_angles([0; 2].map(|_| PI * (2.0 * random::unit_f64(rng) - 1.0)));
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let action = action.index(9)?;
        let torques = [action / 3, action % 3].map(|part| TORQUE * (part as f64 - 1.0));
        for _ in 0..PIECES {
            self.arm = self.arm.after(torques, DAMPING, SECONDS / PIECES as f64);
        }
        let [x, y] = self.arm.tip();
        for (feature, target) in self.features.iter_mut().zip(&*self.targets) {
            *feature = (1.0 - SCALE * libm::hypot(x - target[0], y - target[1])) as f32;
        }
        self.observe(obs);
        let reward = self.features.iter().zip(&self.weights).map(|(phi, w)| phi * w).sum();
        Ok(Transition::new(reward, false))
    }
}

impl LinearReward for ReacherEnv {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn features(&self) -> &[f32] {
        &self.features
    }
}
