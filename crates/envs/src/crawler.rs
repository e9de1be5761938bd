//! A crawler in the plane: it has to learn how to move before it can go anywhere.
//!
//! It has a heading, one of eight, and a stretch from 0 to its gait, 3 by default. Actions: 0 and 1 turn left and right by
//! 45°, 2 stretches by one, 3 pulls: from full stretch this moves it by 0.2 along its heading, from any other it moves
//! nothing. After a turn or a pull the stretch is 0. A move that would leave the ground is undone. So the skill is stretch,
//! stretch, stretch, pull, and the tasks differ in where to use it. Of random actions one in 4^(gait + 1) or so is a pull
//! that moves: a longer gait is harder to find.
//!
//! ```text
//! open ground   r = distance moved / 0.2            any direction is as good as any other; it never terminates
//! a corridor    r = way gained / 0.2, and at its end, which terminates, its length / 0.2 more
//! ```
//! A small stand-in for the quadruped of Haarnoja, Tang, Abbeel & Levine, *Reinforcement Learning with Deep Energy-Based
//! Policies*, ICML 2017, §5.3, which is rewarded for speed in any direction first, and for speed along a corridor later. Without
//! what its end pays, whoever expects to be paid for ever would rather not arrive.

use std::f64::consts::FRAC_PI_4;

use rand::RngCore;

use crate::{Action, Env, Error, Result, Space, TimeLimit, Transition, random};

const STRIDE: f64 = 0.2;
/// Points of a move that must lie on the ground.
const LOOKS: usize = 4;

/// Where the crawler lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// A square of side 6 around the start.
    Open,
    /// A room of side 1, and from its right side a corridor 2.5 long and 0.9 wide.
    Wide,
    /// The same, 0.3 wide.
    Narrow,
    /// A corridor 0.5 wide that goes right by 1, up by 1.2, and back left by 1.2.
    UShaped,
}

impl Ground {
    /// Rectangles whose union is the ground: left, right, lower and upper end of each.
    pub fn rectangles(self) -> &'static [[f64; 4]] {
        match self {
            Self::Open => &[[-3.0, 3.0, -3.0, 3.0]],
            Self::Wide => &[[-0.5, 0.5, -0.5, 0.5], [0.5, 3.0, -0.45, 0.45]],
            Self::Narrow => &[[-0.5, 0.5, -0.5, 0.5], [0.5, 3.0, -0.15, 0.15]],
            Self::UShaped => &[
                [-0.5, 0.5, -0.5, 0.5],
                [0.5, 1.25, -0.25, 0.25],
                [0.75, 1.25, -0.25, 1.45],
                [-0.45, 1.25, 0.95, 1.45],
            ],
        }
    }

    /// Corners of the middle line, from the start to the end; none on open ground.
    fn way(self) -> &'static [[f64; 2]] {
        match self {
            Self::Open => &[],
            Self::Wide | Self::Narrow => &[[0.0, 0.0], [3.0, 0.0]],
            Self::UShaped => &[[0.0, 0.0], [1.0, 0.0], [1.0, 1.2], [-0.45, 1.2]],
        }
    }

    fn holds(self, [x, y]: [f64; 2]) -> bool {
        let inside = |r: &[f64; 4]| r[0] <= x && x <= r[1] && r[2] <= y && y <= r[3];
        self.rectangles().iter().any(inside)
    }

    /// How far along the middle line the nearest of its points lies.
    fn along(self, place: [f64; 2]) -> f64 {
        let (mut before, mut best) = (0.0, (f64::INFINITY, 0.0));
        for ends in self.way().windows(2) {
            let [from, to] = [ends[0], ends[1]];
            let (piece, offset) = ([to[0] - from[0], to[1] - from[1]], [place[0] - from[0], place[1] - from[1]]);
            let length = libm::hypot(piece[0], piece[1]);
            let here = ((piece[0] * offset[0] + piece[1] * offset[1]) / length).clamp(0.0, length);
            let nearest = [piece[0] * here / length - offset[0], piece[1] * here / length - offset[1]];
            let distance = libm::hypot(nearest[0], nearest[1]);
            if distance < best.0 {
                best = (distance, before + here);
            }
            before += length;
        }
        best.1
    }

    fn length(self) -> f64 {
        self.way().windows(2).map(|ends| libm::hypot(ends[1][0] - ends[0][0], ends[1][1] - ends[0][1])).sum()
    }
}

