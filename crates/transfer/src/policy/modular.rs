//! Policies made of a module for the task and a module for the robot.
//!
//! ```text
//! π_{k, r}(a | o) = softmax f_r( g_k(o_task), o_robot )
//! ```
//! Trained jointly on some pairs (k, r), the modules also work in pairs that were never trained, if what g_k hands over means
//! the same for every k: the width of that layer is kept small, and noise is added to it in training. Devin, Gupta, Darrell,
//! Abbeel & Levine, *Learning Modular Neural Network Policies for Multi-Task and Multi-Robot Transfer*, ICRA 2017.
//!
//! Differs from the paper: actions are discrete; Gaussian noise takes the place of dropout, which would switch off half of a
//! layer that has a handful of units; and what is imitated is given, not found by guided policy search.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_envs::random::normal;
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model};
use rekindle_optim::{State, Transform};

use crate::descent::descend;
use crate::error::not_negative;
use crate::{Error, Result};

/// Sizes of a [`ModularPolicy`].
#[derive(Clone, Debug, PartialEq)]
pub struct ModularConfig {
    /// Task modules K, `>= 1`.
    pub tasks: usize,
    /// Robot modules R, `>= 1`.
    pub robots: usize,
    /// Numbers of an observation that belong to the task, `>= 1`.
    pub task_inputs: usize,
    /// Numbers of an observation that belong to the robot, `>= 1`.
    pub robot_inputs: usize,
    /// Actions of every robot, `>= 1`.
    pub actions: usize,
    /// Units of the one hidden layer of every module, `>= 1`. Default 64.
    pub hidden: usize,
    /// Numbers that a task module hands over, `>= 1`: as few as will do. Default 2.
    pub width: usize,
    /// Deviation of the noise on them in training, `>= 0`; they lie between −1 and 1. Default 0.05.
    pub noise: f64,
}

impl Default for ModularConfig {
    /// For three tasks and three robots of [`BlockReach`](rekindle_envs::BlockReach).
    fn default() -> Self {
        Self { tasks: 3, robots: 3, task_inputs: 6, robot_inputs: 4, actions: 4, hidden: 64, width: 2, noise: 0.05 }
    }
}

impl ModularConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("tasks", self.tasks),
            ("robots", self.robots),
            ("task_inputs", self.task_inputs),
            ("robot_inputs", self.robot_inputs),
            ("actions", self.actions),
            ("hidden", self.hidden),
            ("width", self.width),
        ];
        if let Some((name, value)) = sizes.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::setting(name, value, "at least 1"));
        }
        not_negative("noise", self.noise)
    }
}

/// Which modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Number of the task module.
    pub task: usize,
    /// Number of the robot module.
    pub robot: usize,
}

/// Modules for tasks and for robots. Leaves are called `task0.…` and `robot0.…`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_autodiff::Tensor;
/// use rekindle_envs::stream_rng;
/// use rekindle_transfer::policy::{ModularConfig, ModularPolicy, Pair};
/// let policy = ModularPolicy::new(ModularConfig::default())?;
/// let params = policy.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
/// // Any pair, trained or not: numbers of the task first, then those of the robot.
/// let obs = Tensor::ones((1, 5, 6 + 4), DType::F32, &Device::Cpu)?;
/// let logits = policy.logits(&params, Pair { task: 0, robot: 2 }, &obs, None)?;
/// assert_eq!(logits.dims(), [1, 5, 4]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModularPolicy {
    config: ModularConfig,
    task: Mlp,
    robot: Mlp,
}

