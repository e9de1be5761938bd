//! The rooms as a grid of 13 × 13 squares, for tables.
//!
//! Actions 0 to 3 move left, right, up and down by one square; against a wall or the edge nothing happens. The
//! observation is the number of the state, square · 2¹² + inventory, out of 692,224. The size and the protocol are those
//! of the public replica of Barreto et al. 2017; the plan is our own.

use rand::RngCore;

use super::{CLASSES, FEATURES, OBJECTS, reward, sample_rewards, weights};
use crate::{Action, Env, EnvFamily, LinearReward, Result, Space, TimeLimit, Transition};

const SIDE: usize = 13;

/// `#` wall, `S` start, `G` goal, `a`, `b` and `c` objects of the three classes.
const PLAN: [&[u8; SIDE]; SIDE] = [
    b"b....c#a....G",
    b"......#......",
    b".............",
    b"......#......",
    b"......#......",
    b".....a#b....c",
    b"##.######.###",
    b".....c#a....b",
    b"......#......",
    b"......#......",
    b".............",
    b"......#......",
    b"S....b#c....a",
];

/// The distribution over class rewards, on a grid.
///
/// ```
/// use rekindle_envs::{Env, EnvFamily, GridRooms, Space};
/// let env = GridRooms::default().make(&[1.0, -1.0, 0.5])?;
/// assert_eq!(env.observation_space(), Space::discrete(13 * 13 << 12));
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridRooms {
    /// Steps after which an episode is truncated, `>= 1`. Default 200, the replica's.
    pub horizon: usize,
}

impl Default for GridRooms {
    fn default() -> Self {
        Self { horizon: 200 }
    }
}

impl EnvFamily for GridRooms {
    /// What an object of each class pays.
    type Task = [f32; CLASSES];
    type Env = TimeLimit<GridRoomsEnv>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<Self::Task> {
        Ok(sample_rewards(rng))
    }

    fn make(&self, rewards: &Self::Task) -> Result<Self::Env> {
        TimeLimit::new(GridRoomsEnv::new(rewards)?, self.horizon)
    }
}

/// The grid of one task, without a time limit.
#[derive(Clone, Debug, PartialEq)]
pub struct GridRoomsEnv {
    weights: [f32; FEATURES],
    features: [f32; FEATURES],
    /// Row and column.
    position: [usize; 2],
    /// Bit i is set when object i, in reading order, is gone.
    taken: usize,
}

impl GridRoomsEnv {
    /// Rooms in which an object of class c pays `rewards[c]`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a reward that is not finite.
    pub fn new(rewards: &[f32; CLASSES]) -> Result<Self> {
        Ok(Self { weights: weights(rewards)?, features: [0.0; FEATURES], position: start(), taken: 0 })
    }

    /// Row and column of the agent, from the upper left.
    pub fn position(&self) -> [usize; 2] {
        self.position
    }

    /// Rows of the plan: `#` wall, `S` start, `G` goal, `a`, `b`, `c` objects of the classes.
    pub fn plan() -> impl Iterator<Item = &'static [u8]> {
        PLAN.iter().map(|row| &row[..])
    }

    fn observe(&self, obs: &mut [f32]) {
        let [row, column] = self.position;
        obs.fill(((row * SIDE + column) << OBJECTS | self.taken) as f32);
    }

    fn target(&self, action: usize) -> Option<[usize; 2]> {
        let [row, column] = self.position;
        let [row, column] = match action {
            0 => [row, column.checked_sub(1)?],
            1 => [row, column + 1],
            2 => [row.checked_sub(1)?, column],
            _ => [row + 1, column],
        };
        (row < SIDE && column < SIDE && PLAN[row][column] != b'#').then_some([row, column])
    }

    /// Takes what lies in the square; whether it is the goal.
    fn touch(&mut self) -> bool {
        self.features = [0.0; FEATURES];
        let [row, column] = self.position;
        let sign = PLAN[row][column];
        if let Some(class) = class(sign) {
            let bit = 1 << objects_before(row * SIDE + column);
            if self.taken & bit == 0 {
                self.taken |= bit;
                self.features[class] = 1.0;
            }
        }
        self.features[CLASSES] = f32::from(u8::from(sign == b'G'));
        sign == b'G'
    }
}

fn class(sign: u8) -> Option<usize> {
    (b'a'..=b'c').contains(&sign).then(|| usize::from(sign - b'a'))
}

/// The signs of the plan in reading order.
fn signs() -> impl Iterator<Item = u8> {
    PLAN.iter().flat_map(|row| row.iter().copied())
}

/// Objects in the squares before this one: the number of one that lies in it.
fn objects_before(square: usize) -> usize {
    signs().take(square).filter(|sign| class(*sign).is_some()).count()
}

fn start() -> [usize; 2] {
    let square = signs().position(|sign| sign == b'S').expect("the plan above has a start");
    [square / SIDE, square % SIDE]
}

impl Env for GridRoomsEnv {
    fn observation_space(&self) -> Space {
        Space::discrete((SIDE * SIDE) << OBJECTS)
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        (self.position, self.taken) = (start(), 0);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        if let Some(to) = self.target(action.index(4)?) {
            self.position = to;
        }
        let reached = self.touch();
        self.observe(obs);
        Ok(Transition::new(reward(&self.features, &self.weights), reached))
    }
}

impl LinearReward for GridRoomsEnv {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn features(&self) -> &[f32] {
        &self.features
    }
}
