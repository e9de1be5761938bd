//! Columns of RL²'s tables: how one is trained and tested.

use std::time::Instant;

use anyhow::Result;
use rekindle_envs::{Augment, Env as _, EnvFamily, stream_rng};
use rekindle_meta_rl::{Critic, Rl2, Rl2Config, TrialUpdate};
use rekindle_optim::Schedule;
use rekindle_rl::instances::{Summary, for_each};
use rekindle_rl::{ActionHead, Attentive, AttentiveConfig, Deviation, Policy, Ppo, PpoConfig};

use super::{meta_training, settings};
use crate::{Context, Plot, Published};

const TEST_SEED: u64 = 1 << 40;

/// A column of one of the paper's tables.
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) episodes: usize,
    /// Steps of a trial.
    pub(super) steps: usize,
    pub(super) iterations: u64,
    pub(super) memory: Memory,
    pub(super) published: f64,
}

/// What a policy remembers a trial with, and the settings that it learns fastest with.
#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// A GRU of 256 units that maximises the undiscounted reward, and another one for the values. `scale` is about one
    /// over the reward of a trial.
    Gru { scale: f64 },
    /// Attention over the trial; every action is weighed by the reward that follows at once.
    Attention,
}

/// What one training ends with.
struct Outcome {
    test: Summary,
    /// Iteration and mean reward of its trials.
    curve: Vec<(f64, f64)>,
    minutes: f64,
}

impl Cell {
    fn ppo(&self) -> PpoConfig {
        let (gamma, lambda, epochs, minibatches) = match self.memory {
            Memory::Gru { .. } => (1.0, 0.5, 2, 32),
            Memory::Attention => (0.0, 0.0, 3, 8),
        };
        let updates = self.iterations * (epochs * minibatches) as u64;
        let lr = Schedule::Linear { start: 2e-3, end: 4e-5, steps: updates };
        PpoConfig { gamma, lambda, epochs, minibatches, lr, entropy_coefficient: 0.001, ..PpoConfig::default() }
    }

    fn learner<F: EnvFamily + Clone>(&self, family: F) -> Result<Rl2<F>>
    where
        F::Env: Send,
        F::Task: Clone + Send,
    {
        let (steps_an_iteration, reward_scale) = match self.memory {
            Memory::Gru { scale } => (25_000, scale),
            Memory::Attention => (10_000, 1.0),
        };
        let config = Rl2Config {
            episodes: self.episodes,
            steps: self.steps,
            trials: steps_an_iteration / self.steps,
            units: 256,
            memory_span: Some(self.steps),
            critic: Critic::Separate,
            update: TrialUpdate::Ppo(Ppo::new(self.ppo())?),
            reward_scale,
        };
        let Memory::Attention = self.memory else { return Ok(Rl2::new(family, config)?) };
        let env = Augment::new(family.make(&family.sample(&mut stream_rng(0, 0))?)?);
        let head = ActionHead::new(&env.action_space(), Deviation::default())?;
        let shape = AttentiveConfig::new(env.observation_space().n_features(), head.n_outputs() + 1, self.steps);
        Ok(Rl2::with_policy(family, Policy::with_shared_value(Attentive::new(shape)?, head)?, config)?)
    }

    fn train<F: EnvFamily + Clone + Send>(&self, ctx: &Context, family: &F, seed: u64) -> Result<Outcome>
    where
        F::Env: Clone + Send,
        F::Task: Clone + Send,
    {
        let begin = Instant::now();
        let learner = self.learner(family.clone())?;
        let (trained, curve) = meta_training::run(ctx, &self.name, &learner, (self.iterations, seed))?;
        let n_tasks = ctx.mode().of([1_000, 10_000, 10_000]);
        let test = learner.test(&trained.last, n_tasks, TEST_SEED)?.summary()?;
        Ok(Outcome { test, curve, minutes: begin.elapsed().as_secs_f64() / 60.0 })
    }
}

/// Trains and tests all cells, as many at once as there are threads, and reports them in their order.
pub(super) fn run<F: EnvFamily + Clone + Send + Sync>(ctx: &mut Context, cells: &[(Cell, F)]) -> Result<()>
where
    F::Env: Clone + Send,
    F::Task: Clone + Send,
{
    let jobs: Vec<_> = cells.iter().flat_map(|cell| ctx.seeds().map(move |seed| (cell, seed))).collect();
    let shared = &*ctx;
    let train = |i: usize| {
        let ((cell, family), seed) = jobs[i];
        cell.train(shared, family, seed)
    };
    let outcomes = for_each(jobs.len(), ctx.threads(), train)?;
    for (((cell, _), seed), outcome) in jobs.into_iter().zip(outcomes) {
        let Outcome { test, curve, minutes } = outcome;
        ctx.seed_metric(seed, &cell.name, settings::estimate(&test), "reward")?;
        ctx.seed_metric(seed, &format!("{}/minutes", cell.name), minutes, "min")?;
        if seed == 0 {
            let plot = Plot::new(format!("Training, {}", cell.name), "iteration", "reward of a trial");
            ctx.plot(plot.line("RL²", curve))?;
            ctx.published(&cell.name, Published::new(cell.published, "Duan et al. 2016"));
        }
    }
    Ok(())
}
