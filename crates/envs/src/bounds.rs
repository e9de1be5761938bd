//! Continuous actions from policies that know no bounds: clipped, or scaled and clipped.

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, Transition};

/// Takes any real numbers as actions and brings them between the bounds of the environment inside.
///
/// [`ClipActions::new`] clips, as Gymnasium's `ClipAction` does. [`ClipActions::scaled`] first maps [−s, s] onto the
/// bounds, which must be finite:
///
/// ```text
/// a' = clip(low + (a + s)·(high − low)/(2s), low, high)
/// ```
/// That is `NormalizedEnv` of rllab, MAML and PEARL with s = 1, and of ProMP with s = 10.
#[derive(Clone, Debug)]
pub struct ClipActions<E> {
    env: E,
    inner_space: Space,
    /// Slope and offset for every element, where actions are scaled.
    scale: Option<Vec<[f32; 2]>>,
    action: Vec<f32>,
}

impl<E: Env> ClipActions<E> {
    /// Clips.
    ///
    /// # Errors
    /// [`Error::ActionKind`] where actions are discrete.
    pub fn new(env: E) -> Result<Self> {
        let inner_space = env.action_space();
        match &inner_space {
            Space::Box { .. } => {}
            Space::Discrete { .. } => {
                return Err(Error::ActionKind { found: "continuous", space: inner_space.to_string() });
            }
        }
        let action = vec![0.0; inner_space.size()];
        Ok(Self { env, inner_space, scale: None, action })
    }

    /// Maps [−`s`, `s`] onto the bounds, then clips.
    ///
    /// # Errors
    /// [`Error::ActionKind`] where actions are discrete, [`Error::Config`] where s is not above 0, [`Error::Space`] where
    /// a bound is infinite.
    pub fn scaled(env: E, s: f32) -> Result<Self> {
        let mut clipped = Self::new(env)?;
        if !(s > 0.0 && s.is_finite()) {
            return Err(Error::config("s", s, "above 0"));
        }
        let (low, high) = clipped.bounds();
        let slopes = low.iter().zip(high).map(|(&low, &high)| [(high - low) / (2.0 * s), (high + low) / 2.0]);
        let slopes: Vec<[f32; 2]> = slopes.collect();
        if !slopes.iter().flatten().all(|x| x.is_finite()) {
            let reason = "actions can be scaled to finite bounds only".into();
            return Err(Error::Space { space: clipped.inner_space.to_string(), reason });
        }
        clipped.scale = Some(slopes);
        Ok(clipped)
    }

    /// The environment inside.
    pub fn inner(&self) -> &E {
        &self.env
    }

    fn bounds(&self) -> (&[f32], &[f32]) {
        match &self.inner_space {
            Space::Box { low, high, .. } => (low, high),
            Space::Discrete { .. } => (&[], &[]),
        }
    }
}

/// What is not a number stays so, for the environment inside to refuse.
fn clip(a: f32, low: f32, high: f32) -> f32 {
    match a {
        a if a < low => low,
        a if a > high => high,
        a => a,
    }
}

impl<E: Env> Env for ClipActions<E> {
    fn observation_space(&self) -> Space {
        self.env.observation_space()
    }

    fn action_space(&self) -> Space {
        let shape = self.inner_space.shape();
        Space::boxed(f32::NEG_INFINITY, f32::INFINITY, shape)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.env.reset(rng, obs)
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        self.action.copy_from_slice(action.slice(&self.inner_space)?);
        if let Some(scale) = &self.scale {
            self.action.iter_mut().zip(scale).for_each(|(a, [slope, offset])| *a = *a * slope + offset);
        }
        if let Space::Box { low, high, .. } = &self.inner_space {
            let bounds = low.iter().zip(high);
            self.action.iter_mut().zip(bounds).for_each(|(a, (&low, &high))| *a = clip(*a, low, high));
        }
        self.env.step(Action::Continuous(&self.action), rng, obs)
    }
}
