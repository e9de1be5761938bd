//! Games that a student of several teachers never saw, learned from its weights and from fresh ones.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_envs::{Action, CartPole, CartPoleBody, Catch, Env, Space, TimeLimit, Transition, stream_rng};
use rekindle_optim::Adam;
use rekindle_rl::{Backup, Net, QCollector, QConfig, QLearner};
use rekindle_transfer::policy::FeatureNet;

use super::actor_mimic::{COPIES, GAMES, Game, copies, grid};
use crate::{Context, Plot, Series};

/// A game that shows itself as one of the suite does.
struct HeldOut {
    name: &'static str,
    /// Which one of [`GAMES`].
    shown_as: usize,
    make: fn() -> Result<Game>,
    gamma: f64,
    /// Mean return of the last [`WINDOW`] episodes from which on it counts as learned.
    learned: f64,
    /// Steps of every environment, at most.
    most: usize,
}

const HELD_OUT: [HeldOut; 3] = [
    HeldOut {
        name: "swapped-catch",
        shown_as: 0,
        make: || Ok(Box::new(Swapped(Catch::default()))),
        gamma: 0.95,
        learned: 0.9,
        most: 4_000,
    },
    HeldOut { name: "other-hazards", shown_as: 2, make: || grid(OTHER), gamma: 0.95, learned: 0.6, most: 4_000 },
    HeldOut { name: "long-pole", shown_as: 3, make: long_pole, gamma: 0.98, learned: 200.0, most: 6_000 },
];

const OTHER: &str = "..xG\n....\nx.x.\nS...";

const FRESH: &str = "fresh";
const WINDOW: usize = 40;
const EPSILON: f64 = 0.05;

fn long_pole() -> Result<Game> {
    let body = CartPoleBody { half_length: 1.5, pole_mass: 0.3, ..CartPoleBody::default() };
    Ok(Box::new(TimeLimit::new(CartPole::with_body(body)?, 500)?))
}

/// Catch whose actions 0 and 2 have changed places.
struct Swapped(Catch);

impl Env for Swapped {
    fn observation_space(&self) -> Space {
        self.0.observation_space()
    }

    fn action_space(&self) -> Space {
        self.0.action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.0.reset(rng, obs)
    }

    fn step(
        &mut self,
        action: Action<'_>,
        rng: &mut dyn RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<Transition> {
        self.0.step(Action::Discrete(2 - action.index(3)?), rng, obs)
    }
}

/// Learns every held-out game from the weights of every student, with a fresh last layer, and from fresh weights.
pub(super) fn held_out(ctx: &mut Context, net: &FeatureNet, students: &[(&str, Params)]) -> Result<()> {
    let seeds = ctx.seeds().end.max(ctx.mode().of([5, 10, 10]));
    let games = &HELD_OUT[..ctx.mode().of([1, HELD_OUT.len(), HELD_OUT.len()])];
    let progress = ctx.progress("held-out games", games.len() as u64 * seeds);
    for game in games {
        let mut plot = Plot::new(format!("Held out: {}", game.name), "environment steps", "mean return");
        for seed in 0..seeds {
            let learned = from_all(game, net, students, seed)?;
            for (name, learned_so) in &learned {
                let (prefix, steps) = (format!("{}/{name}", game.name), learned_so.steps as f64);
                ctx.seed_metric(seed, &format!("{prefix}/steps"), steps, "steps")?;
                if *name != FRESH {
                    let ratio = steps / learned[0].1.steps as f64;
                    ctx.seed_metric(seed, &format!("{prefix}/steps-ratio"), ratio, "ratio")?;
                }
                if seed == 0 {
                    plot = plot.series(Series::binned(*name, &learned_so.curve, 50));
                }
            }
            progress.inc(1);
        }
        ctx.plot(plot)?;
    }
    Ok(())
}

/// How a game is learned from fresh weights, which come first, and from every student's.
fn from_all<'a>(
    game: &HeldOut,
    net: &FeatureNet,
    students: &[(&'a str, Params)],
    seed: u64,
) -> Result<Vec<(&'a str, Learned)>> {
    let sizes =
        GAMES.iter().map(|game| Ok((game.make)()?.observation_space().n_features())).collect::<Result<Vec<_>>>()?;
    let first: usize = sizes[..game.shown_as].iter().sum();
    let (inputs, actions) = (first..first + sizes[game.shown_as], (game.make)()?.action_space().n_features());
    let rng = &mut stream_rng(seed, 5);
    let mut all = Vec::new();
    for (name, params) in students {
        let (small, start) = net.for_game(params, inputs.clone(), actions, rng)?;
        if all.is_empty() {
            // Drawn for so many inputs, not for all of the suite's.
            let fresh = small.init(rng, DType::F32, &Device::Cpu)?;
            all.push((FRESH, learn(game, &small, &fresh, seed)?));
        }
        all.push((*name, learn(game, &small, &start, seed)?));
    }
    Ok(all)
}

struct Learned {
    /// Of the environments, until it was learned, or all that there were.
    steps: usize,
    curve: Vec<(f64, f64)>,
}

/// Double DQN with little exploration, so that what the weights know shows at once.
fn learn(game: &HeldOut, net: &FeatureNet, params: &Params, seed: u64) -> Result<Learned> {
    let optimiser = Arc::new(Adam::new(1e-3));
    let config = QConfig { gamma: game.gamma, backup: Backup::Double, optimiser, ..QConfig::default() };
    let learner = QLearner::new(net.clone(), net.n_outputs(), config)?;
    let (mut state, rng) = (learner.init(params)?, &mut stream_rng(seed, 6));
    let mut play = QCollector::new(copies(game.make)?, seed)?;
    let mut buffer = play.buffer(5_000)?;
    let (mut totals, mut curve) = (Vec::new(), Vec::new());
    for step in 1..=game.most {
        let done = play.step(&learner, &state.params, EPSILON, &mut buffer)?;
        state = learner.update(&state, &buffer, rng)?.0;
        totals.extend(done.iter().map(|done| done.total));
        if done.is_empty() || totals.len() < WINDOW {
            continue;
        }
        let mean = totals[totals.len() - WINDOW..].iter().sum::<f64>() / WINDOW as f64;
        curve.push(((step * COPIES) as f64, mean));
        if mean >= game.learned {
            return Ok(Learned { steps: step * COPIES, curve });
        }
    }
    Ok(Learned { steps: game.most * COPIES, curve })
}
