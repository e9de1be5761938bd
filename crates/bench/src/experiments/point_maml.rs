//! MAML with TRPO on 2-D navigation, with its baselines.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_envs::{ClipActions, Env, EnvFamily, PointFamily, Space, VecEnv};
use rekindle_meta_rl::{Learner, MamlRl, MamlRlConfig, Updates};
use rekindle_nn::Activation;
use rekindle_rl::{ActionHead, Collector, Deviation, FeedForward, Policy};

use super::canvas::BLUE;
use super::navigation::{picture, walks};
use super::{meta_training, settings};
use crate::{Context, Experiment, ImageGrid, Plot, Published, Series};

pub(super) struct PointMaml;

/// Tasks of the test, and their seed: both the paper's.
const TASKS: usize = 40;
const TASK_SEED: u64 = 1;

/// Updates in the test.
const UPDATES: usize = 3;

/// Tasks of the pictures.
const DRAWN: usize = 8;

/// Step sizes that the baselines' are chosen from, on other tasks.
const RATES: [f64; 4] = [0.05, 0.1, 0.2, 0.5];

/// Return of a policy that is told the goal, and that of a random one: the paper's.
const ORACLE: f64 = -2.29;

impl Experiment for PointMaml {
    fn id(&self) -> &'static str {
        "point/maml"
    }

    fn title(&self) -> &'static str {
        "MAML with TRPO on 2-D navigation"
    }

    fn about(&self) -> &'static str {
        "A point in the plane walks to a goal that it cannot see; each step costs the distance. Goals in [−½, ½]², steps of at \
         most 0.1 on each axis, 100 steps. Mean return of 40 new tasks before and after 1, 2 and 3 policy gradients, the first \
         of step size 0.1, the later ones of half of that; 40 trajectories for each.\n\n\
         - Policy: a Gaussian, two layers of 100 with ReLU, one deviation for each axis. Linear baseline for each task and \
         update; γ = 0.99, λ = 1.\n\
         - *MAML*: 20 tasks with 20 trajectories, one inner step; TRPO outside with a divergence of 0.01, exact products with its \
         Hessian where the paper takes finite differences. The iterate with the best return in training is tested.\n\
         - *Pretrained*: the same without inner steps. *Random*: fresh weights. Their step sizes are chosen on other tasks.\n\
         - *Oracle*: sees the goal and does not adapt.\n\n\
         The quick run makes do with 15 iterations of 10 tasks with 10 trajectories; by name there are 100 iterations, with \
         `--full` 500, as many as the paper allows.\n\n\
         Source: Finn, Abbeel & Levine 2017, section 5.3 and appendix."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        for (updates, [maml, pretrained, random]) in
            [[-40.41, -42.42, -82.66], [-11.68, -13.90, -57.96], [-3.33, -5.17, -53.84], [-3.23, -3.18, -46.81]]
                .into_iter()
                .enumerate()
        {
            let table = "Finn et al. 2017, appendix";
            ctx.published(&format!("return-{updates}"), Published::new(maml, table));
            ctx.published(&format!("random-{updates}"), Published::new(random, table));
            let context = "Finn et al. 2017, appendix: pretrained with a context vector";
            ctx.published(&format!("pretrained-{updates}"), Published::new(pretrained, context));
        }
        ctx.published("oracle", Published::new(ORACLE, "Finn et al. 2017, appendix"));
        Ok(())
    }
}

fn learner(
    ctx: &Context,
    family: PointFamily,
    n_steps: usize,
) -> Result<MamlRl<impl EnvFamily<Task = [f32; 2]> + use<>>> {
    let inputs = if family.goal_visible { 4 } else { 2 };
    let usual = MamlRlConfig { n_steps, ..MamlRlConfig::default() };
    let small = MamlRlConfig { tasks: 10, trajectories: 10, test_trajectories: 10, ..usual.clone() };
    let config = ctx.mode().of([small, usual.clone(), usual]);
    Ok(MamlRl::new(scaled(family), policy(inputs)?, config)?.threads(ctx.threads()))
}

/// A Gaussian over the steps of a point, with two layers of 100.
pub(super) fn policy(inputs: usize) -> Result<Policy> {
    let head = ActionHead::new(&Space::unbounded(2), Deviation::default())?;
    Ok(Policy::new(FeedForward::mlp(&[inputs, 100, 100, 2], Activation::Relu)?, head)?)
}

