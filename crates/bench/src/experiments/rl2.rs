//! RL² on bandits and on tabular MDPs.

use anyhow::Result;
use rekindle_envs::{BernoulliBandits, EnvFamily, TabularMdps};
use rekindle_meta_rl::{Critic, Rl2, Rl2Config, TrialUpdate};
use rekindle_optim::Schedule;
use rekindle_rl::{Ppo, PpoConfig};

use super::meta_training;
use crate::{Context, Estimate, Experiment, Plot, Published};

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
    /// Trials of an iteration.
    trials: usize,
    iterations: u64,
    published: f64,
}

impl Cell {
    fn learner<F: EnvFamily + Clone>(&self, family: F) -> Result<Rl2<F>>
    where
        F::Env: Send,
        F::Task: Clone + Send,
    {
        let (epochs, minibatches) = (4, 8);
        let updates = self.iterations * (epochs * minibatches) as u64;
        let ppo = PpoConfig {
            gamma: 1.0,
            lambda: 0.95,
            epochs,
            minibatches,
            lr: Schedule::Linear { start: 1e-3, end: 1e-4, steps: updates },
            entropy_coefficient: 0.003,
            ..PpoConfig::default()
        };
        let config = Rl2Config {
            episodes: self.episodes,
            steps: self.steps,
            trials: self.trials,
            units: 256,
            critic: Critic::Shared,
            update: TrialUpdate::Ppo(Ppo::new(ppo)?),
        };
        Ok(Rl2::new(family, config)?)
    }

    fn run<F: EnvFamily + Clone + Send>(&self, ctx: &mut Context, family: &F) -> Result<()>
    where
        F::Env: Clone + Send,
        F::Task: Clone + Send,
    {
        for seed in ctx.seeds() {
            let learner = self.learner(family.clone())?;
            let (trained, curve) = meta_training::run(ctx, &self.name, &learner, (self.iterations, seed))?;
            let test = learner.test(&trained.last, TEST, TEST_SEED)?.summary()?;
            let estimate = Estimate::new(test.mean, 1.96 * test.standard_error);
            ctx.seed_metric(seed, &self.name, estimate, "reward")?;
            if seed == 0 {
                let plot = Plot::new(format!("Training, {}", self.name), "iteration", "reward of a trial");
                ctx.plot(plot.line("RL²", curve))?;
                ctx.published(&self.name, Published::new(self.published, "Duan et al. 2016"));
            }
        }
        Ok(())
    }
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
         trains briefly on one cell; `--full` on all nine.\n\n\
         - A GRU of 256 units, with values as one more output, on one-hot vectors of observation and last action, the last \
         reward and the end of the last episode; its memory is kept for a whole trial.\n\
         - PPO in the place of the paper's TRPO: γ = 1, λ = 0.95, four passes in eight batches of whole trials, the rate of Adam \
         falling from `0.001` to `0.0001`, entropy bonus 0.003.\n\
         - The figure is the mean reward of a trial in 10,000 new tasks, actions drawn from the policy.\n\n\
         Source: Duan et al. 2016, section 3.1 and Table 1."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let published = [
            (10, [(5, 6.7), (10, 6.7), (50, 6.8)]),
            (100, [(5, 78.7), (10, 83.5), (50, 84.9)]),
            (500, [(5, 401.6), (10, 432.5), (50, 438.9)]),
        ];
        for (pulls, arms) in published {
            for (arms, published) in arms {
                // Quick: the smallest; standard: those whose trials are short and whose arms are few.
                let small = [pulls == 10 && arms == 5, pulls <= 100 && arms <= 10, true];
                if !ctx.mode().of(small) {
                    continue;
                }
                let cell = Cell {
                    name: format!("n{pulls}k{arms}"),
                    episodes: pulls,
                    steps: pulls,
                    trials: STEPS / pulls,
                    iterations: ctx.mode().of([30, 600, 1500]),
                    published,
                };
                cell.run(ctx, &BernoulliBandits::uniform(arms))?;
            }
        }
        Ok(())
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
         training as in *RL² on bandits*. The quick run trains briefly on n = 10.\n\n\
         Source: Duan et al. 2016, section 3.2 and Table 2."
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let columns = [(10, 156.2), (25, 445.7), (50, 936.1), (75, 1428.8), (100, 1913.7)];
        for &(episodes, published) in &columns[..ctx.mode().of([1, 2, columns.len()])] {
            let cell = Cell {
                name: format!("n{episodes}"),
                episodes,
                steps: 10 * episodes,
                trials: STEPS / (10 * episodes),
                iterations: ctx.mode().of([20, 600, 1500]),
                published,
            };
            cell.run(ctx, &TabularMdps::default())?;
        }
        Ok(())
    }
}
