//! Coloured blocks on a plane, and bodies of different kinds that touch one of them: tasks × robots.
//!
//! Three blocks and the body lie anywhere in [−1, 1]². A task is the number of the block to touch, within 0.12, which pays
//! 1 and ends the episode. All bodies have four actions and move by 0.1, but not in the same way ([`Body`]). The first six
//! numbers of the observation belong to the task (blocks as seen from the body, x and y each), the last four to the robot
//! (its place, cosine and sine of its heading).
//!
//! A small stand-in for the arms and blocks of Devin, Gupta, Darrell, Abbeel & Levine, *Learning Modular Neural Network
//! Policies for Multi-Task and Multi-Robot Transfer*, ICRA 2017.

use std::f64::consts::{FRAC_PI_4, PI};

use rand::RngCore;

use crate::{Action, Env, EnvFamily, Error, Result, Space, TimeLimit, Transition, random};

const BLOCKS: usize = 3;
const MOVE: f64 = 0.1;
const REACH: f64 = 0.12;

/// How a body moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Left, right, up, down.
    Cross,
    /// Along the diagonals: from the first one, up right, by quarter turns against the clock.
    Diagonal,
    /// Turn left by 45°, turn right, forward, backward.
    Tank,
}

/// Tasks for one body: each is the number of a block.
///
/// ```
/// use rekindle_envs::{BlockReach, Body, EnvFamily};
/// let env = BlockReach { body: Body::Tank, horizon: 60 }.make(&2)?;
/// assert!(BlockReach { body: Body::Tank, horizon: 60 }.make(&3).is_err());
/// assert_eq!(env.inner().sizes(), [6, 4]);
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockReach {
    /// Who moves.
    pub body: Body,
    /// Steps after which an episode is truncated, `>= 1`.
    pub horizon: usize,
}

impl BlockReach {
    /// Blocks, and so tasks.
    pub const TASKS: usize = BLOCKS;
}

impl EnvFamily for BlockReach {
    /// Number of the block.
    type Task = usize;
    type Env = TimeLimit<BlockEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<usize> {
        Ok(random::below(rng, BLOCKS))
    }

    fn make(&self, block: &usize) -> Result<Self::Env> {
        if *block >= BLOCKS {
            return Err(Error::config("block", block, "the number of one of the three blocks"));
        }
        let env = BlockEnv { body: self.body, target: *block, blocks: [[0.0; 2]; BLOCKS], place: [0.0; 2], heading: 0 };
        TimeLimit::new(env, self.horizon)
    }
}

/// A body among blocks, one of which is to be touched.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockEnv {
    body: Body,
    target: usize,
    blocks: [[f64; 2]; BLOCKS],
    place: [f64; 2],
    /// Of eight.
    heading: usize,
}

impl BlockEnv {
    /// How many of the observation's numbers belong to the task, and how many to the robot.
    pub fn sizes(&self) -> [usize; 2] {
        [2 * BLOCKS, 4]
    }

    /// What somebody who knows the body does: the move that brings it nearest, or the turn that brings its heading nearest
    /// to the direction of the block. For learning by imitation.
    pub fn expert(&self) -> usize {
        let block = self.blocks[self.target];
        if self.body == Body::Tank {
            let [x, y] = [block[0] - self.place[0], block[1] - self.place[1]];
            let off = libm::atan2(y, x) - FRAC_PI_4 * self.heading as f64;
            let off = off - 2.0 * PI * libm::round(off / (2.0 * PI));
            return match off {
                off if off > FRAC_PI_4 / 2.0 => 0,
                off if off < -FRAC_PI_4 / 2.0 => 1,
                _ => 2,
            };
        }
        let after = |action: usize| distance(self.moved(action), block);
        (1..4).fold(0, |best, action| if after(action) < after(best) { action } else { best })
    }

    /// Where an action that does not turn leads to, within the plane's bounds.
    fn moved(&self, action: usize) -> [f64; 2] {
        let angle = match self.body {
            Body::Cross => [PI, 0.0, PI / 2.0, -PI / 2.0][action],
            Body::Diagonal => FRAC_PI_4 + PI / 2.0 * action as f64,
            Body::Tank => FRAC_PI_4 * self.heading as f64 + if action == 3 { PI } else { 0.0 },
        };
        let ahead = [libm::cos(angle), libm::sin(angle)];
        [0, 1].map(|axis| (self.place[axis] + MOVE * ahead[axis]).clamp(-1.0, 1.0))
    }

    fn observe(&self, obs: &mut [f32]) {
        let seen = self.blocks.iter().flat_map(|block| [block[0] - self.place[0], block[1] - self.place[1]]);
        let angle = FRAC_PI_4 * self.heading as f64;
        let own = [self.place[0], self.place[1], libm::cos(angle), libm::sin(angle)];
        obs.iter_mut().zip(seen.chain(own)).for_each(|(x, value)| *x = value as f32);
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    libm::hypot(a[0] - b[0], a[1] - b[1])
}

impl Env for BlockEnv {
    fn observation_space(&self) -> Space {
        let high = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0];
        Space::vector(&high.map(|x| -x), &high)
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        let mut place = || [0; 2].map(|_| 2.0 * random::unit_f64(rng) - 1.0);
        self.blocks = [0; BLOCKS].map(|_| place());
        self.place = place();
        self.heading = random::below(rng, 8);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        match (self.body, action.index(4)?) {
            (Body::Tank, 0) => self.heading = (self.heading + 1) % 8,
            (Body::Tank, 1) => self.heading = (self.heading + 7) % 8,
            (_, action) => self.place = self.moved(action),
        }
        self.observe(obs);
        let touched = distance(self.place, self.blocks[self.target]) <= REACH;
        Ok(Transition::new(f32::from(u8::from(touched)), touched))
    }
}
