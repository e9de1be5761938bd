//! Mazes from above, with the ways that an agent took.

use std::sync::Arc;

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_envs::{EnvFamily, FirstPersonMaze, Maze, Pose, SymbolicMaze, TimeLimit};
use rekindle_rl::Policy;

use super::canvas::{BLUE, Canvas, GREEN, GREY, ORANGE};
use super::episodes::Play;
use crate::Image;

/// Environments whose agent can be looked at from above.
pub(super) trait InMaze {
    fn pose(&self) -> Pose;
}

impl InMaze for TimeLimit<SymbolicMaze> {
    fn pose(&self) -> Pose {
        self.inner().pose()
    }
}

impl InMaze for TimeLimit<FirstPersonMaze> {
    fn pose(&self) -> Pose {
        self.inner().pose()
    }
}

/// A trial in one maze.
pub(super) struct Walk {
    maze: Arc<Maze>,
    /// Places of each episode, in squares from the left and from the top.
    ways: Vec<Vec<[f64; 2]>>,
    /// Whether each episode ended at the goal.
    found: Vec<bool>,
}

impl Walk {
    /// Plays a trial and looks where the agent is before every step.
    pub(super) fn play<F>(
        play: &Play,
        mazes: &F,
        maze: &Arc<Maze>,
        (policy, params): (&Policy, &Params),
    ) -> Result<Self>
    where
        F: EnvFamily<Task = Arc<Maze>, Env: InMaze>,
    {
        let mut player = play.player(mazes, std::slice::from_ref(maze))?;
        let mut walk = Self { maze: maze.clone(), ways: vec![Vec::new()], found: Vec::new() };
        while walk.found.len() < play.episodes {
            if let Some(env) = player.env().env(0) {
                let pose = env.inner().inner().pose();
                walk.go([f64::from(pose.x), f64::from(pose.y)]);
            }
            let step = player.collect(policy, params, 1)?;
            if step.episode_ended[0] {
                walk.end(step.rewards[0] > 0.0);
            }
        }
        walk.ways.truncate(play.episodes);
        Ok(walk)
    }

    fn go(&mut self, place: [f64; 2]) {
        if let Some(way) = self.ways.last_mut() {
            way.push(place);
        }
    }

    /// The environment begins anew in the step that ends an episode, so that the last place is known only at the goal.
    fn end(&mut self, found: bool) {
        if found {
            self.go(middle(self.maze.goal()));
        }
        self.found.push(found);
        self.ways.push(Vec::new());
    }

    /// The first episode in orange, below the second in blue.
    pub(super) fn picture(&self) -> Result<Image> {
        let half = self.maze.side() as f64 / 2.0;
        // Mazes are read from the top.
        let up = |[x, y]: [f64; 2]| [x, -y];
        let square = |canvas: &mut Canvas, [x, y]: [f64; 2], colour| {
            canvas.rectangle(up([x, y + 1.0]), up([x + 1.0, y]), colour);
        };
        let mut canvas = Canvas::new(up([half, half]), half);
        for (i, _) in self.maze.walls().iter().enumerate().filter(|(_, wall)| **wall) {
            square(&mut canvas, [(i % self.maze.side()) as f64, (i / self.maze.side()) as f64], GREY);
        }
        square(&mut canvas, self.maze.goal().map(|x| x as f64), GREEN);
        for (way, (width, colour)) in self.ways.iter().zip([(6.0, ORANGE), (2.5, BLUE)]) {
            let way: Vec<[f64; 2]> = way.iter().map(|&place| up(place)).collect();
            canvas.path(&way, width, colour);
        }
        canvas.disc(up(middle(self.maze.start())), 4.0, [0.2; 3]);
        canvas.image(self.caption())
    }

    /// `12, then 5 steps`.
    fn caption(&self) -> String {
        let length = |(way, found): (&Vec<[f64; 2]>, &bool)| {
            if *found { (way.len() - 1).to_string() } else { "not found".to_owned() }
        };
        let lengths: Vec<String> = self.ways.iter().zip(&self.found).map(length).collect();
        lengths.join(", then ")
    }
}

fn middle([x, y]: [usize; 2]) -> [f64; 2] {
    [x as f64 + 0.5, y as f64 + 0.5]
}
