//! Options in rooms with a key and a door.

use std::sync::Arc;

use anyhow::Result;
use rekindle_envs::{Env, GridConfig, GridEnv, GridMap, GridObservation, TimeLimit, stream_rng};
use rekindle_transfer::policy::{Options, OptionsConfig, Subgoal};
use rekindle_transfer::successor::Table;

/// The key, then the door, which is in front of both goals. Item 0 is the key and item 1 the door, in reading order.
const ROOM: &str = "\
S....#....G
.....#.....
..k..D.....
.....#.....
.....#....G";

fn room(goal: usize) -> Result<TimeLimit<GridEnv>> {
    let config = GridConfig { observation: GridObservation::State, ..GridConfig::default() };
    Ok(TimeLimit::new(GridEnv::new(Arc::new(GridMap::parse(ROOM)?), config, Some(goal))?, 200)?)
}

fn gone(item: usize) -> Subgoal {
    Arc::new(move |obs: &[f32]| obs[0] as usize >> item & 1 == 1)
}

/// Steps of a task until 20 episodes have reached the goal.
fn steps_to_learn(agent: &mut Options<Table>, env: &mut dyn Env, seed: u64) -> Result<usize> {
    let episodes = agent.learn_task(env, 60_000, [&mut stream_rng(seed, 2), &mut stream_rng(seed, 3)])?;
    let mut left = 20;
    let until = episodes.iter().take_while(|episode| {
        left -= usize::from(episode.terminated);
        left > 0
    });
    Ok(until.map(|episode| episode.length).sum())
}

/// Options for the key and for the door, learned with one goal, halve the time to twenty successes with the other, in the mean
/// over five seeds; the flat learner is the same agent without options.
#[test]
fn options_for_key_and_door_speed_up_another_goal() -> Result<()> {
    let (mut with, mut without) = (0, 0);
    for seed in 0..5 {
        let mut agent = Options::new(Table::default(), 4, OptionsConfig::default())?;
        without += steps_to_learn(&mut agent, &mut room(1)?, seed)?;
        for item in 0..2 {
            let rngs: [&mut dyn rand::RngCore; 2] = [&mut stream_rng(seed, 0), &mut stream_rng(seed, 1)];
            let reached = agent.learn_option(&mut room(0)?, gone(item), 15_000, rngs)?;
            assert!(reached > 100, "item {item}: {reached}");
        }
        with += steps_to_learn(&mut agent, &mut room(1)?, seed)?;
    }
    assert!(2 * with <= without, "{with} steps with options, {without} without");
    Ok(())
}

/// With γ = ½ in a corridor whose subgoal is its end, three steps away, an option's value is that of its way: 1 · γ² for the
/// goal in the third step. Greedy play takes the option or the actions, which are as good, and ends in three steps.
#[test]
fn a_corridor_is_walked_the_shortest_way() -> Result<()> {
    let config = GridConfig { observation: GridObservation::State, ..GridConfig::default() };
    let env = || -> Result<_> {
        Ok(TimeLimit::new(GridEnv::new(Arc::new(GridMap::parse("S..G")?), config.clone(), None)?, 20)?)
    };
    let mut agent = Options::new(Table::default(), 4, OptionsConfig { gamma: 0.5, ..OptionsConfig::default() })?;
    let end: Subgoal = Arc::new(|obs: &[f32]| obs[0] == 3.0);
    agent.learn_option(&mut env()?, end, 500, [&mut stream_rng(1, 0), &mut stream_rng(1, 1)])?;
    let episodes = agent.learn_task(&mut env()?, 1000, [&mut stream_rng(1, 2), &mut stream_rng(1, 3)])?;
    let last = &episodes[episodes.len() - 50..];
    assert!(last.iter().all(|episode| episode.terminated && episode.total == 1.0));
    assert!(last.iter().filter(|episode| episode.length == 3).count() > 30, "{last:?}");
    Ok(())
}

#[test]
fn settings_out_of_range_are_refused() {
    let config = OptionsConfig::default();
    for config in [
        OptionsConfig { gamma: 1.0, ..config },
        OptionsConfig { epsilon: 2.0, ..config },
        OptionsConfig { rate: 0.0, ..config },
        OptionsConfig { limit: 0, ..config },
    ] {
        assert!(Options::new(Table::default(), 4, config).is_err(), "{config:?}");
    }
    assert!(Options::new(Table::default(), 0, config).is_err());
}
