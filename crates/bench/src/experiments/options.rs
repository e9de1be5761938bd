//! Options for a key and a door, used for another goal.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::{GridConfig, GridEnv, GridMap, GridObservation, TimeLimit, stream_rng};
use rekindle_transfer::policy::{Episode, Options, OptionsConfig, Subgoal};
use rekindle_transfer::successor::Table;

use crate::{Context, Experiment, Plot, Series};

pub(super) struct TransferOptions;

/// The key, then the door, which is in front of both goals.
const ROOM: &str = "\
S....#....G
.....#.....
..k..D.....
.....#.....
.....#....G";

const HORIZON: usize = 200;
const LESSON: usize = 15_000;
const STEPS: usize = 60_000;
/// Successes after which a task counts as learned.
const WANTED: usize = 20;
const SEEDS: u64 = 10;

impl Experiment for TransferOptions {
    fn id(&self) -> &'static str {
        "transfer/options"
    }

    fn title(&self) -> &'static str {
        "Options: subgoals learned once"
    }

    fn about(&self) -> &'static str {
        "Two rooms, a key in the first, a door between them, a goal in a corner of the second that pays 1. Options for *the key is \
         taken* and *the door is open* are learned in 15,000 steps each with one goal; then the other goal is learned by SMDP \
         Q-learning over actions and options, and by the same agent without options. Tables, α = 0.5, γ = 0.95, ε = 0.1, episodes \
         of 200 steps. The figure is the steps until twenty episodes reached the goal, with options over without.\n\n\
         Source: the method is that of Sutton, Precup & Singh 1999."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let mut plot = Plot::new("Returns in the new task", "episodes", "return");
        for seed in 0..ctx.seeds().end.max(SEEDS) {
            let mut agent = Options::new(Table::default(), 4, OptionsConfig::default())?;
            let flat = learn(&mut agent, seed)?;
            for item in 0..2 {
                let subgoal: Subgoal = Arc::new(move |obs: &[f32]| obs[0] as usize >> item & 1 == 1);
                agent.learn_option(
                    &mut room(0)?,
                    subgoal,
                    LESSON,
                    [&mut stream_rng(seed, 0), &mut stream_rng(seed, 1)],
                )?;
            }
            let with = learn(&mut agent, seed)?;
            let [flat_steps, with_steps] = [&flat, &with].map(|episodes| steps(episodes) as f64);
            ctx.seed_metric(seed, "flat/steps", flat_steps, "steps")?;
            ctx.seed_metric(seed, "options/steps", with_steps, "steps")?;
            ctx.seed_metric(seed, "steps-ratio", with_steps / flat_steps, "ratio")?;
            if seed == 0 {
                for (name, episodes) in [("actions and options", &with), ("actions alone", &flat)] {
                    let points: Vec<_> =
                        episodes.iter().take(400).enumerate().map(|(i, e)| (i as f64, e.total)).collect();
                    plot = plot.series(Series::binned(name, &points, 40));
                }
            }
        }
        ctx.plot(plot)
    }
}

fn room(goal: usize) -> Result<TimeLimit<GridEnv>> {
    let config = GridConfig { observation: GridObservation::State, ..GridConfig::default() };
    Ok(TimeLimit::new(GridEnv::new(Arc::new(GridMap::parse(ROOM)?), config, Some(goal))?, HORIZON)?)
}

fn learn(agent: &mut Options<Table>, seed: u64) -> Result<Vec<Episode>> {
    Ok(agent.learn_task(&mut room(1)?, STEPS, [&mut stream_rng(seed, 2), &mut stream_rng(seed, 3)])?)
}

/// Steps of all episodes before the one that is the twentieth to reach the goal.
fn steps(episodes: &[Episode]) -> usize {
    let mut reached = 0;
    let before = episodes.iter().take_while(|episode| {
        reached += usize::from(episode.terminated);
        reached < WANTED
    });
    before.map(|episode| episode.length).sum()
}
