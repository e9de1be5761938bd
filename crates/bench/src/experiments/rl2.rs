//! RL² on bandits and on tabular MDPs.

use std::time::Instant;

use anyhow::Result;
use rekindle_envs::{BernoulliBandits, EnvFamily, TabularMdps};
use rekindle_meta_rl::{Critic, Rl2, Rl2Config, TrialUpdate};
use rekindle_optim::Schedule;
use rekindle_rl::instances::{Summary, for_each};
use rekindle_rl::{Ppo, PpoConfig};

use super::{meta_training, settings};
use crate::{Context, Experiment, Plot, Published};

pub(super) struct BanditsRl2;

pub(super) struct MdpRl2;

/// Steps of an iteration, over all trials.
const STEPS: usize = 25_000;

/// Tasks of the test.
const TEST: usize = 10_000;

const TEST_SEED: u64 = 1 << 40;

/// A column of one of the paper's tables.
struct Cell {
    name: String,
    episodes: usize,
    /// Steps of a trial.
    steps: usize,
    iterations: u64,
    /// About one over the reward of a trial.
    reward_scale: f64,
    published: f64,
}

/// What one training ends with.
struct Outcome {
    test: Summary,
    /// Iteration and mean reward of its trials.
    curve: Vec<(f64, f64)>,
    minutes: f64,
}

impl Cell {
    fn learner<F: EnvFamily + Clone>(&self, family: F) -> Result<Rl2<F>>
    where
        F::Env: Send,
        F::Task: Clone + Send,
    {
        let (epochs, minibatches) = (2, 16);
        let updates = self.iterations * (epochs * minibatches) as u64;
        let ppo = PpoConfig {
            gamma: 1.0,
            lambda: 0.95,
            epochs,
            minibatches,
            lr: Schedule::Linear { start: 2e-3, end: 4e-5, steps: updates },
            entropy_coefficient: 0.001,
            ..PpoConfig::default()
        };
        let config = Rl2Config {
            episodes: self.episodes,
            steps: self.steps,
            trials: STEPS / self.steps,
            units: 256,
            memory_span: Some(self.steps),
            critic: Critic::Shared,
            update: TrialUpdate::Ppo(Ppo::new(ppo)?),
            reward_scale: self.reward_scale,
        };
        Ok(Rl2::new(family, config)?)
    }

    fn train<F: EnvFamily + Clone + Send>(&self, ctx: &Context, family: &F, seed: u64) -> Result<Outcome>
    where
        F::Env: Clone + Send,
        F::Task: Clone + Send,
    {
        let begin = Instant::now();
        let learner = self.learner(family.clone())?;
        let (trained, curve) = meta_training::run(ctx, &self.name, &learner, (self.iterations, seed))?;
        let test = learner.test(&trained.last, TEST, TEST_SEED)?.summary()?;
        Ok(Outcome { test, curve, minutes: begin.elapsed().as_secs_f64() / 60.0 })
    }
}

/// Trains and tests all cells, as many at once as there are threads, and reports them in their order.
fn run<F: EnvFamily + Clone + Send + Sync>(ctx: &mut Context, cells: &[(Cell, F)]) -> Result<()>
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

impl Experiment for BanditsRl2 {
    fn id(&self) -> &'static str {
        "bandits/rl2"
    }

    fn title(&self) -> &'static str {
        "RL² on bandits"
    }

    fn about(&self) -> &'static str {
        "Bandits of *k* arms with probabilities from U[0, 1], pulled *n* times, see *Classical bandit agents*. The quick run \
         trains briefly on one cell; by name, four cells are trained; `--full` has all nine.\n\n\
         - A GRU of 256 units whose memories span up to a trial at first (Tallec & Ollivier 2018), with values as one more output, on one-hot vectors of observation and last action, the last \
         reward and the end of the last episode; its memory is kept for a whole trial.\n\
         - PPO in the place of the paper's TRPO: γ = 1, λ = 0.95, 25,000 steps an iteration (the paper: 250,000), two passes \
         in sixteen batches of whole trials, the rate of Adam falling from `0.002` to `0.00004`, entropy bonus 0.001.\n\
         - The figure is the mean reward of a trial in 10,000 new tasks, actions drawn from the policy.\n\n\
         Source: Duan et al. 2016, section 3.1 and Table 1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let published = [
            (10, [(5, 6.7), (10, 6.7), (50, 6.8)]),
            (100, [(5, 78.7), (10, 83.5), (50, 84.9)]),
            (500, [(5, 401.6), (10, 432.5), (50, 438.9)]),
        ];
        let mut cells = Vec::new();
        for (pulls, row) in published {
            for (arms, published) in row {
                let chosen = [pulls == 10 && arms == 5, pulls <= 100 && arms <= 10, true];
                if ctx.mode().of(chosen) {
                    let cell = Cell {
                        name: format!("n{pulls}k{arms}"),
                        episodes: pulls,
                        steps: pulls,
                        iterations: ctx.mode().of([30, 800, 1500]),
                        reward_scale: if pulls == 10 { 1.0 } else { 0.1 },
                        published,
                    };
                    cells.push((cell, BernoulliBandits::uniform(arms)));
                }
            }
        }
        run(ctx, &cells)
    }
}

impl Experiment for MdpRl2 {
    fn id(&self) -> &'static str {
        "mdp/rl2"
    }

    fn title(&self) -> &'static str {
        "RL² on tabular MDPs"
    }

    fn about(&self) -> &'static str {
        "MDPs of ten states and five actions, *n* episodes of ten steps, see *Classical agents for tabular MDPs*; learner and \
         training as in *RL² on bandits*. The quick run trains briefly on n = 10; by name, n = 10 and 25 are trained; `--full` \
         has all columns.\n\n\
         Source: Duan et al. 2016, section 3.2 and Table 2."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let columns = [(10, 156.2), (25, 445.7), (50, 936.1), (75, 1428.8), (100, 1913.7)];
        let cell = |&(episodes, published): &(usize, f64)| {
            let cell = Cell {
                name: format!("n{episodes}"),
                episodes,
                steps: 10 * episodes,
                iterations: ctx.mode().of([20, 1000, 2000]),
                reward_scale: 0.1,
                published,
            };
            (cell, TabularMdps::default())
        };
        let cells: Vec<_> = columns[..ctx.mode().of([1, 2, columns.len()])].iter().map(cell).collect();
        run(ctx, &cells)
    }
}
