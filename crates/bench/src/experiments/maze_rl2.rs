//! RL² in mazes: find the goal, then find it again.

use std::cmp::Reverse;
use std::sync::Arc;

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_envs::{Env, EnvFamily, FirstPersonMazes, Layout, Maze, Space, SymbolicMazes, TaskPool, stream_rng};
use rekindle_meta_rl::{Learner, Rl2, Rl2Config, TrialUpdate};
use rekindle_optim::Schedule;
use rekindle_rl::instances::Summary;
use rekindle_rl::{ActionHead, Deviation, FeedForward, Policy, Ppo, PpoConfig, Recurrent};

use super::episodes::{Episode, Play};
use super::maze_picture::{InMaze, Walk};
use super::maze_shortest::shortest;
use super::{meta_training, settings};
use crate::{Context, Estimate, Experiment, ImageGrid, Mode, Plot, Published, Series, Table};

pub(super) struct MazeRl2;

/// Mazes that are trained on, and mazes of the test: the paper's numbers.
const TRAIN: usize = 1000;
const TEST: usize = 1000;

/// Of the mazes, the same for every seed of the training.
const MAZE_SEED: u64 = 1;

/// Episodes of a trial.
const EPISODES: usize = 2;

/// Trials that are tested side by side.
const CHUNK: usize = 250;

/// Mazes of the pictures: those of the first few whose goals are farthest.
const DRAWN: usize = 6;
const LOOKED_AT: usize = 60;

/// Success rate in % and mean length of the successful episodes, in the paper's small mazes.
const PAPER: [[f64; 2]; EPISODES] = [[99.3, 52.4], [99.6, 39.1]];
const PAPER_IMPROVED: f64 = 91.7;

impl Experiment for MazeRl2 {
    fn id(&self) -> &'static str {
        "maze/rl2"
    }

    fn title(&self) -> &'static str {
        "RL² in mazes"
    }

    fn about(&self) -> &'static str {
        "Mazes of 3 × 3 cells (5 × 5 squares with what lies between), 1,000 to train on and 1,000 others for the test. A trial is \
         two episodes in one maze: whoever remembers where the goal was in the first is there sooner in the second. Reward: 1 at \
         the goal, −0.04 a step, −0.001 at a wall.\n\n\
         - `--full` is the paper's agent: pictures of 40 × 30 pixels from inside, Doom's laws of motion, at most 250 steps; two \
         convolutions of 16 kernels 5 × 5 with stride 2, 256 features, a GRU of 256 units.\n\
         - The quick run has the same mazes as symbols: a square or a quarter turn a step, at most 50 steps; in sight are the free \
         squares ahead, left and right, and whether the goal is among them; a GRU of 64 units. Its lengths are no steps of the paper's.\n\
         - Both: PPO in the place of the paper's TRPO, values as one more output of the GRU; γ = 0.99 and λ = 0.95 for pictures, \
         0.98 and 0.9 for symbols; the rate of Adam falls linearly. Actions are drawn from the policy in the test, too.\n\n\
         `success` is the share of episodes that find the goal, `length` the mean length of those, `improved` the share of trials \
         whose second episode is not longer than the first.\n\n\
         Source: Duan et al. 2016, section 3.3 and Table 3; there training took up to 5,000 iterations of 50,000 steps."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let full = ctx.mode() == Mode::Full;
        for seed in ctx.seeds() {
            if full {
                run(ctx, &FirstPersonMazes::small(), &Size::first_person(), seed)?;
            } else {
                run(ctx, &SymbolicMazes::small(), &Size::symbolic(), seed)?;
            }
        }
        if full {
            for (i, [success, length]) in PAPER.into_iter().enumerate() {
                ctx.published(&format!("success-{}", i + 1), Published::new(success, "Duan et al. 2016, Table 3"));
                ctx.published(&format!("length-{}", i + 1), Published::new(length, "Duan et al. 2016, Table 3"));
            }
            ctx.published("improved", Published::new(PAPER_IMPROVED, "Duan et al. 2016, Table 3"));
        }
        Ok(())
    }
}

