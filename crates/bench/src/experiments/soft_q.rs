//! Pretraining for diversity: soft Q-learning on open ground, then corridors.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use candle_core::{DType, Device};
use rekindle_autodiff::Params;
use rekindle_envs::{Action, Crawler, Env, Ground, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_rl::{FeedForward, Net};
use rekindle_transfer::policy::{Annealing, SoftConfig, SoftTraining};

use super::canvas::{BLUE, Canvas, GREY, ORANGE};
use crate::{Context, Experiment, Image, ImageGrid, Plot, Series};

pub(super) struct TransferSoftQ;

const COPIES: usize = 4;
const HORIZON: usize = 300;
/// Stretches before a pull: of random actions one in 4⁷ = 16,384 ends a pull that moves.
const GAIT: usize = 6;
/// A task is learned once so many episodes in a row, and nine tenths of them at least, came to the end.
const WINDOW: usize = 20;
/// Temperature of a learner that is as good as greedy.
const COLD: f64 = 0.001;
/// The temperature in the pretraining at first: the gait is found.
const HOT: f64 = 0.1;
/// The temperature that follows. A step is worth 0.04 log 4 = 0.06 for its choice alone, and a stride of seven steps pays 1,
/// so walking pays more than choosing; at 0.1 it hardly does.
const WARM: f64 = 0.04;
/// The temperature in a corridor: enough to get off its sides again.
const CORRIDOR: f64 = 0.06;

impl Experiment for TransferSoftQ {
    fn id(&self) -> &'static str {
        "transfer/soft-q"
    }

    fn title(&self) -> &'static str {
        "Soft Q-learning: pretrained for diversity"
    }

    fn about(&self) -> &'static str {
        "A crawler that has to stretch six times before a pull moves it is paid for moving in any direction on open ground, \
         by soft Q-learning at a temperature that falls from 0.1 to 0.04 in the first half of the training. Then it has to get to the \
         end of a corridor, where the way gained is paid for, and the end as much again, at 0.06. The figure is how many steps of the environment it takes until \
         18 of 20 episodes in a row reach the end, over the steps of the same learner from fresh weights; `cold` is pretrained and \
         fine-tuned at temperature 0.001. Four crawlers side by side, nets of 64-64, five seeds, two in a quick run.\n\n\
         Source: Haarnoja, Tang, Abbeel & Levine 2017, §5.3: a quadruped pretrained on speed in any direction learns to run down \
         corridors in a fraction of the time; curves only. Learning to walk is what takes its time, and the six stretches stand for that: \
         with three or five, the gait is found from nothing in a few thousand steps, as many as it takes to unlearn that every way \
         is paid for, and pretraining gains nothing. With six it depends on the seed how soon fresh weights find it.\n\n\
         Differs from the paper: the temperature does not fall in the corridor. Where it does, to 0.02 or 0.01, some learners stand still \
         beside the entrance for good."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let grounds: &[(&str, Ground)] = ctx.mode().of([
            &[("narrow", Ground::Narrow)][..],
            &[("narrow", Ground::Narrow), ("wide", Ground::Wide), ("u-shaped", Ground::UShaped)],
            &[("narrow", Ground::Narrow), ("wide", Ground::Wide), ("u-shaped", Ground::UShaped)],
        ]);
        let pretraining = ctx.mode().of([40_000, 40_000, 80_000]);
        let most = ctx.mode().of([20_000, 30_000, 60_000]);
        let net: Arc<dyn Net> = Arc::new(FeedForward::value_mlp(&[5, 64, 64, 4], Activation::Relu)?);
        let seeds = ctx.seeds().end.max(ctx.mode().of([2, 5, 5]));
        let mut ways = Vec::new();
        let progress = ctx.progress("seeds", seeds);
        for seed in 0..seeds {
            let fresh = net.init(&mut stream_rng(seed, 0), DType::F32, &Device::Cpu)?;
            let cooling = Annealing { start: HOT, end: WARM, steps: pretraining / 2 };
            let warm = pretrain(&net, &fresh, cooling, pretraining, seed)?;
            let cold = pretrain(&net, &fresh, Annealing::constant(COLD), pretraining, seed)?;
            if seed == 0 {
                ways.push(picture(&net, &fresh, "fresh")?);
                ways.push(picture(&net, &cold, "pretrained cold")?);
                ways.push(picture(&net, &warm, "pretrained warm")?);
            }
            for &(name, ground) in grounds {
                let scratch = learn(&net, &fresh, CORRIDOR, (ground, most), seed)?;
                let tuned = learn(&net, &warm, CORRIDOR, (ground, most), seed)?;
                let tuned_cold = learn(&net, &cold, COLD, (ground, most), seed)?;
                for (kind, learned) in [("scratch", &scratch), ("pretrained", &tuned), ("cold", &tuned_cold)] {
                    ctx.seed_metric(seed, &format!("{name}/{kind}/steps"), learned.steps as f64, "steps")?;
                }
                let of = |learned: &Learned| learned.steps as f64 / scratch.steps as f64;
                let prefix = if ground == Ground::Narrow { String::new() } else { format!("{name}/") };
                ctx.seed_metric(seed, &format!("{prefix}steps-ratio"), of(&tuned), "ratio")?;
                ctx.seed_metric(seed, &format!("{prefix}cold-steps-ratio"), of(&tuned_cold), "ratio")?;
                if seed == 0 {
                    let series = |name: &str, learned: &Learned| Series::binned(name, &learned.curve, 50);
                    let plot = Plot::new(name, "environment steps", "share of episodes that reach the end")
                        .series(series("from fresh weights", &scratch));
                    ctx.plot(plot.series(series("pretrained", &tuned)).series(series("pretrained cold", &tuned_cold)))?;
                }
            }
            progress.inc(1);
        }
        ctx.images(ImageGrid::new("Ways on open ground").row("", ways).caption("Eight episodes of 300 steps each."));
        Ok(())
    }
}

