//! The shortest way through a maze of symbols: what an agent that knows the plan would take.

use std::collections::VecDeque;

use rekindle_envs::Maze;

/// A square and the quarter turns against the clock from looking right.
type Place = ([usize; 2], usize);

/// Steps from the start to the goal, a square or a quarter turn each; breadth first. None where there is no way.
pub(super) fn shortest(maze: &Maze) -> Option<usize> {
    let mut seen = vec![false; maze.side() * maze.side() * 4];
    let mut queue = VecDeque::from([((maze.start(), maze.heading() % 4), 0)]);
    while let Some((place, steps)) = queue.pop_front() {
        let ([x, y], heading) = place;
        if [x, y] == maze.goal() {
            return Some(steps);
        }
        if !std::mem::replace(&mut seen[(y * maze.side() + x) * 4 + heading], true) {
            queue.extend(next(maze, place).map(|place| (place, steps + 1)));
        }
    }
    None
}

/// Where a step may lead to; into a wall leads nowhere.
fn next(maze: &Maze, ([x, y], heading): Place) -> impl Iterator<Item = Place> + use<> {
    // Open squares have neighbours on all sides, since the outer ones are walls.
    let ahead = [[x + 1, y], [x, y - 1], [x - 1, y], [x, y + 1]][heading];
    let forward = (!maze.is_wall(ahead)).then_some((ahead, heading));
    [([x, y], (heading + 1) % 4), ([x, y], (heading + 3) % 4)].into_iter().chain(forward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_envs::{Action, Env, EnvFamily, SymbolicMazes, stream_rng};

    /// Every sequence of so many actions is tried: none shorter finds the goal, and one of that length does.
    #[test]
    fn no_sequence_of_actions_is_shorter() -> anyhow::Result<()> {
        let family = SymbolicMazes { cells: 2, horizon: 50 };
        for task in family.sample_tasks(&mut stream_rng(3, 0), 20)? {
            let steps = shortest(&task).expect("mazes are connected");
            if steps > 7 {
                continue;
            }
            for tried in 1..=steps {
                let finds = (0..3_usize.pow(tried as u32)).any(|code| finds(&family, &task, code, tried));
                assert_eq!(finds, tried == steps, "{tried} of {steps}");
            }
        }
        Ok(())
    }

    /// Whether the last of these actions, the digits of a number to base three, comes to the goal.
    fn finds(
        family: &SymbolicMazes,
        task: &<SymbolicMazes as EnvFamily>::Task,
        mut code: usize,
        actions: usize,
    ) -> bool {
        let mut env = family.make(task).expect("a maze");
        let (mut obs, rng) = ([0.0; 6], &mut stream_rng(0, 0));
        env.reset(rng, &mut obs).expect("a reset");
        for i in 1..=actions {
            let step = env.step(Action::Discrete(code % 3), rng, &mut obs).expect("one of three actions");
            code /= 3;
            if step.terminated {
                return i == actions;
            }
        }
        false
    }
}