/// How much is trained, of which net, and how.
struct Size {
    /// Steps of the longest trial.
    longest: usize,
    /// Steps of a rollout; trials that it cuts are bootstrapped.
    steps: usize,
    trials: usize,
    iterations: u64,
    units: usize,
    ppo: PpoConfig,
}

impl Size {
    /// 15,360 steps an iteration, most trials in them whole.
    fn symbolic() -> Self {
        let ppo = PpoConfig { gamma: 0.98, lambda: 0.9, entropy_coefficient: 0.003, ..ppo(110, 8, 4e-3) };
        Self { longest: 100, steps: 60, trials: 256, iterations: 110, units: 64, ppo }
    }

    /// 24,000 steps an iteration.
    fn first_person() -> Self {
        let ppo = PpoConfig { entropy_coefficient: 0.01, ..ppo(1000, 16, 1e-3) };
        Self { longest: 500, steps: 500, trials: 48, iterations: 1000, units: 256, ppo }
    }

    fn config(&self) -> Result<Rl2Config> {
        let update = TrialUpdate::Ppo(Ppo::new(self.ppo.clone())?);
        Ok(Rl2Config { episodes: EPISODES, steps: self.steps, trials: self.trials, update, ..Rl2Config::default() })
    }

    /// A GRU with values as its last output; before it an eye, where there is something to see.
    fn policy(&self, env: &impl Env) -> Result<Policy> {
        let (observation, action) = (env.observation_space(), env.action_space());
        let head = ActionHead::new(&action, Deviation::default())?;
        let (inputs, outputs) = (Layout::new(&observation, &action).size(), head.n_outputs() + 1);
        let net = match &observation {
            Space::Box { shape, .. } if shape.len() == 3 => {
                let rest = inputs - observation.size();
                let eye = FeedForward::picture([shape[0], shape[1], shape[2]], rest, 256)?;
                Recurrent::with_encoder(eye, self.units, outputs)?
            }
            _ => Recurrent::new(inputs, self.units, outputs)?,
        };
        Ok(Policy::with_shared_value(net, head)?)
    }
}

/// Four passes; the rate of Adam falls to a tenth.
fn ppo(iterations: u64, minibatches: usize, rate: f64) -> PpoConfig {
    let steps = iterations * (4 * minibatches) as u64;
    let lr = Schedule::Linear { start: rate, end: 0.1 * rate, steps };
    PpoConfig { epochs: 4, minibatches, lr, ..PpoConfig::default() }
}

fn run<F>(ctx: &mut Context, mazes: &F, size: &Size, seed: u64) -> Result<()>
where
    F: EnvFamily<Task = Arc<Maze>, Env: Clone + Send + InMaze> + Clone + Send,
{
    let [train, test] = TaskPool::split(mazes.clone(), TRAIN, TEST, &mut stream_rng(MAZE_SEED, 0))?;
    let policy = size.policy(&mazes.make(&test.tasks()[0])?)?;
    let learner = Rl2::with_policy(train, policy, size.config()?)?;
    let (trained, curve) = meta_training::run(ctx, ctx.mode().name(), &learner, (size.iterations, seed))?;

    let play = Play { episodes: EPISODES, greedy: false, seed };
    let test_with = |params: &Params| -> Result<Outcome> {
        let mut trials = Vec::with_capacity(TEST);
        for mazes_of_test in test.tasks().chunks(CHUNK) {
            trials.extend(play.trials(mazes, mazes_of_test, (learner.policy(), params), size.longest)?);
        }
        Outcome::of(&trials)
    };
    let fresh = learner.init(&mut ChaCha8Rng::seed_from_u64(seed), DType::F32, ctx.device())?;
    let (outcome, random) = (test_with(&trained.last)?, test_with(&fresh)?);
    outcome.record(ctx, seed)?;
    if seed == 0 {
        ctx.table(outcome.table(&random))?;
        if ctx.mode() == Mode::Quick {
            let steps: Vec<f64> = test.tasks().iter().filter_map(|maze| shortest(maze)).map(|n| n as f64).collect();
            ctx.note(format!("An agent that knows the plan takes {:.1} steps on average.", Summary::of(&steps)?.mean));
        }
        let mut far = test.tasks()[..LOOKED_AT].to_vec();
        far.sort_by_key(|maze| Reverse(shortest(maze)));
        let player = (learner.policy(), &trained.last);
        let walks = far[..DRAWN].iter().map(|maze| Walk::play(&play, mazes, maze, player));
        let pictures = walks.map(|walk| walk?.picture()).collect::<Result<_>>()?;
        let legend = "Orange: the first episode. Blue: the second. Green: the goal; the disc: the start. Of 60 mazes those with the farthest goals.";
        ctx.images(ImageGrid::new("Mazes of the test from above").row("", pictures).caption(legend));
        let plot = Plot::new("Training", "iteration", "reward of a trial");
        ctx.plot(plot.series(Series::binned("RL²", &curve, 60)))?;
    }
    Ok(())
}