fn envs(ground: Ground) -> Result<VecEnv<impl Env + Send>> {
    Ok(VecEnv::new(vec![Crawler::with_gait(ground, GAIT, HORIZON)?; COPIES])?)
}

fn pretrain(net: &Arc<dyn Net>, params: &Params, temperature: Annealing, steps: u64, seed: u64) -> Result<Params> {
    let config = SoftConfig { temperature, ..SoftConfig::default() };
    let mut training = SoftTraining::new(net.clone(), params, envs(Ground::Open)?, config, seed)?;
    let rng = &mut stream_rng(seed, 1);
    for _ in 0..steps {
        training.step(rng)?;
    }
    Ok(training.params().clone())
}

/// How a corridor was learned.
struct Learned {
    /// Steps of the environments until it was, or all that there were.
    steps: u64,
    /// After so many steps of the environments, the share of the last episodes that reached the end.
    curve: Vec<(f64, f64)>,
}

fn learn(
    net: &Arc<dyn Net>,
    params: &Params,
    temperature: f64,
    (ground, most): (Ground, u64),
    seed: u64,
) -> Result<Learned> {
    let config = SoftConfig { temperature: Annealing::constant(temperature), ..SoftConfig::default() };
    let mut training = SoftTraining::new(net.clone(), params, envs(ground)?, config, 100 + seed)?;
    let rng = &mut stream_rng(seed, 2);
    let (mut reached, mut curve) = (Vec::new(), Vec::new());
    for step in 1..=most {
        let done = training.step(rng)?;
        reached.extend(done.iter().map(|done| f64::from(u8::from((done.length as usize) < HORIZON))));
        let last = &reached[reached.len().saturating_sub(WINDOW)..];
        let share = last.iter().sum::<f64>() / WINDOW as f64;
        let played = step * COPIES as u64;
        if !done.is_empty() {
            curve.push((played as f64, share));
        }
        if share >= 0.9 {
            return Ok(Learned { steps: played, curve });
        }
    }
    Ok(Learned { steps: most * COPIES as u64, curve })
}

/// Ways from the start on open ground, drawn by exp(Q/0.04).
fn picture(net: &Arc<dyn Net>, params: &Params, name: &str) -> Result<Image> {
    use rekindle_rl::{Backup, QConfig, QLearner};
    let backup = Backup::Soft { temperature: WARM };
    let learner = QLearner::new(net.clone(), 4, QConfig { backup, ..QConfig::default() })?;
    let mut canvas = Canvas::new([0.0, 0.0], 3.2);
    canvas.rectangle([-3.2, -3.2], [3.2, 3.2], GREY);
    canvas.rectangle([-3.0, -3.0], [3.0, 3.0], [1.0; 3]);
    for episode in 0..8 {
        let (mut env, mut obs) = (Crawler::with_gait(Ground::Open, GAIT, HORIZON)?, [0.0; 5]);
        let (chances, mut thoughts) = (&mut stream_rng(7, episode), [stream_rng(8, episode)]);
        env.reset(chances, &mut obs)?;
        let mut way = vec![env.inner().position()];
        for _ in 0..HORIZON {
            let x = rekindle_autodiff::Tensor::from_vec(obs.to_vec(), (1, 1, 5))?;
            let actions = learner.act(params, &x, 0.0, &mut thoughts)?;
            let action = *actions.first().context("an action for the one row")?;
            env.step(Action::Discrete(action as usize), chances, &mut obs)?;
            way.push(env.inner().position());
        }
        canvas.path(&way, 1.5, if episode % 2 == 0 { BLUE } else { ORANGE });
    }
    canvas.image(name)
}
