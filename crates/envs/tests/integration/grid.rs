//! Walking on text.

use std::collections::VecDeque;
use std::sync::Arc;

use rekindle_envs::{
    Action, Env, EnvFamily, GridConfig, GridEnv, GridFamily, GridMap, GridObservation, GridRewards, Result, Space,
    Transition, stream_rng,
};

const LEFT: usize = 0;
const RIGHT: usize = 1;
const UP: usize = 2;
const DOWN: usize = 3;

fn env(map: &str, config: GridConfig) -> Result<GridEnv> {
    let mut env = GridEnv::new(Arc::new(GridMap::parse(map)?), config, None)?;
    let mut obs = vec![0.0; env.observation_space().size()];
    env.reset(&mut stream_rng(0, 0), &mut obs)?;
    Ok(env)
}

/// Plays actions and answers the sum of rewards and the last step.
fn walk(env: &mut GridEnv, actions: &[usize]) -> Result<(f32, Transition)> {
    let mut obs = vec![0.0; env.observation_space().size()];
    let (mut sum, mut last) = (0.0, Transition::new(0.0, false));
    for &action in actions {
        assert!(!last.terminated);
        last = env.step(Action::Discrete(action), &mut stream_rng(0, 0), &mut obs)?;
        sum += last.reward;
    }
    Ok((sum, last))
}

#[test]
fn walls_and_edges_stop_and_doors_ask_for_keys() -> Result<()> {
    let rewards = GridRewards { goal: 10.0, key: 1.0, door: 2.0, hazard: -5.0, step: -0.5 };
    let config = GridConfig { rewards, ..GridConfig::default() };
    let map = "S.#\nk.D\n#xG";
    let mut agent = env(map, config.clone())?;
    let (sum, _) = walk(&mut agent, &[LEFT, UP, RIGHT, RIGHT, DOWN, RIGHT])?;
    assert_eq!((agent.position(), sum), ([1, 1], -3.0));
    // The key, the door with it, and the goal behind.
    let (sum, last) = walk(&mut agent, &[LEFT, RIGHT, RIGHT, DOWN])?;
    assert_eq!((agent.position(), agent.keys(), sum, last.terminated), ([2, 2], 0, 11.0, true));
    let (sum, last) = walk(&mut env(map, config)?, &[DOWN, RIGHT, DOWN])?;
    assert_eq!((sum, last.terminated), (1.0 - 5.0 - 1.5, true));
    Ok(())
}

#[test]
fn planes_show_what_is_left() -> Result<()> {
    let mut agent = env("Sk\nDG", GridConfig::default())?;
    assert_eq!(agent.observation_space(), Space::boxed(0.0, 1.0, &[2, 2, 8]));
    let mut obs = vec![0.0; 32];
    let rng = &mut stream_rng(0, 0);
    let planes_set =
        |obs: &[f32]| -> Vec<(usize, usize)> { (0..32).filter(|&i| obs[i] == 1.0).map(|i| (i / 8, i % 8)).collect() };
    agent.reset(rng, &mut obs)?;
    // Agent 0, key 4, door 5, goal 6.
    assert_eq!(planes_set(&obs), [(0, 0), (1, 4), (2, 5), (3, 6)]);
    agent.step(Action::Discrete(RIGHT), rng, &mut obs)?;
    assert_eq!(planes_set(&obs), [(0, 7), (1, 0), (1, 7), (2, 5), (2, 7), (3, 6), (3, 7)]);
    agent.step(Action::Discrete(LEFT), rng, &mut obs)?;
    agent.step(Action::Discrete(DOWN), rng, &mut obs)?;
    assert_eq!(planes_set(&obs), [(2, 0), (3, 6)]);
    Ok(())
}

#[test]
fn gravity_pulls_and_ladders_hold() -> Result<()> {
    let side_view = GridConfig { gravity: true, ..GridConfig::default() };
    let map = "\
S.....
##H##.
..H...
..H..G";
    // No jumping; off the edge one falls to the floor at once.
    let mut agent = env(map, side_view.clone())?;
    let (sum, last) = walk(&mut agent, &[UP, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT])?;
    assert_eq!((agent.position(), sum, last.terminated), ([3, 5], 1.0, true));
    // A ladder holds in the middle; stepping off it falls one square.
    let mut agent = env(map, side_view.clone())?;
    walk(&mut agent, &[RIGHT, RIGHT, DOWN, DOWN])?;
    assert_eq!(agent.position(), [2, 2]);
    walk(&mut agent, &[UP, DOWN, LEFT])?;
    assert_eq!(agent.position(), [3, 1]);
    // Three squares are too deep, where that is deadly.
    let deadly = GridConfig { deadly_fall: Some(3), ..side_view };
    let mut agent = env(&map.replace("..H..G", "G.H..."), deadly)?;
    let (sum, last) = walk(&mut agent, &[RIGHT; 5])?;
    assert_eq!((agent.position(), sum, last.terminated), ([3, 5], -1.0, true));
    Ok(())
}

/// The least number of steps to the end with a positive last reward or the end itself, by breadth-first search.
fn shortest(start: &GridEnv) -> Result<Option<(usize, f32)>> {
    let mut obs = [0.0];
    let mut seen = std::collections::BTreeSet::new();
    let mut queue = VecDeque::from([(start.clone(), 0, 0.0)]);
    while let Some((env, steps, sum)) = queue.pop_front() {
        for action in 0..4 {
            let mut next = env.clone();
            let step = next.step(Action::Discrete(action), &mut stream_rng(0, 0), &mut obs)?;
            let sum = sum + step.reward;
            if step.terminated && sum > 3.0 {
                return Ok(Some((steps + 1, sum)));
            }
            if !step.terminated && seen.insert(obs[0] as u32) {
                queue.push_back((next, steps + 1, sum));
            }
        }
    }
    Ok(None)
}

#[test]
fn montezuma_s_room_takes_39_steps() -> Result<()> {
    let map = Arc::new(GridMap::montezuma());
    assert_eq!((map.size(), map.n_goals(), map.n_items()), ([8, 13], 2, 3));
    let config = GridConfig { observation: GridObservation::State, ..GridConfig::montezuma() };
    let mut agent = GridEnv::new(map, config, None)?;
    agent.reset(&mut stream_rng(0, 0), &mut [0.0])?;
    // The key is worth 1, the door 3.
    assert_eq!(shortest(&agent)?, Some((39, 4.0)));
    Ok(())
}

#[test]
fn the_goal_of_the_task_is_the_one_that_counts() -> Result<()> {
    let map = Arc::new(GridMap::parse("G.S.G")?);
    let family = GridFamily { map, config: GridConfig::default(), horizon: 10 };
    for (goal, action) in [(0, LEFT), (1, RIGHT)] {
        for (way, terminated) in [(action, true), (1 - action, false)] {
            let mut agent = family.make(&goal)?;
            let mut obs = vec![0.0; 40];
            let rng = &mut stream_rng(0, 0);
            agent.reset(rng, &mut obs)?;
            assert_eq!((0..5).filter(|square| obs[square * 8 + 6] == 1.0).collect::<Vec<_>>(), [goal * 4]);
            agent.step(Action::Discrete(way), rng, &mut obs)?;
            let last = agent.step(Action::Discrete(way), rng, &mut obs)?;
            assert_eq!((last.terminated, last.reward), (terminated, f32::from(u8::from(terminated))));
        }
    }
    Ok(())
}