/// What a test ends with.
struct Outcome {
    /// Success in % and length of the successful, with their intervals, of each episode.
    episodes: Vec<[Estimate; 2]>,
    /// Trials, in %, whose second episode is not longer than the first.
    improved: Estimate,
}

impl Outcome {
    fn of(trials: &[Vec<Episode>]) -> Result<Self> {
        let found = |episode: &Episode| episode.last > 0.0;
        let of_episode = |i: usize| -> Result<[Estimate; 2]> {
            let success: Vec<f64> = trials.iter().map(|trial| percent(found(&trial[i]))).collect();
            let lengths = trials.iter().map(|trial| &trial[i]).filter(|episode| found(episode));
            let lengths: Vec<f64> = lengths.map(|episode| episode.length as f64).collect();
            // Without a success there is no length to speak of.
            let length = if lengths.is_empty() { Estimate::from(0.0) } else { estimate(&lengths)? };
            Ok([estimate(&success)?, length])
        };
        let improved: Vec<f64> = trials.iter().map(|trial| percent(trial[1].length <= trial[0].length)).collect();
        Ok(Self { episodes: (0..EPISODES).map(of_episode).collect::<Result<_>>()?, improved: estimate(&improved)? })
    }

    fn record(&self, ctx: &mut Context, seed: u64) -> Result<()> {
        for (i, [success, length]) in self.episodes.iter().enumerate() {
            ctx.seed_metric(seed, &format!("success-{}", i + 1), *success, "%")?;
            ctx.seed_metric(seed, &format!("length-{}", i + 1), *length, "steps")?;
        }
        ctx.seed_metric(seed, "improved", self.improved, "%")
    }

    fn table(&self, random: &Self) -> Table {
        let columns = ["episode", "success %, paper", "ours", "random", "length, paper", "ours", "random"];
        let mut table = Table::new("Both episodes", columns);
        for (i, (ours, random)) in self.episodes.iter().zip(&random.episodes).enumerate() {
            let cells = |j: usize| [format!("{:.1}", PAPER[i][j]), cell(&ours[j]), cell(&random[j])];
            table.row([[(i + 1).to_string()].as_slice(), &cells(0), &cells(1)].concat());
        }
        table.caption = format!(
            "Trials whose second episode is not longer than the first: paper {PAPER_IMPROVED} %, ours {} %, random {} %. The \
             paper's agent sees pictures; random is ours before any training.",
            cell(&self.improved),
            cell(&random.improved)
        );
        table
    }
}

fn percent(yes: bool) -> f64 {
    if yes { 100.0 } else { 0.0 }
}

fn estimate(values: &[f64]) -> Result<Estimate> {
    Ok(settings::estimate(&Summary::of(values)?))
}

fn cell(estimate: &Estimate) -> String {
    format!("{:.1}", estimate.value)
}
