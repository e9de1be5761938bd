//! A point in the plane that must find, or walk to, a goal: the smallest continuous meta-RL problem.
//!
//! ```text
//! p ← p + clip(a, ±a_max)
//! ```
//! Papers share this line and differ in everything else: goals, starts, rewards, ends. [`PointFlavour`] says how.

mod flavour;

use rand::RngCore;

use crate::{Action, Env, EnvFamily, Error, Result, Space, TimeLimit, Transition};

pub use flavour::{CornerReward, PointFlavour};

/// A distribution over goals. Defaults: [`PointFlavour::Maml`], goal hidden.
///
/// Observation `[x, y]`, or `[x, y, g_x, g_y]` with the goal as context; action `[2]`, each element within ±a_max of the
/// flavour. The papers' policies speak to a wrapper that maps [−s, s] onto these bounds and clips:
/// [`ClipActions::scaled`](crate::ClipActions::scaled), s = 1 for MAML and PEARL, 10 for ProMP.
#[derive(Clone, Debug, PartialEq)]
pub struct PointFamily {
    /// Whose rules.
    pub flavour: PointFlavour,
    /// Steps after which an episode is truncated, `>= 1`.
    pub horizon: usize,
    /// Whether the goal is part of the observation: the oracle of MAML, the context of the lecture.
    pub goal_visible: bool,
}

impl Default for PointFamily {
    fn default() -> Self {
        Self::new(PointFlavour::Maml)
    }
}

impl PointFamily {
    /// A flavour with its own horizon, and the goal hidden.
    pub fn new(flavour: PointFlavour) -> Self {
        Self { flavour, horizon: flavour.horizon(), goal_visible: false }
    }

    /// The same with the goal as context.
    pub fn with_goal_visible(self) -> Self {
        Self { goal_visible: true, ..self }
    }
}

impl EnvFamily for PointFamily {
    /// The goal.
    type Task = [f32; 2];
    type Env = TimeLimit<PointEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<[f32; 2]> {
        Ok(self.flavour.sample_goal(rng))
    }

    fn make(&self, goal: &[f32; 2]) -> Result<Self::Env> {
        if !goal.iter().all(|x| x.is_finite()) {
            return Err(Error::config("goal", format!("{goal:?}"), "a point of the plane"));
        }
        TimeLimit::new(PointEnv::new(self.flavour, *goal, self.goal_visible), self.horizon)
    }
}

/// The point and its goal.
#[derive(Clone, Debug, PartialEq)]
pub struct PointEnv {
    flavour: PointFlavour,
    goal: [f32; 2],
    goal_visible: bool,
    position: [f32; 2],
}

impl PointEnv {
    /// A point under the rules of `flavour`, without a time limit.
    pub fn new(flavour: PointFlavour, goal: [f32; 2], goal_visible: bool) -> Self {
        Self { flavour, goal, goal_visible, position: [0.0; 2] }
    }

    /// Where the goal is.
    pub fn goal(&self) -> [f32; 2] {
        self.goal
    }

    /// Puts the point somewhere.
    pub fn set_position(&mut self, position: [f32; 2]) {
        self.position = position;
    }

    /// Where the point is.
    pub fn position(&self) -> [f32; 2] {
        self.position
    }

    fn observe(&self, obs: &mut [f32]) {
        obs[..2].copy_from_slice(&self.position);
        if self.goal_visible {
            obs[2..].copy_from_slice(&self.goal);
        }
    }
}

impl Env for PointEnv {
    fn observation_space(&self) -> Space {
        Space::unbounded(if self.goal_visible { 4 } else { 2 })
    }

    fn action_space(&self) -> Space {
        let most = self.flavour.max_step();
        Space::boxed(-most, most, &[2])
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.position = self.flavour.sample_start(rng);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let before = self.position;
        let most = self.flavour.max_step();
        let [dx, dy] = action.values::<2>()?.map(|a| a.clamp(-most, most));
        self.position = [before[0] + dx, before[1] + dy];
        self.observe(obs);
        let reward = self.flavour.reward(before, self.position, self.goal);
        Ok(Transition::new(reward, self.flavour.reached(self.position, self.goal)))
    }
}
