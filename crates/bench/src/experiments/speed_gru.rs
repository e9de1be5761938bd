//! The speed of a recurrent policy: what memory-based meta-reinforcement learning spends its time on.

use anyhow::Result;
use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Order, Params, Tensor};
use rekindle_nn::{Builder, Gru, Init, Layer, Linear};
use rekindle_optim::{Adam, State, Transform, apply_updates};

use crate::{Context, Experiment, Measure, Table, Work};

pub(super) struct SpeedGru;

/// Units of the policy.
pub(super) const UNITS: usize = 256;

/// Trials that are played at once where only playing is timed.
pub(super) const TRIALS: usize = 1000;

/// Steps of all trials in a gradient.
pub(super) const STEPS: usize = 25_000;

/// Constants of the loss.
pub(super) const CLIP: f64 = 0.2;
pub(super) const DISCOUNT: f32 = 0.99;
pub(super) const TRACE: f32 = 0.3;
pub(super) const VALUE_LOSS: f64 = 0.5;
pub(super) const ENTROPY: f64 = 0.01;

/// Of Adam.
pub(super) const RATE: f64 = 3e-4;

impl Experiment for SpeedGru {
    fn id(&self) -> &'static str {
        "speed/gru"
    }

    fn title(&self) -> &'static str {
        "Speed of a recurrent policy"
    }

    fn about(&self) -> &'static str {
        "A gated recurrent unit of 256 units with heads for actions and value plays Bernoulli bandits; its inputs are the last action, \
         the last reward and a flag at the start of a trial. Play and loss are written by hand, as the peers' are: what the kernels \
         allow. `speed/bandit-rollout` and `speed/rl2-update` have the same work on the library's own path.\n\n\
         - *Rollout*: 1,000 trials side by side; the policy, the drawing of actions and the bandits are included.\n\
         - *Gradient*: one gradient of the loss of proximal policy optimisation over 25,000 steps, back through whole trials, and the \
         update by Adam.\n\
         - Trials have 10 pulls of 5 arms, under `arms-10/` 100 pulls of 10 arms.\n\
         - *thread-speedup*: with the trials split over all threads, in times of one thread.\n\n\
         Rates are those of the best of several repeats. Source of the workload: Duan et al. 2016, section 3.1."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut table = Table::new("Steps a second", ["bandit", "work", "threads", "wall", "processor"]);
        for (prefix, bandit) in [("", MAIN), ("arms-10/", Bandit { arms: 10, pulls: 100 })] {
            let name = format!("{} arms, {} pulls", bandit.arms, bandit.pulls);
            let mut walls = Vec::new();
            let mut counts = vec![1, ctx.threads()];
            counts.dedup();
            for threads in counts {
                for (work, Work { units: steps, call }) in
                    [("rollout", rollout(bandit, threads)?), ("gradient", gradient(bandit, threads)?)]
                {
                    let timing = measure(ctx).run(call)?;
                    let rate = |calls: f64| calls * steps;
                    let suffix = if threads == 1 { "-1-thread" } else { "" };
                    ctx.metric(&format!("{prefix}{work}-steps-per-second{suffix}"), rate(timing.per_second()), "1/s")?;
                    let processor = timing.per_cpu_second().map(rate);
                    if let (1, Some(processor)) = (threads, processor) {
                        ctx.metric(&format!("{prefix}{work}-steps-per-cpu-second"), processor, "1/s")?;
                    }
                    let processor = processor.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.0}"));
                    let wall = format!("{:.0}", rate(timing.per_second()));
                    table.row([name.clone(), work.to_owned(), threads.to_string(), wall, processor]);
                    walls.push((work, timing.wall_best));
                }
            }
            if let [(work, rollout), (other, gradient), (_, rollout_all), (_, gradient_all)] = walls[..] {
                ctx.metric(&format!("{prefix}{work}-thread-speedup"), rollout / rollout_all, "ratio")?;
                ctx.metric(&format!("{prefix}{other}-thread-speedup"), gradient / gradient_all, "ratio")?;
            }
        }
        ctx.table(table)
    }
}

/// The bandit of the main figures.
pub(super) const MAIN: Bandit = Bandit { arms: 5, pulls: 10 };

/// Playing, in units of steps.
pub(super) fn rollout(bandit: Bandit, threads: usize) -> Result<Work> {
    let player = Player::new(bandit, threads)?;
    let mut seed = 0;
    Ok(Work::new(TRIALS * bandit.pulls, move || {
        seed += 1;
        player.play(TRIALS, seed).map(drop)
    }))
}

/// Gradients and updates, in units of steps gone through.
pub(super) fn gradient(bandit: Bandit, threads: usize) -> Result<Work> {
    let mut player = Player::new(bandit, threads)?;
    let parts = player.play(STEPS / bandit.pulls, 0)?;
    let parts: Vec<Part> = advantages(parts)?;
    Ok(Work::new(STEPS, move || player.learn(&parts)))
}

