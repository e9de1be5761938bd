//! A store of transitions that are learned from more than once.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::Tensor;
use rekindle_envs::random::below;

use crate::error::at_least_one;
use crate::{Error, Result};

/// The last steps of M tasks × B copies, in a ring: the newest step takes the place of the oldest.
///
/// Lin, *Self-improving reactive agents based on reinforcement learning, planning and teaching*, 1992.
#[derive(Clone, Debug)]
pub struct ReplayBuffer {
    capacity: usize,
    dims: [usize; 2],
    n_features: usize,
    /// `[capacity, M, B, …]` each.
    obs: Vec<f32>,
    next_obs: Vec<f32>,
    actions: Vec<u32>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    stored: usize,
    at: usize,
}

/// One step of M × B rows, `[M, B, …]` each.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// Features `[M, B, D]` of what was seen.
    pub obs: &'a [f32],
    /// What was played.
    pub actions: &'a [u32],
    /// What came of it.
    pub rewards: &'a [f32],
    /// Features `[M, B, D]` of what it led to: of the last observation where something ended.
    pub next_obs: &'a [f32],
    /// Where nothing follows.
    pub terminated: &'a [bool],
}

/// Transitions `[M, B, …]` to learn from.
#[derive(Clone, Debug)]
pub struct Transitions {
    /// `[M, B, D]`
    pub obs: Tensor,
    /// `[M, B]` (`u32`)
    pub actions: Value,
    /// `[M, B]`
    pub rewards: Tensor,
    /// `[M, B, D]`
    pub next_obs: Tensor,
    /// 1 where the decision process goes on, 0 where it terminated, `[M, B]`.
    pub goes_on: Tensor,
}

impl ReplayBuffer {
    /// Room for `capacity` steps of M × B rows with D features.
    ///
    /// # Errors
    /// If one of these is zero.
    pub fn new(capacity: usize, dims @ [m, b]: [usize; 2], n_features: usize) -> Result<Self> {
        at_least_one("capacity", capacity)?;
        at_least_one("rows", m * b)?;
        at_least_one("n_features", n_features)?;
        let n = capacity * m * b;
        Ok(Self {
            capacity,
            dims,
            n_features,
            obs: vec![0.0; n * n_features],
            next_obs: vec![0.0; n * n_features],
            actions: vec![0; n],
            rewards: vec![0.0; n],
            terminated: vec![false; n],
            stored: 0,
            at: 0,
        })
    }

    /// Steps that are stored.
    pub fn len(&self) -> usize {
        self.stored
    }

    /// Whether no step is stored.
    pub fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// Stores a step.
    ///
    /// # Errors
    /// If a part of it has another length than the buffer's rows.
    pub fn push(&mut self, step: Transition<'_>) -> Result<()> {
        let rows = self.dims[0] * self.dims[1];
        let lengths = [step.actions.len(), step.rewards.len(), step.terminated.len()];
        let features = [step.obs.len(), step.next_obs.len()];
        if lengths != [rows; 3] || features != [rows * self.n_features; 2] {
            let found = [&lengths[..], &features[..]].concat();
            return Err(Error::shape("the transition", &found, format!("{rows} rows of {} features", self.n_features)));
        }
        let (one, many) = (self.at * rows, self.at * rows * self.n_features);
        self.obs[many..many + step.obs.len()].copy_from_slice(step.obs);
        self.next_obs[many..many + step.obs.len()].copy_from_slice(step.next_obs);
        self.actions[one..one + rows].copy_from_slice(step.actions);
        self.rewards[one..one + rows].copy_from_slice(step.rewards);
        self.terminated[one..one + rows].copy_from_slice(step.terminated);
        self.at = (self.at + 1) % self.capacity;
        self.stored = (self.stored + 1).min(self.capacity);
        Ok(())
    }

    /// Draws `n` transitions of every task, each of its own, with replacement.
    ///
    /// # Errors
    /// If nothing is stored, or n is 0.
    pub fn sample(&self, n: usize, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Transitions> {
        at_least_one("stored steps", self.stored)?;
        at_least_one("batch", n)?;
        let [m, b] = self.dims;
        let place = |task: usize, rng: &mut dyn RngCore| (below(rng, self.stored) * m + task) * b + below(rng, b);
        let places: Vec<usize> = (0..m * n).map(|i| place(i / n, rng)).collect();
        let d = self.n_features;
        let rows = |all: &[f32]| places.iter().flat_map(|&i| all[i * d..(i + 1) * d].to_vec()).collect::<Vec<_>>();
        let beside = |numbers: Vec<f32>, shape: &[usize]| -> Result<Tensor> {
            Ok(Tensor::from_vec(numbers, shape)?.to_dtype(dtype)?.to_device(device)?)
        };
        let goes_on = places.iter().map(|&i| f32::from(u8::from(!self.terminated[i]))).collect();
        Ok(Transitions {
            obs: beside(rows(&self.obs), &[m, n, d])?,
            actions: Value::from_vec(places.iter().map(|&i| self.actions[i]).collect::<Vec<_>>(), (m, n), device)?,
            rewards: beside(places.iter().map(|&i| self.rewards[i]).collect(), &[m, n])?,
            next_obs: beside(rows(&self.next_obs), &[m, n, d])?,
            goes_on: beside(goes_on, &[m, n])?,
        })
    }
}
