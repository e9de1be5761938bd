//! Mazes are found out of, in both versions, by rules that know what the agents must learn.

use std::collections::VecDeque;
use std::f32::consts::{PI, TAU};

use rekindle_envs::{Action, Env, EnvFamily, FirstPersonMazes, Maze, Pose, Result, SymbolicMazes, stream_rng};

const TURN_LEFT: usize = 0;
const TURN_RIGHT: usize = 1;
const FORWARD: usize = 2;

/// With one hand on the wall one sees every square of a maze without loops.
#[test]
fn a_hand_on_the_wall_finds_every_symbolic_goal() -> Result<()> {
    let family = SymbolicMazes { horizon: 200, ..SymbolicMazes::small() };
    let rng = &mut stream_rng(1, 0);
    for task in family.sample_tasks(rng, 200)? {
        let mut env = family.make(&task)?;
        let mut obs = [0.0; 6];
        env.reset(rng, &mut obs)?;
        let (mut sum, mut steps, mut turned) = (0.0, 0, false);
        loop {
            // Left if there is a way, unless that was just done; else ahead; else right.
            let action = match (obs[1] > 0.0 && !turned, obs[0] > 0.0) {
                (true, _) => TURN_LEFT,
                (false, true) => FORWARD,
                (false, false) => TURN_RIGHT,
            };
            turned = action == TURN_LEFT;
            let step = env.step(Action::Discrete(action), rng, &mut obs)?;
            (sum, steps) = (sum + step.reward, steps + 1);
            if step.done() {
                assert!(step.terminated, "{task:?}");
                assert!((sum - (1.0 - 0.04 * steps as f32)).abs() < 1e-4, "no wall was hit");
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn symbols_tell_ways_and_the_goal_in_sight() -> Result<()> {
    let family = SymbolicMazes::small();
    let rng = &mut stream_rng(2, 0);
    let mut seen = 0;
    for task in family.sample_tasks(rng, 400)? {
        let mut env = family.make(&task)?;
        let mut obs = [0.0; 6];
        env.reset(rng, &mut obs)?;
        // Walking up to a wall takes as many steps as were free, and finds a goal that was in sight.
        let free = (obs[0] * 7.0).round() as usize;
        let mut found = false;
        for _ in 0..free {
            let step = env.step(Action::Discrete(FORWARD), rng, &mut obs)?;
            assert!((step.reward + 0.04 - f32::from(u8::from(step.terminated))).abs() < 1e-6);
            found = step.terminated;
            if found {
                seen += 1;
                break;
            }
        }
        let mut again = family.make(&task)?;
        let mut first = [0.0; 6];
        again.reset(rng, &mut first)?;
        assert_eq!(found, first[3] == 1.0);
        if !found {
            let bump = env.step(Action::Discrete(FORWARD), rng, &mut obs)?;
            assert!((bump.reward + 0.041).abs() < 1e-6 && obs[0] == 0.0);
        }
    }
    // Of one to two squares in view one is the goal out of 16 others.
    assert!((10..80).contains(&seen), "{seen}");
    Ok(())
}

/// For every square the number of squares to the goal, by breadth-first search.
fn distances(maze: &Maze) -> Vec<Option<u32>> {
    let side = maze.side();
    let mut distances = vec![None; side * side];
    let mut queue = VecDeque::from([(maze.goal(), 0)]);
    while let Some(([x, y], distance)) = queue.pop_front() {
        if maze.is_wall([x, y]) || distances[y * side + x].is_some() {
            continue;
        }
        distances[y * side + x] = Some(distance);
        queue.extend([[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]].map(|next| (next, distance + 1)));
    }
    distances
}

/// Turns towards the middle of the next square on the way, and walks when it is ahead.
fn steer(maze: &Maze, distances: &[Option<u32>], pose: Pose) -> usize {
    let (x, y) = (pose.x as usize, pose.y as usize);
    let near = |[x, y]: [usize; 2]| distances[y * maze.side() + x].unwrap_or(u32::MAX);
    let neighbours = [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]];
    let next = neighbours.into_iter().min_by_key(|&square| near(square)).unwrap_or([x, y]);
    let wanted = -(next[1] as f32 + 0.5 - pose.y).atan2(next[0] as f32 + 0.5 - pose.x);
    let off = (wanted - pose.heading + PI).rem_euclid(TAU) - PI;
    match off {
        _ if off.abs() < 0.35 => FORWARD,
        _ if off > 0.0 => TURN_LEFT,
        _ => TURN_RIGHT,
    }
}

#[test]
fn a_guide_walks_to_every_first_person_goal() -> Result<()> {
    let rng = &mut stream_rng(3, 0);
    for (family, n_mazes) in [(FirstPersonMazes::small(), 100), (FirstPersonMazes::large(), 20)] {
        let mut total = 0;
        for task in family.sample_tasks(rng, n_mazes)? {
            let mut env = family.make(&task)?;
            let mut obs = vec![0.0; env.observation_space().size()];
            env.reset(rng, &mut obs)?;
            let distances = distances(&task);
            let last = loop {
                let action = steer(&task, &distances, env.inner().pose());
                let step = env.step(Action::Discrete(action), rng, &mut obs)?;
                total += 1;
                if step.done() {
                    break step;
                }
            };
            assert!(last.terminated, "{task:?}");
            assert!(last.reward > 0.95 && last.reward < 1.0);
        }
        // RL² needs 39 steps in small mazes that it has seen; someone with a map should not be far off.
        assert!((10..150).contains(&(total / n_mazes)), "{total} steps");
    }
    Ok(())
}