fn measure(ctx: &Context) -> Measure {
    Measure { seconds: ctx.mode().pick(0.5, 2.0), repeats: ctx.mode().pick(3, 5), ..Measure::default() }
}

/// Arms with a chance of their own each, and pulls in a trial.
#[derive(Clone, Copy)]
pub(super) struct Bandit {
    pub(super) arms: usize,
    pub(super) pulls: usize,
}

#[derive(Debug)]
struct Policy {
    cell: Gru,
    heads: Linear,
}

impl Layer for Policy {
    fn draw(&self, builder: &mut Builder<'_>) -> rekindle_nn::Result<()> {
        self.cell.draw(builder)?;
        self.heads.draw(builder)
    }
}

/// A policy in training.
struct Player {
    bandit: Bandit,
    threads: usize,
    policy: Policy,
    params: Params,
    optimiser: Adam,
    state: State,
}

/// What was played, `[T, 1, B]` each, the inputs `[T, 1, B, D]`.
struct Played {
    x: Vec<f32>,
    actions: Vec<u32>,
    log_probs: Vec<f32>,
    rewards: Vec<f32>,
    values: Vec<f32>,
    pulls: usize,
}

/// What the loss needs of some trials.
struct Part {
    x: Tensor,
    /// `[1, T·B, K]`
    chosen: Tensor,
    log_probs: Tensor,
    advantages: Tensor,
    returns: Tensor,
}

impl Player {
    fn new(bandit: Bandit, threads: usize) -> Result<Self> {
        let policy = Policy {
            cell: Gru::new("cell", bandit.arms + 2, UNITS)?,
            heads: Linear::new("heads", UNITS, bandit.arms + 1, Init::FanInUniform, Some(Init::Zeros))?,
        };
        let params = policy.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
        let optimiser = Adam::new(RATE);
        let state = optimiser.init(&params)?;
        Ok(Self { bandit, threads, policy, params, optimiser, state })
    }

    /// Plays trials, split over the threads.
    fn play(&self, trials: usize, seed: u64) -> Result<Vec<Played>> {
        let share = |i: usize| trials * (i + 1) / self.threads - trials * i / self.threads;
        let part = |i: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i as u64);
            self.play_alone(share(i), &mut rng)
        };
        on_threads(self.threads, part)
    }

    fn play_alone(&self, trials: usize, rng: &mut dyn RngCore) -> Result<Played> {
        let _scope = NoRecord::new();
        let Bandit { arms, pulls } = self.bandit;
        let inputs = arms + 2;
        let chances: Vec<f32> = (0..trials * arms).map(|_| rng.random()).collect();
        let mut h = Tensor::zeros((1, trials, UNITS), DType::F32, &Device::Cpu)?;
        let mut x = vec![0f32; trials * inputs];
        x.chunks_exact_mut(inputs).for_each(|x| x[inputs - 1] = 1.0);
        let empty = || Vec::with_capacity(trials * pulls);
        let mut played = Played {
            x: Vec::with_capacity(trials * pulls * inputs),
            actions: Vec::with_capacity(trials * pulls),
            log_probs: empty(),
            rewards: empty(),
            values: empty(),
            pulls,
        };
        for _ in 0..pulls {
            played.x.extend_from_slice(&x);
            h = self.policy.cell.step(&self.params, &Tensor::from_vec(x, (1, trials, inputs))?, &h)?;
            let heads = self.policy.heads.forward(&self.params, &h)?;
            let log_probs = flat(&heads.narrow(2, 0, arms)?.log_softmax()?)?;
            let probs = flat(&Tensor::from_vec(log_probs.clone(), (trials, arms))?.exp()?)?;
            played.values.extend(flat(&heads.narrow(2, arms, 1)?)?);
            x = vec![0f32; trials * inputs];
            for (trial, x) in x.chunks_exact_mut(inputs).enumerate() {
                let action = choose(&probs[trial * arms..][..arms], rng.random());
                let reward = f32::from(u8::from(rng.random::<f32>() < chances[trial * arms + action]));
                (x[action], x[arms]) = (1.0, reward);
                played.actions.push(action as u32);
                played.log_probs.push(log_probs[trial * arms + action]);
                played.rewards.push(reward);
            }
        }
        Ok(played)
    }

    /// One update from all parts, a thread each.
    fn learn(&mut self, parts: &[Part]) -> Result<()> {
        let params = self.params.leaf();
        let grads = on_threads(parts.len(), |i| {
            let loss = self.loss(&params, &parts[i])?;
            Ok(params.grad(&loss.sum_all()?, Order::First)?)
        })?;
        let _scope = NoRecord::new();
        let mut grads = grads.into_iter();
        let first = grads.next().expect("there is a part for each thread");
        let sum = grads.try_fold(first, |sum, g| sum.add_scaled(&g, 1.0))?;
        let (updates, state) = self.optimiser.update(&sum, &self.state, &self.params)?;
        self.params = apply_updates(&self.params, &updates)?;
        self.state = state;
        Ok(())
    }

    /// The loss's sum over the part's steps, divided by the number of all steps.
    fn loss(&self, params: &Params, part: &Part) -> Result<Tensor> {
        let &[steps, _, trials, _] = part.x.dims() else { unreachable!("inputs are [T, 1, B, D]") };
        let arms = self.bandit.arms;
        let h = Tensor::zeros((1, trials, UNITS), DType::F32, &Device::Cpu)?;
        let states = self.policy.cell.sequence(params, &part.x, &h)?;
        let heads = self.policy.heads.forward(params, &states.reshape((1, steps * trials, UNITS))?)?; // [1, T·B, K + 1]
        let log_probs = heads.narrow(2, 0, arms)?.log_softmax()?;
        let values = heads.narrow(2, arms, 1)?.squeeze(2)?;
        let ratio = log_probs.mul(&part.chosen)?.sum(&[2])?.sub(&part.log_probs)?.exp()?;
        let clipped = ratio.clamp(1.0 - CLIP, 1.0 + CLIP)?.mul(&part.advantages)?;
        let gain = ratio.mul(&part.advantages)?.minimum(&clipped)?;
        let errors = values.sub(&part.returns)?.sqr()?;
        let negative_entropy = log_probs.exp()?.mul(&log_probs)?.sum(&[2])?;
        let each = errors.scale(VALUE_LOSS)?.sub(&gain)?.add_scaled(&negative_entropy, ENTROPY)?;
        Ok(each.sum(&[1])?.scale(1.0 / STEPS as f64)?)
    }
}

