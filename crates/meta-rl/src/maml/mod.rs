//! MAML for reinforcement learning: a start from which a few policy gradients adapt a policy to a task.
//!
//! ```text
//! θ_i ← θ − α ∇L_i(θ; D_i)  (a few times)        min_θ Σ_i L_i(θ_i; D'_i)
//! ```
//! L is the loss of a policy gradient on trajectories D_i of task i, played by the policy before each step; D'_i are
//! played by the adapted one. Finn, Abbeel & Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*,
//! 2017, §3.2 and §5.3. All tasks of a meta-batch adapt in one graph.
//!
//! What MAML's code differentiates is the score function's loss, whose second derivative is not that of the return;
//! [`Estimator`] has the right ones beside it.

mod batch;
mod config;
mod inner;
mod outer;
mod policies;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_envs::{EnvFamily, VecEnv, stream_rng};
use rekindle_optim::State;
use rekindle_rl::instances::Summary;
use rekindle_rl::{Collector, Policy};

use crate::{At, Error, Iterated, Learner, Result};

use batch::Batch;
pub use config::{Adapts, MamlRlConfig, Outer};
use inner::Adapter;

/// MAML over a family of environments and any policy.
#[derive(Clone, Debug)]
pub struct MamlRl<F> {
    family: F,
    adapter: Adapter,
}

/// Mean returns of each task before and after each update.
#[derive(Clone, Debug, PartialEq)]
pub struct Updates {
    /// `[updates + 1][tasks]`
    pub returns: Vec<Vec<f64>>,
}

impl Updates {
    /// Over tasks, after `k` updates.
    ///
    /// # Errors
    /// If there were not as many updates.
    pub fn after(&self, k: usize) -> Result<Summary> {
        let returns =
            self.returns.get(k).ok_or_else(|| Error::setting("updates", k, "at most those that were made"))?;
        Ok(Summary::of(returns)?)
    }
}

impl<F: EnvFamily> MamlRl<F> {
    /// A learner for a family, whose spaces the policy must fit.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn new(family: F, policy: Policy, config: MamlRlConfig) -> Result<Self> {
        config.validate()?;
        if policy.has_values() {
            let expected = "a policy without values: a linear baseline is fitted to each task";
            return Err(Error::setting("policy", "one with a critic", expected));
        }
        if let Adapts::Below(prefix) = &config.adapts {
            let params = policy.init(&mut stream_rng(0, 0), DType::F32, &Device::Cpu)?;
            if !params.names().any(|name| name.starts_with(prefix)) {
                let names = params.names().collect::<Vec<_>>().join(", ");
                let value = format!("below {prefix:?} of {names}");
                return Err(Error::setting("adapts", value, "the beginning of a parameter's name"));
            }
        }
        Ok(Self { family, adapter: Adapter { policy, config, threads: 1 } })
    }

    /// Adapts and differentiates on up to `n` threads, 1 if nothing is said. Results are the same bits for any number.
    #[must_use]
    pub fn threads(self, n: usize) -> Self {
        Self { adapter: Adapter { threads: n.max(1), ..self.adapter }, ..self }
    }

    /// The settings.
    pub fn config(&self) -> &MamlRlConfig {
        &self.adapter.config
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.adapter.policy
    }

    /// Adapts to each of some tasks with `updates` steps, the first of size `rate` (without effect where rates are
    /// learned), the later ones of [`later_rates`](MamlRlConfig::later_rates) times that.
    ///
    /// # Errors
    /// Those of the family and the policy.
    pub fn test(&self, params: &Params, tasks: &[F::Task], updates: usize, rate: f64, seed: u64) -> Result<Updates> {
        let mut player = self.player(tasks, self.adapter.config.test_trajectories)?;
        let mut rng = At { seed, iteration: 0 }.rng();
        let (policies, mut returns) = self.walk(&mut player, &mut rng, params, (tasks.len(), updates, rate))?;
        returns.push(self.play(&mut player, &policies[updates], rng.next_u64())?.returns);
        Ok(Updates { returns })
    }

    /// The policies of M tasks before and after each update, and the returns of those that were adapted.
    fn walk(
        &self,
        player: &mut Collector<F::Env>,
        rng: &mut dyn RngCore,
        params: &Params,
        (m, updates, rate): (usize, usize, f64),
    ) -> Result<(Vec<Params>, Vec<Vec<f64>>)> {
        let mut policies = vec![self.adapter.start(&params.detach(), m)?.detach()];
        let mut returns = Vec::with_capacity(updates + 1);
        for k in 0..updates {
            let batch = self.play(player, &policies[k], rng.next_u64())?;
            let rate = if k == 0 { rate } else { self.adapter.config.later_rates * rate };
            policies.push(self.adapter.adapt(params, &policies[k], &batch, rate)?);
            returns.push(batch.returns);
        }
        Ok((policies, returns))
    }

    /// Batches of environments with these tasks.
    fn player(&self, tasks: &[F::Task], copies: usize) -> Result<Collector<F::Env>> {
        Ok(Collector::new(VecEnv::stack(&self.family, tasks, copies)?, 0)?)
    }

    /// One trajectory in every copy of every task.
    fn play(&self, player: &mut Collector<F::Env>, theta: &Params, seed: u64) -> Result<Batch> {
        player.reset(seed)?;
        let rollout = player.collect(&self.adapter.policy, theta, self.adapter.config.horizon)?;
        Batch::new(rollout.first_only()?, self.adapter.config.gamma, self.adapter.config.lambda)
    }
}

impl<F: EnvFamily> Learner for MamlRl<F> {
    fn fingerprint(&self) -> String {
        format!("MAML {:?}", self.adapter.config)
    }

    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        self.adapter.with_rates(self.adapter.policy.init(rng, dtype, device)?)
    }

    fn state(&self, params: &Params) -> Result<State> {
        match &self.adapter.config.outer {
            Outer::Trpo(_) => Ok(State::new()),
            Outer::Ppo { optimiser, .. } => Ok(optimiser.init(params)?),
        }
    }

    fn iterate(&self, at: At, params: &Params, state: &State) -> Result<Iterated> {
        let mut rng = at.rng();
        let tasks = self.family.sample_tasks(&mut rng, self.adapter.config.tasks)?;
        let mut player = self.player(&tasks, self.adapter.config.trajectories)?;
        let mut theta = self.adapter.start(&params.detach(), tasks.len())?.detach();
        let mut inner = Vec::with_capacity(self.adapter.config.n_steps);
        for _ in 0..self.adapter.config.n_steps {
            let batch = self.play(&mut player, &theta, rng.next_u64())?;
            theta = self.adapter.adapt(params, &theta, &batch, self.adapter.config.inner_lr)?;
            inner.push(batch);
        }
        let after = self.play(&mut player, &theta, rng.next_u64())?;
        let (params, state) = self.adapter.improve(params, state, &inner, &after)?;
        let score = after.returns.iter().sum::<f64>() / after.returns.len() as f64;
        let steps = inner.iter().chain([&after]).map(Batch::steps).sum::<Result<u64>>()?;
        Ok(Iterated { params, state, score, steps })
    }
}

#[cfg(test)]
mod tests;
