//! The speed of RL² on bandits, as a user runs it: playing with a recurrent policy, and a whole iteration.

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{Augment, BernoulliBandits, EnvFamily, Redraw, VecEnv};
use rekindle_meta_rl::{At, Critic, Learner, Rl2, Rl2Config, TrialUpdate};
use rekindle_rl::{Collector, Ppo, PpoConfig};

use super::speed_gru::{Bandit, CLIP, DISCOUNT, ENTROPY, MAIN, RATE, STEPS, TRACE, TRIALS, UNITS, VALUE_LOSS};
use crate::{Context, Experiment, Measure, Table, Work};

pub(super) struct SpeedBanditRollout;

pub(super) struct SpeedRl2Update;

/// Bandits and what their figures are called.
const BANDITS: [(&str, Bandit); 2] = [("", MAIN), ("arms-10/", Bandit { arms: 10, pulls: 100 })];

impl Experiment for SpeedBanditRollout {
    fn id(&self) -> &'static str {
        "speed/bandit-rollout"
    }

    fn title(&self) -> &'static str {
        "Speed of playing bandits with a recurrent policy"
    }

    fn about(&self) -> &'static str {
        "1,000 trials of a Bernoulli bandit side by side, played by RL²'s policy (a gated recurrent unit of 256 units, with the value \
         as one more output) through the library's own collector, on one thread: the policy, the drawing of actions, the \
         environments with new bandits for every trial, and the recording of what learning needs are included.\n\n\
         Trials have 10 pulls of 5 arms, under `arms-10/` 100 pulls of 10 arms. `speed/gru` has the same with play written by hand.\n\n\
         Source of the workload: Duan et al. 2016, section 3.1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        run(ctx, rollout)
    }
}

impl Experiment for SpeedRl2Update {
    fn id(&self) -> &'static str {
        "speed/rl2-update"
    }

    fn title(&self) -> &'static str {
        "Speed of RL² on bandits"
    }

    fn about(&self) -> &'static str {
        "A whole iteration of RL² on one thread: 25,000 steps of a Bernoulli bandit are played, and proximal policy optimisation makes four \
         passes over them in four minibatches of whole trials each, back through time. 256 units, the value as one more output.\n\n\
         Trials have 10 pulls of 5 arms, under `arms-10/` 100 pulls of 10 arms. A step is counted once, however often it is learned from.\n\n\
         Source of the workload: Duan et al. 2016, section 3.1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        run(ctx, update)
    }
}

/// Measures both bandits.
fn run(ctx: &mut Context, work: impl Fn(Bandit) -> Result<Work>) -> Result<()> {
    let measure = Measure { warmup: 1, seconds: ctx.mode().pick(0.5, 2.0), repeats: ctx.mode().pick(3, 5) };
    let mut table = Table::new("Steps a second", ["bandit", "wall", "processor"]);
    for (prefix, bandit) in BANDITS {
        let Work { units: steps, call } = work(bandit)?;
        let timing = measure.run(call)?;
        let rate = |calls: f64| calls * steps;
        ctx.metric(&format!("{prefix}steps-per-second"), rate(timing.per_second()), "1/s")?;
        let processor = timing.per_cpu_second().map(rate);
        if let Some(processor) = processor {
            ctx.metric(&format!("{prefix}steps-per-cpu-second"), processor, "1/s")?;
        }
        let name = format!("{} arms, {} pulls", bandit.arms, bandit.pulls);
        let processor = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
        table.row([name, format!("{:.0}", rate(timing.per_second())), processor]);
    }
    ctx.table(table)
}

/// Playing, in units of steps.
pub(super) fn rollout(bandit: Bandit) -> Result<Work> {
    let learner = learner(bandit)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let params = learner.init(&mut rng, DType::F32, &Device::Cpu)?;
    let env = Augment::new(Redraw::new(BernoulliBandits::uniform(bandit.arms).trials(bandit.pulls), &mut rng)?);
    let mut collector = Collector::new(VecEnv::new(vec![env; TRIALS])?, 0)?;
    Ok(Work::new(TRIALS * bandit.pulls, move || {
        collector.collect(learner.policy(), &params, bandit.pulls)?;
        Ok(())
    }))
}

/// Whole iterations, in units of steps that are played and learned from.
pub(super) fn update(bandit: Bandit) -> Result<Work> {
    let learner = learner(bandit)?;
    let mut params = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let mut state = learner.state(&params)?;
    let mut iteration = 0;
    Ok(Work::new(STEPS, move || {
        let next = learner.iterate(At { seed: 0, iteration }, &params, &state)?;
        (params, state, iteration) = (next.params, next.state, iteration + 1);
        Ok(())
    }))
}

fn learner(bandit: Bandit) -> Result<Rl2<BernoulliBandits>> {
    let ppo = PpoConfig {
        gamma: f64::from(DISCOUNT),
        lambda: f64::from(TRACE),
        clip: CLIP,
        epochs: 4,
        minibatches: 4,
        lr: RATE.into(),
        // Theirs is the weight of the squared error, ours of half of it.
        value_coefficient: 2.0 * VALUE_LOSS,
        entropy_coefficient: ENTROPY,
        ..PpoConfig::default()
    };
    let config = Rl2Config {
        episodes: bandit.pulls,
        steps: bandit.pulls,
        trials: STEPS / bandit.pulls,
        units: UNITS,
        critic: Critic::Shared,
        update: TrialUpdate::Ppo(Ppo::new(ppo)?),
        ..Rl2Config::default()
    };
    Ok(Rl2::new(BernoulliBandits::uniform(bandit.arms), config)?)
}
