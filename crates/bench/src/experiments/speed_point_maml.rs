//! The speed of MAML with TRPO on 2-D navigation: a whole meta-iteration, and the playing in it.

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{Env, EnvFamily, PointFamily, VecEnv};
use rekindle_meta_rl::{At, Learner, MamlRl, MamlRlConfig, Outer};
use rekindle_rl::{Collector, TrustRegionConfig};

use super::point_maml::{policy, scaled};
use crate::{Context, Experiment, Measure, Table, Timing, Work};

pub(super) struct SpeedPointMaml;

/// Tasks, trajectories of each, and their steps.
const TASKS: usize = 20;
const TRAJECTORIES: usize = 20;
const HORIZON: usize = 100;

impl Experiment for SpeedPointMaml {
    fn id(&self) -> &'static str {
        "speed/point-maml-trpo"
    }

    fn title(&self) -> &'static str {
        "Speed of MAML with TRPO on 2-D navigation"
    }

    fn about(&self) -> &'static str {
        "One meta-iteration: 20 tasks × 20 trajectories × 100 steps before and after an inner step of 0.1; Gaussian policy \
         with two layers of 100 and ReLU; advantages from a linear baseline of each task; outside, TRPO with ten conjugate \
         gradients of exact products through the adaptation, and a line search that halves. Playing is included. No episode ends \
         early, so every iteration does the same work but for the number of halvings.\n\n\
         - *seconds-per-iteration*: of the processor, on one thread. *wall-seconds-per-iteration*: by the clock, on all threads.\n\
         - *rollout*: the playing of 40,000 steps alone, by the policies of 20 tasks.\n\n\
         Source of the workload: Finn, Abbeel & Levine 2017, section 5.3."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Seconds", ["work", "threads", "wall", "processor"]);
        let mut counts = vec![1, ctx.threads()];
        counts.dedup();
        let mut walls = Vec::new();
        for threads in counts {
            let measure = Measure { warmup: 2, repeats: ctx.mode().pick(3, 5), seconds: ctx.mode().pick(1.5, 4.0) };
            let timing = measure.run(iterations(ctx, threads)?.call)?;
            table.row(row("iteration", threads, &timing));
            if let (1, Some(cpu)) = (threads, timing.cpu_best) {
                ctx.metric("seconds-per-iteration", cpu, "s")?;
            }
            walls.push(timing.wall_best);
        }
        if let [one, .., all] = walls[..] {
            ctx.metric("thread-speedup", one / all, "ratio")?;
        }
        ctx.metric("wall-seconds-per-iteration", walls.last().copied().unwrap_or(f64::NAN), "s")?;
        let Work { units: steps, call } = rollouts()?;
        let playing = Measure { seconds: ctx.mode().pick(0.5, 2.0), ..Measure::default() }.run(call)?;
        table.row(row("rollout", 1, &playing));
        if let Some(rate) = playing.per_cpu_second() {
            ctx.metric("rollout-steps-per-cpu-second", rate * steps, "1/s")?;
        }
        ctx.table(table)
    }
}

fn row(work: &str, threads: usize, timing: &Timing) -> [String; 4] {
    let cpu = timing.cpu_best.map_or_else(|| "unknown".to_owned(), |cpu| format!("{cpu:.4}"));
    [work.to_owned(), threads.to_string(), format!("{:.4}", timing.wall_best), cpu]
}

/// Training, one iteration after the other.
pub(super) fn iterations(ctx: &Context, threads: usize) -> Result<Work> {
    let trust_region = TrustRegionConfig { backtrack: 0.5, ..TrustRegionConfig::default() };
    let config = MamlRlConfig {
        tasks: TASKS,
        trajectories: TRAJECTORIES,
        horizon: HORIZON,
        outer: Outer::Trpo(trust_region),
        ..MamlRlConfig::default()
    };
    let learner = MamlRl::new(family(), policy(2)?, config)?.threads(threads);
    let mut params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, ctx.device())?;
    let mut state = learner.state(&params)?;
    let mut iteration = 0;
    Ok(Work::new(1, move || {
        let next = learner.iterate(At { seed: 0, iteration }, &params, &state)?;
        (params, state, iteration) = (next.params, next.state, iteration + 1);
        Ok(())
    }))
}

/// Playing with adapted policies, in units of steps: every task has weights of its own.
pub(super) fn rollouts() -> Result<Work> {
    let (family, policy) = (family(), policy(2)?);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let tasks = family.sample_tasks(&mut rng, TASKS)?;
    let params = policy.init(&mut rng, DType::F32, &Device::Cpu)?.expand_tasks(TASKS)?;
    let params = params.map(|leaf| leaf.contiguous())?;
    let mut player = Collector::new(VecEnv::stack(&family, &tasks, TRAJECTORIES)?, 0)?;
    let mut seed = 0;
    Ok(Work::new(TASKS * TRAJECTORIES * HORIZON, move || {
        seed += 1;
        player.reset(seed)?;
        player.collect(&policy, &params, HORIZON)?;
        Ok(())
    }))
}

fn family() -> impl EnvFamily<Task = [f32; 2], Env = impl Env + Send> {
    scaled(PointFamily { horizon: HORIZON, ..PointFamily::default() })
}
