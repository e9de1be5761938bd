//! Catch: move a paddle under a falling ball.
//!
//! The ball starts in a random column of the top row and falls one row a step; the paddle starts in the middle of the
//! bottom row and moves by −1, 0 or 1 (actions 0, 1, 2). In the step that brings the ball to the bottom row the reward
//! is 1 if the paddle is there, else −1, and the episode terminates; otherwise it is 0. Observation: the board
//! `[H, W]`, 1 where the ball or the paddle is. As in bsuite (Osband et al., *Behaviour Suite for Reinforcement
//! Learning*, 2020), with its 10 rows and 5 columns by default: always perfect play, mean return 1, is possible.

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, Transition, random};

/// The game, ball and paddle included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    rows: usize,
    columns: usize,
    /// Row and column.
    ball: (usize, usize),
    paddle: usize,
}

impl Default for Catch {
    fn default() -> Self {
        Self { rows: 10, columns: 5, ball: (0, 0), paddle: 2 }
    }
}

impl Catch {
    /// A board of `rows >= 2` and `columns >= 1`.
    ///
    /// # Errors
    /// [`Error::Config`] for a board on which no ball can fall.
    pub fn new(rows: usize, columns: usize) -> Result<Self> {
        if rows < 2 {
            return Err(Error::config("rows", rows, "at least 2"));
        }
        if columns < 1 {
            return Err(Error::config("columns", columns, "at least 1"));
        }
        Ok(Self { rows, columns, ball: (0, 0), paddle: columns / 2 })
    }

    fn observe(&self, obs: &mut [f32]) {
        obs.fill(0.0);
        obs[self.ball.0 * self.columns + self.ball.1] = 1.0;
        obs[(self.rows - 1) * self.columns + self.paddle] = 1.0;
    }
}

impl Env for Catch {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 1.0, &[self.rows, self.columns])
    }

    fn action_space(&self) -> Space {
        Space::discrete(3)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.ball = (0, random::below(rng, self.columns));
        self.paddle = self.columns / 2;
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        self.paddle = (self.paddle + action.index(3)?).saturating_sub(1).min(self.columns - 1);
        self.ball.0 = (self.ball.0 + 1).min(self.rows - 1);
        self.observe(obs);
        let landed = self.ball.0 == self.rows - 1;
        let reward = match (landed, self.paddle == self.ball.1) {
            (false, _) => 0.0,
            (true, true) => 1.0,
            (true, false) => -1.0,
        };
        Ok(Transition::new(reward, landed))
    }
}
