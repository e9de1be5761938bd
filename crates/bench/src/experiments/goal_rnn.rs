//! A goal that is told, or must be found: what a memory is worth.

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_envs::{Augment, ClipActions, Env, EnvFamily, PointFamily, PointFlavour, TaskPool, stream_rng};
use rekindle_meta_rl::{Learner, Rl2, Rl2Config, TrialUpdate};
use rekindle_nn::Activation;
use rekindle_optim::Schedule;
use rekindle_rl::instances::Summary;
use rekindle_rl::{ActionHead, Deviation, FeedForward, Policy, Ppo, PpoConfig, Recurrent};

use super::canvas::{BLUE, Colour, GREEN, ORANGE, PURPLE};
use super::episodes::Play;
use super::navigation::{picture, walks};
use super::units::{InUnits, UNIT};
use super::{meta_training, settings};
use crate::{Context, Experiment, Image, ImageGrid, Plot, Series};

pub(super) struct GoalRnn;

/// Goals that are trained on, and goals of the test.
const TRAIN: usize = 500;
const TEST: usize = 1000;

/// Of the goals, the same for every seed of the training.
const GOAL_SEED: u64 = 1;

/// Units of the GRU, and of both hidden layers of the nets without one.
const UNITS: usize = 64;

/// Goals of the pictures.
const DRAWN: usize = 8;

const STEPS: usize = PointFlavour::Lecture.horizon();

impl Experiment for GoalRnn {
    fn id(&self) -> &'static str {
        "goal/rnn"
    }

    fn title(&self) -> &'static str {
        "Hidden goals, with and without a memory"
    }

    fn about(&self) -> &'static str {
        "A point walks from the origin to a goal in [−10, 10]², 20 steps of at most 1 on each axis; each step costs the distance \
         that is left. Three agents learn by PPO (γ = 0.9, λ = 0.9 with memory and 1 without) from 500 goals and are tested on 1,000 \
         others, one walk to each with the most probable action. The figure is the mean return of a walk. The quick run trains \
         briefly, so that the agent with memory has not learned all that it can.\n\n\
         - `context`: sees the goal. Two layers of 64 with tanh.\n\
         - `hidden-memory`: must find out where the goal is from what its steps cost. A GRU of 64 units.\n\
         - `hidden-no-memory`: the same without memory, two layers of 64. It knows its place, its last action and its last \
         reward, as the other two do.\n\
         - `random`: before any training, normal steps of deviation 1.\n\n\
         `memory-share` and `no-memory-share` are the shares of the context agent's improvement over the random one that the \
         other two reach.\n\n\
         Source: a lecture's toy problem without published figures; the range of goals, the steps and the horizon are ours."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        Ok(())
    }
}

/// Who walks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agent {
    Context,
    Memory,
    NoMemory,
    Random,
}

impl Agent {
    const ALL: [Self; 4] = [Self::Context, Self::Memory, Self::NoMemory, Self::Random];

    fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Memory => "hidden-memory",
            Self::NoMemory => "hidden-no-memory",
            Self::Random => "random",
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Context => BLUE,
            Self::Memory => ORANGE,
            Self::NoMemory => GREEN,
            Self::Random => PURPLE,
        }
    }

    /// Goals for the training and goals for the test, as this agent is told them.
    fn goals(self) -> Result<[TaskPool<PointFamily>; 2]> {
        let point = PointFamily::new(PointFlavour::Lecture);
        let point = if self == Self::Context { point.with_goal_visible() } else { point };
        Ok(TaskPool::split(point, TRAIN, TEST, &mut stream_rng(GOAL_SEED, 0))?)
    }

    /// An actor and a critic of the same shape, on an environment's observations.
    fn policy(self, env: &impl Env) -> Result<Policy> {
        let head = ActionHead::new(&env.action_space(), Deviation::default())?;
        let (inputs, outputs) = (env.observation_space().n_features(), head.n_outputs());
        if self == Self::Memory {
            let net = |outputs| Recurrent::new(inputs, UNITS, outputs);
            return Ok(Policy::new(net(outputs)?, head)?.with_critic(net(1)?)?);
        }
        let sizes = |outputs| [inputs, UNITS, UNITS, outputs];
        let critic = FeedForward::value_mlp(&sizes(1), Activation::Tanh)?;
        Ok(Policy::new(FeedForward::mlp(&sizes(outputs), Activation::Tanh)?, head)?.with_critic(critic)?)
    }

    /// Iterations in a quick run and in the others. What memory is for takes longest to be found out.
    const fn iterations(self) -> [u64; 2] {
        match self {
            Self::Context | Self::NoMemory => [60, 300],
            Self::Memory => [200, 1200],
            Self::Random => [0, 0],
        }
    }

    /// Adam's rate at the beginning, and λ. A critic without memory does not know how late it is and takes far places for
    /// late ones, which cost little any more; so nothing is bootstrapped from it.
    const fn rate_and_lambda(self) -> (f64, f64) {
        match self {
            Self::Memory => (4e-3, 0.9),
            Self::Context => (4e-3, 1.0),
            Self::NoMemory | Self::Random => (1e-3, 1.0),
        }
    }

    fn config(self, iterations: u64) -> Result<Rl2Config> {
        let (epochs, minibatches) = (4, 4);
        let updates = iterations * (epochs * minibatches) as u64;
        let (rate, lambda) = self.rate_and_lambda();
        let lr = Schedule::Linear { start: rate, end: 1e-5, steps: updates };
        let ppo = PpoConfig { gamma: 0.9, lambda, epochs, minibatches, lr, ..PpoConfig::default() };
        let update = TrialUpdate::Ppo(Ppo::new(ppo)?);
        Ok(Rl2Config { episodes: 1, steps: STEPS, trials: 512, update, ..Rl2Config::default() })
    }
}

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let mut curves = Plot::new("Training", "iteration", "return, goals of the training");
    let mut pictures = ImageGrid::new("Walks to goals of the test");
    let mut means = [0.0; Agent::ALL.len()];
    for (agent, mean) in Agent::ALL.into_iter().zip(&mut means) {
        let tested = Tested::of(ctx, agent, seed)?;
        *mean = tested.returns.mean;
        ctx.seed_metric(seed, agent.name(), settings::estimate(&tested.returns), "return")?;
        if agent != Agent::Random {
            curves = curves.series(Series::binned(agent.name(), &tested.curve, 60));
        }
        pictures = pictures.row(agent.name(), tested.pictures);
    }
    let [context, memory, no_memory, random] = means;
    for (name, mean) in [("memory-share", memory), ("no-memory-share", no_memory)] {
        ctx.seed_metric(seed, name, (mean - random) / (context - random), "1")?;
    }
    if seed == 0 {
        ctx.images(pictures.caption("All begin in the middle; the grey disc is the goal."));
        ctx.plot(curves.caption("Actions are drawn in training, with a deviation that is learned too."))?;
    }
    Ok(())
}

/// What became of an agent.
struct Tested {
    returns: Summary,
    curve: Vec<(f64, f64)>,
    pictures: Vec<Image>,
}

impl Tested {
    fn of(ctx: &Context, agent: Agent, seed: u64) -> Result<Self> {
        let in_units = |env| ClipActions::scaled(InUnits(env), 1.0);
        let [train, test] = agent.goals()?;
        let goals = test.tasks().to_vec();
        let (train, test) = (train.wrap(in_units), test.wrap(in_units));
        let policy = agent.policy(&Augment::new(test.make(&goals[0])?))?;
        let [quick, full] = agent.iterations();
        let iterations = ctx.mode().of([quick, full, full]);
        let learner = Rl2::with_policy(train, policy, agent.config(iterations)?)?;
        let (params, curve) = learned(ctx, agent, &learner, (iterations, seed))?;

        let (play, player) = (Play { episodes: 1, greedy: agent != Agent::Random, seed }, (learner.policy(), &params));
        let trials = play.trials(&test, &goals, player, STEPS)?;
        let returns: Vec<f64> = trials.iter().map(|trial| f64::from(UNIT) * trial[0].total).collect();
        let walks = walks(play.player(&test, &goals[..DRAWN])?, player, STEPS)?;
        let goals = goals.iter().map(|goal| goal.map(|x| f64::from(x / UNIT)));
        let pictures = goals.zip(walks).map(|(goal, walk)| picture(1.1, goal, &walk, agent.colour()));
        Ok(Self { returns: Summary::of(&returns)?, curve, pictures: pictures.collect::<Result<_>>()? })
    }
}

/// Parameters of an agent, and how its returns grew.
fn learned(
    ctx: &Context,
    agent: Agent,
    learner: &dyn Learner,
    (iterations, seed): (u64, u64),
) -> Result<(Params, Vec<(f64, f64)>)> {
    if agent == Agent::Random {
        return Ok((learner.init(&mut ChaCha8Rng::seed_from_u64(seed), DType::F32, ctx.device())?, Vec::new()));
    }
    let (trained, curve) = meta_training::run(ctx, agent.name(), learner, (iterations, seed))?;
    let in_steps = |(iteration, score)| (iteration, f64::from(UNIT) * score);
    Ok((trained.last, curve.into_iter().map(in_steps).collect()))
}