/// A crawler on some ground. It starts at the origin without stretch; on open ground its heading is drawn, in a corridor
/// too. Observation `[5]`: x, y, cosine and sine of the heading, and the stretch from 0 to 1.
///
/// ```
/// use rekindle_envs::{Crawler, Ground, Single, VecEnv};
/// let mut envs = VecEnv::stack(&Single(Crawler::new(Ground::Narrow, 200)?), &[()], 4)?;
/// assert_eq!(envs.reset(0)?.len(), 4 * 5);
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Crawler {
    ground: Ground,
    gait: usize,
    position: [f64; 2],
    heading: usize,
    stretch: usize,
}

impl Crawler {
    /// A crawler that stretches three times before it pulls, and whose episodes are truncated after `horizon` steps, `>= 1`.
    ///
    /// # Errors
    /// [`Error::ZeroHorizon`](crate::Error::ZeroHorizon).
    #[allow(clippy::new_ret_no_self, reason = "a crawler that is never cut would be of no use on open ground")]
    pub fn new(ground: Ground, horizon: usize) -> Result<TimeLimit<Self>> {
        Self::with_gait(ground, 3, horizon)
    }

    /// A crawler that has to stretch `gait` times, `>= 1`, before a pull moves it.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a gait of 0, else as [`new`](Self::new).
    pub fn with_gait(ground: Ground, gait: usize, horizon: usize) -> Result<TimeLimit<Self>> {
        if gait == 0 {
            return Err(Error::config("gait", gait, "at least 1"));
        }
        TimeLimit::new(Self { ground, gait, position: [0.0; 2], heading: 0, stretch: 0 }, horizon)
    }

    /// Where it is.
    pub fn position(&self) -> [f64; 2] {
        self.position
    }

    fn observe(&self, obs: &mut [f32]) {
        let angle = FRAC_PI_4 * self.heading as f64;
        let stretch = self.stretch as f64 / self.gait as f64;
        let parts = [self.position[0], self.position[1], libm::cos(angle), libm::sin(angle), stretch];
        obs.iter_mut().zip(parts).for_each(|(x, part)| *x = part as f32);
    }

    /// Moves along the heading; what it pays.
    fn pull(&mut self) -> f64 {
        if std::mem::take(&mut self.stretch) < self.gait {
            return 0.0;
        }
        let angle = FRAC_PI_4 * self.heading as f64;
        let (from, ahead) = (self.position, [libm::cos(angle), libm::sin(angle)]);
        let at = |share: f64| [0, 1].map(|axis| from[axis] + share * STRIDE * ahead[axis]);
        if !(1..=LOOKS).all(|look| self.ground.holds(at(look as f64 / LOOKS as f64))) {
            return 0.0;
        }
        self.position = at(1.0);
        match self.ground {
            Ground::Open => 1.0,
            corridor => (corridor.along(self.position) - corridor.along(from)) / STRIDE,
        }
    }

    fn arrived(&self) -> bool {
        self.ground != Ground::Open && self.ground.along(self.position) >= self.ground.length() - STRIDE - 1e-9
    }
}

impl Env for Crawler {
    fn observation_space(&self) -> Space {
        Space::vector(&[-3.0, -3.0, -1.0, -1.0, 0.0], &[3.0, 3.0, 1.0, 1.0, 1.0])
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.position, self.heading, self.stretch) = ([0.0; 2], random::below(rng, 8), 0);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let mut reward = 0.0;
        match action.index(4)? {
            0 => (self.heading, self.stretch) = ((self.heading + 1) % 8, 0),
            1 => (self.heading, self.stretch) = ((self.heading + 7) % 8, 0),
            2 => self.stretch = (self.stretch + 1).min(self.gait),
            _ => reward = self.pull(),
        }
        self.observe(obs);
        let arrived = self.arrived();
        if arrived {
            reward += self.ground.length() / STRIDE;
        }
        Ok(Transition::new(reward as f32, arrived))
    }
}