/// The policy's ±1 is the longest step.
pub(super) fn scaled(family: PointFamily) -> impl EnvFamily<Task = [f32; 2], Env = impl Env + Send> {
    family.wrap(|env| ClipActions::scaled(env, 1.0))
}

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let iterations = ctx.mode().of([15, 100, 500]);
    let goals = |seed| PointFamily::default().sample_tasks(&mut ChaCha8Rng::seed_from_u64(seed), TASKS);
    let (test, other) = (goals(TASK_SEED)?, goals(TASK_SEED + 1)?);

    let maml = learner(ctx, PointFamily::default(), 1)?;
    let (trained, curve) = meta_training::run(ctx, "maml", &maml, (iterations, seed))?;
    let adapted = maml.test(&trained.best, &test, UPDATES, maml.config().inner_lr, seed)?;
    let pictures = draw(&maml, &trained.best, &test[..DRAWN], seed)?;

    let blind = learner(ctx, PointFamily::default(), 0)?;
    let (trained, _) = meta_training::run(ctx, "pretrained", &blind, (iterations, seed))?;
    let pretrained = tuned(&blind, &trained.best, (&test, &other), seed)?;

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let fresh = blind.init(&mut rng, candle_core::DType::F32, ctx.device())?;
    let random = tuned(&blind, &fresh, (&test, &other), seed)?;

    let oracle = learner(ctx, PointFamily::default().with_goal_visible(), 0)?;
    let (trained, _) = meta_training::run(ctx, "oracle", &oracle, (iterations, seed))?;
    let knows = oracle.test(&trained.best, &test, 0, 1.0, seed)?.after(0)?;

    for (name, updates) in [("return", &adapted), ("pretrained", &pretrained), ("random", &random)] {
        for k in 0..=UPDATES {
            let over_tasks = updates.after(k)?;
            ctx.seed_metric(seed, &format!("{name}-{k}"), settings::estimate(&over_tasks), "return")?;
        }
    }
    ctx.seed_metric(seed, "oracle", settings::estimate(&knows), "return")?;
    if seed == 0 {
        let mut plot = Plot::new("Adaptation", "updates", "return");
        for (name, updates) in [("MAML", &adapted), ("pretrained", &pretrained), ("random", &random)] {
            let over_tasks = (0..=UPDATES).map(|k| updates.after(k)).collect::<rekindle_meta_rl::Result<Vec<_>>>()?;
            let points = over_tasks.iter().enumerate().map(|(k, x)| (k as f64, x.mean, x.ci95()));
            plot = plot.series(Series::with_ci(name, points));
        }
        ctx.plot(plot.dashed("oracle", [(0.0, knows.mean), (UPDATES as f64, knows.mean)]))?;
        ctx.images(pictures);
        let plot = Plot::new("Meta-training", "iteration", "return");
        ctx.plot(plot.line("MAML, after adaptation", curve))?;
    }
    Ok(())
}

/// A walk to each of some goals before and after each update.
fn draw<F: EnvFamily<Task = [f32; 2]>>(
    learner: &MamlRl<F>,
    params: &Params,
    goals: &[[f32; 2]],
    seed: u64,
) -> Result<ImageGrid> {
    let (family, config) = (scaled(PointFamily::default()), learner.config());
    let mut grid = ImageGrid::new("Walks before and after adaptation").caption(
        "With the most probable actions. Each begins in the middle of a square of 1.6 a side; the grey disc is the goal, which \
         the point cannot see.",
    );
    let policies = learner.policies(params, goals, UPDATES, config.inner_lr, seed)?;
    for (k, theta) in policies.iter().enumerate() {
        let player = Collector::new(VecEnv::stack(&family, goals, 1)?, seed)?.greedy();
        let walks = walks(player, (learner.policy(), theta), config.horizon)?;
        let goals = goals.iter().map(|goal| goal.map(f64::from));
        let images = goals.zip(walks).map(|(goal, walk)| picture(0.8, goal, &walk, BLUE)).collect::<Result<_>>()?;
        grid = grid.row(["before", "1 update", "2 updates", "3 updates"][k], images);
    }
    Ok(grid)
}

/// The test with the step size that is best after one update on other tasks.
fn tuned<F: EnvFamily<Task = [f32; 2]>>(
    learner: &MamlRl<F>,
    params: &Params,
    (test, other): (&[[f32; 2]], &[[f32; 2]]),
    seed: u64,
) -> Result<Updates> {
    let mut best = (f64::NEG_INFINITY, RATES[0]);
    for rate in RATES {
        let score = learner.test(params, other, UPDATES, rate, seed)?.after(UPDATES)?.mean;
        if score > best.0 {
            best = (score, rate);
        }
    }
    Ok(learner.test(params, test, UPDATES, best.1, seed)?)
}