impl ModularPolicy {
    /// Modules of these sizes.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(config: ModularConfig) -> Result<Self> {
        config.validate()?;
        let mlp = |sizes: Vec<usize>| -> Result<Mlp> {
            let init = Init::FanInUniform;
            let activation = Activation::Relu;
            Ok(Mlp::new(&MlpConfig { sizes, activation, weight: init, bias: init, ..MlpConfig::default() })?)
        };
        let task = mlp(vec![config.task_inputs, config.hidden, config.width])?;
        let robot = mlp(vec![config.width + config.robot_inputs, config.hidden, config.hidden, config.actions])?;
        Ok(Self { config, task, robot })
    }

    /// Fresh parameters of all modules, leaves `[1, …]`.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut all = Params::new([])?;
        for (kind, n, module) in [("task", self.config.tasks, &self.task), ("robot", self.config.robots, &self.robot)] {
            for i in 0..n {
                all = all.merge(&module.init(rng, dtype, device)?.prefixed(&format!("{kind}{i}"))?)?;
            }
        }
        Ok(all)
    }

    /// Logits `[M, B, A]` of a pair at observations `[M, B, D]`, those of the task before those of the robot. In training,
    /// `noise` is what it is drawn from.
    ///
    /// # Errors
    /// [`Error::Setting`] for a module that does not exist, [`Error::Width`] for observations of another size.
    pub fn logits(&self, params: &Params, pair: Pair, obs: &Tensor, noise: Option<&mut dyn RngCore>) -> Result<Tensor> {
        let ModularConfig { tasks, robots, task_inputs, robot_inputs, .. } = self.config;
        if pair.task >= tasks || pair.robot >= robots {
            return Err(Error::setting("pair", format!("{pair:?}"), "numbers of modules that there are"));
        }
        let (last, found) = (obs.rank() - 1, obs.dims().last().copied().unwrap_or(0));
        if found != task_inputs + robot_inputs {
            return Err(Error::Width { what: "an observation", found, expected: task_inputs + robot_inputs });
        }
        let of = |kind, i| params.sub_params(&format!("{kind}{i}"));
        let seen = obs.narrow(last, 0, task_inputs)?.contiguous()?;
        let own = obs.narrow(last, task_inputs, robot_inputs)?.contiguous()?;
        let mut handed = self.task.forward(&of("task", pair.task)?, &seen, NormStats::Batch)?.tanh()?; // [M, B, width]
        if let Some(rng) = noise {
            let draws: Vec<f64> = (0..handed.elem_count()).map(|_| self.config.noise * normal(rng)).collect();
            let draws = Value::from_vec(draws, handed.dims(), handed.device())?.to_dtype(handed.dtype())?;
            handed = handed.add(&Tensor::new(draws))?;
        }
        let inputs = Tensor::cat(&[&handed, &own], last)?;
        Ok(self.robot.forward(&of("robot", pair.robot)?, &inputs, NormStats::Batch)?)
    }

    /// One step of an optimiser down the mean cross-entropy between the modules and what was done in all lessons; the new
    /// parameters, the optimiser's state, and the loss before the step.
    ///
    /// # Errors
    /// As [`logits`](Self::logits); [`Error::Setting`] where some module is in no lesson, and would learn nothing; if the loss
    /// is not finite.
    pub fn imitate(
        &self,
        optimiser: &dyn Transform,
        (params, state): (&Params, &State),
        lessons: &[Lesson],
        rng: &mut dyn RngCore,
    ) -> Result<(Params, State, f64)> {
        let lacks =
            |n: usize, of: &dyn Fn(Pair) -> usize| (0..n).find(|i| lessons.iter().all(|lesson| of(lesson.pair) != *i));
        let idle = lacks(self.config.tasks, &|pair| pair.task).map(|i| format!("without task {i}"));
        if let Some(idle) =
            idle.or_else(|| lacks(self.config.robots, &|pair| pair.robot).map(|i| format!("without robot {i}")))
        {
            return Err(Error::setting("lessons", idle, "at least one for each module"));
        }
        descend(optimiser, params, state, |params| {
            let losses =
                lessons.iter().map(|lesson| self.loss(params, lesson, &mut *rng)).collect::<Result<Vec<_>>>()?;
            Ok(Tensor::cat(&losses.iter().collect::<Vec<_>>(), 0)?.mean_keepdim(&[0])?)
        })
    }

    /// Cross-entropy `[M]`, with noise.
    fn loss(&self, params: &Params, lesson: &Lesson, rng: &mut dyn RngCore) -> Result<Tensor> {
        let log_probs = self.logits(params, lesson.pair, &lesson.obs, Some(rng))?.log_softmax()?; // [M, B, A]
        let taken = log_probs.gather(2, &lesson.actions.unsqueeze(2)?)?.squeeze(2)?;
        Ok(taken.mean(&[1])?.neg()?)
    }
}

/// What somebody who knows one task with one robot did.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// The task and the robot.
    pub pair: Pair,
    /// What was seen, `[M, B, D]`.
    pub obs: Tensor,
    /// What was done, `[M, B]` (`u32`).
    pub actions: Value,
}
