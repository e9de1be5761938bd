//! The rooms as a piece of the plane.
//!
//! The agent is a point of [0, 1]². Actions 0 to 3 move it left, right, up and down by 0.05 + N(0, 0.005²); a move that
//! would leave the square or touch a wall is undone. Walls are 0.04 wide, objects have radius 0.04, and the goal is a
//! circle of radius 0.1 in the upper right corner. Moves are longer than walls are wide, so the whole way of a move is
//! looked at, not its end.

use rand::RngCore;

use super::{CLASSES, FEATURES, OBJECTS, reward, sample_rewards, weights};
use crate::{Action, Env, EnvFamily, LinearReward, Result, Space, TimeLimit, Transition, random};

const MOVE: f64 = 0.05;
const NOISE: f64 = 0.005;
const OBJECT_RADIUS: f64 = 0.04;
const GOAL: [f64; 2] = [0.9, 0.9];
const GOAL_RADIUS: f64 = 0.1;
const START: [f64; 2] = [0.1, 0.1];

/// Left and right, lower and upper end of each piece of wall: both walls have a door of 0.12 in the middle of each half.
const WALLS: [[f64; 4]; 6] = [
    [0.48, 0.52, 0.0, 0.19],
    [0.48, 0.52, 0.31, 0.69],
    [0.48, 0.52, 0.81, 1.0],
    [0.0, 0.19, 0.48, 0.52],
    [0.31, 0.69, 0.48, 0.52],
    [0.81, 1.0, 0.48, 0.52],
];

/// Middle and class of each object, room by room.
const PLACES: [([f64; 2], usize); OBJECTS] = [
    ([0.08, 0.40], 0),
    ([0.40, 0.40], 1),
    ([0.40, 0.08], 2),
    ([0.60, 0.40], 0),
    ([0.92, 0.40], 2),
    ([0.92, 0.08], 1),
    ([0.08, 0.60], 2),
    ([0.40, 0.60], 0),
    ([0.08, 0.92], 1),
    ([0.60, 0.60], 1),
    ([0.92, 0.60], 0),
    ([0.60, 0.92], 2),
];

/// The distribution over class rewards. Observation `[14]`: x, y, and a 1 for each object that is gone.
///
/// ```
/// use rekindle_envs::{Action, Env, EnvFamily, FourRooms, LinearReward, env_rng};
/// let family = FourRooms::default();
/// let mut env = family.make(&[0.5, -1.0, 0.25])?;
/// let (rng, mut obs) = (&mut env_rng(0, 0, 0), [0.0; 14]);
/// env.reset(rng, &mut obs)?;
/// let step = env.step(Action::Discrete(1), rng, &mut obs)?;
/// let linear: f32 = env.features().iter().zip(env.weights()).map(|(phi, w)| phi * w).sum();
/// assert_eq!(step.reward, linear);
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FourRooms {
    /// Steps after which an episode is truncated, `>= 1`. Default 20,000, the length of a task in the paper, where nothing but
    /// the goal ends an episode.
    pub horizon: usize,
}

impl Default for FourRooms {
    fn default() -> Self {
        Self { horizon: 20_000 }
    }
}

impl EnvFamily for FourRooms {
    /// What an object of each class pays.
    type Task = [f32; CLASSES];
    type Env = TimeLimit<FourRoomsEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        Ok(sample_rewards(rng))
    }

    fn make(&self, rewards: &Self::Task) -> Result<Self::Env> {
        TimeLimit::new(FourRoomsEnv::new(rewards)?, self.horizon)
    }
}

/// The rooms of one task, without a time limit.
#[derive(Clone, Debug, PartialEq)]
pub struct FourRoomsEnv {
    weights: [f32; FEATURES],
    features: [f32; FEATURES],
    position: [f64; 2],
    taken: [bool; OBJECTS],
}

impl FourRoomsEnv {
    /// Rooms in which an object of class c pays `rewards[c]`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a reward that is not finite.
    pub fn new(rewards: &[f32; CLASSES]) -> Result<Self> {
        let weights = weights(rewards)?;
        Ok(Self { weights, features: [0.0; FEATURES], position: START, taken: [false; OBJECTS] })
    }

    /// Where the agent is.
    pub fn position(&self) -> [f64; 2] {
        self.position
    }

    /// Puts the agent somewhere, taking nothing.
    pub fn set_position(&mut self, position: [f64; 2]) {
        self.position = position;
    }

    /// Pieces of wall: left, right, lower and upper end of each.
    pub fn walls() -> &'static [[f64; 4]] {
        &WALLS
    }

    /// Middle and class of every object, all of radius 0.04.
    pub fn objects() -> &'static [([f64; 2], usize)] {
        &PLACES
    }

    /// Middle and radius of the goal.
    pub fn goal() -> ([f64; 2], f64) {
        (GOAL, GOAL_RADIUS)
    }

    fn observe(&self, obs: &mut [f32]) {
        obs[..2].copy_from_slice(&self.position.map(|x| x as f32));
        obs[2..].iter_mut().zip(self.taken).for_each(|(bit, taken)| *bit = f32::from(u8::from(taken)));
    }

    /// Takes what is touched; whether the goal is reached.
    fn touch(&mut self) -> bool {
        self.features = [0.0; FEATURES];
        for ((place, class), taken) in PLACES.iter().zip(&mut self.taken) {
            if !*taken && distance(*place, self.position) <= OBJECT_RADIUS {
                *taken = true;
                self.features[*class] += 1.0;
            }
        }
        let reached = distance(GOAL, self.position) <= GOAL_RADIUS;
        self.features[CLASSES] = f32::from(u8::from(reached));
        reached
    }
}

/// Whether the way between two points, along one axis, leaves the square or touches a wall.
fn blocked(from: [f64; 2], to: [f64; 2]) -> bool {
    let outside = to.iter().any(|x| !(0.0..=1.0).contains(x));
    let [[left, right], [lower, upper]] = [0, 1].map(|axis| [from[axis].min(to[axis]), from[axis].max(to[axis])]);
    let hits = |wall: &[f64; 4]| left <= wall[1] && wall[0] <= right && lower <= wall[3] && wall[2] <= upper;
    outside || WALLS.iter().any(hits)
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    libm::hypot(a[0] - b[0], a[1] - b[1])
}

impl Env for FourRoomsEnv {
    fn observation_space(&self) -> Space {
        Space::boxed(0.0, 1.0, &[2 + OBJECTS])
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.position, self.taken) = (START, [false; OBJECTS]);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let (axis, sign) = [(0, -1.0), (0, 1.0), (1, 1.0), (1, -1.0)][action.index(4)?];
        let mut to = self.position;
        to[axis] += sign * (MOVE + NOISE * random::normal(rng));
        if !blocked(self.position, to) {
            self.position = to;
        }
        let reached = self.touch();
        self.observe(obs);
        Ok(Transition::new(reward(&self.features, &self.weights), reached))
    }
}

impl LinearReward for FourRoomsEnv {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn features(&self) -> &[f32] {
        &self.features
    }
}