/// The action whose share of `0..1` holds `u`.
fn choose(probs: &[f32], mut u: f32) -> usize {
    for (action, p) in probs.iter().enumerate() {
        u -= p;
        if u < 0.0 {
            return action;
        }
    }
    probs.len() - 1
}

/// Generalised advantages (Schulman et al. 2016), with mean 0 and deviation 1 over all trials, and the returns.
fn advantages(parts: Vec<Played>) -> Result<Vec<Part>> {
    let traces: Vec<Vec<f32>> = parts.iter().map(trace).collect();
    let n = traces.iter().map(Vec::len).sum::<usize>() as f64;
    let sum = |f: &dyn Fn(f64) -> f64| traces.iter().flatten().map(|&a| f(f64::from(a))).sum::<f64>();
    let mean = sum(&|a| a) / n;
    let deviation = (sum(&|a| (a - mean) * (a - mean)) / n).sqrt() + 1e-8;
    let part = |(played, trace): (Played, Vec<f32>)| {
        let steps = trace.len();
        let (trials, arms) = (steps / played.pulls, played.x.len() / steps - 2);
        let returns = trace.iter().zip(&played.values).map(|(a, v)| a + v).collect();
        let scaled = trace.iter().map(|&a| ((f64::from(a) - mean) / deviation) as f32).collect();
        let like = Tensor::zeros((1, steps, arms), DType::F32, &Device::Cpu)?;
        Ok(Part {
            x: Tensor::from_vec(played.x, (played.pulls, 1, trials, arms + 2))?,
            chosen: Tensor::one_hot(&Value::from_vec(played.actions, (1, steps), &Device::Cpu)?, &like)?,
            log_probs: Tensor::from_vec(played.log_probs, (1, steps))?,
            advantages: Tensor::from_vec::<f32>(scaled, (1, steps))?,
            returns: Tensor::from_vec::<f32>(returns, (1, steps))?,
        })
    };
    parts.into_iter().zip(traces).map(part).collect()
}

fn trace(played: &Played) -> Vec<f32> {
    let trials = played.rewards.len() / played.pulls;
    let mut advantages = vec![0f32; played.rewards.len()];
    for t in (0..played.pulls).rev() {
        for trial in 0..trials {
            let (at, next) = (t * trials + trial, (t + 1) * trials + trial);
            let (value, trace) =
                if t + 1 < played.pulls { (played.values[next], advantages[next]) } else { (0.0, 0.0) };
            let delta = played.rewards[at] + DISCOUNT * value - played.values[at];
            advantages[at] = delta + DISCOUNT * TRACE * trace;
        }
    }
    advantages
}

/// `work` of each thread's number, in that order; one thread is this one.
fn on_threads<T: Send>(threads: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|i| scope.spawn(move || work(i))).collect();
        let first = work(0);
        let others = others.into_iter().map(|other| other.join().expect("a thread does not panic"));
        [first].into_iter().chain(others).collect()
    })
}

fn flat(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.value().flatten_all()?.to_vec1::<f32>()?)
}
