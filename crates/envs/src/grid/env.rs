//! Walking on a [`GridMap`].
//!
//! Actions 0 to 3 move left, right, up and down by one square; against a wall, a closed door without a key, or the edge
//! of the map nothing happens. With gravity the map is a side view: up only from a ladder, down only onto one, and
//! who does not stand on a wall, a door or a ladder, nor hang on a ladder, falls in the same step.

use std::sync::Arc;

use rand::RngCore;

use super::GridMap;
use super::map::{Direction, Square};
use crate::{Action, Env, Error, Result, Space, Transition, random};

/// Keys and doors are bits of one word.
const MOST_ITEMS: usize = 64;
/// Whole numbers up to here are f32 numbers.
const MOST_STATES: u128 = 1 << 24;
/// Planes of an observation: agent, wall, ladder, hazard, key, closed door, goal, keys held.
const PLANES: usize = 8;
const AGENT: usize = 0;
const KEY: usize = 4;
const DOOR: usize = 5;
const GOAL: usize = 6;
const HELD: usize = 7;

/// Rewards, added up where one step earns several.
#[derive(Clone, Debug, PartialEq)]
pub struct GridRewards {
    /// For a goal, which ends the episode.
    pub goal: f32,
    /// For a key.
    pub key: f32,
    /// For opening a door.
    pub door: f32,
    /// For a hazard or a deadly fall, which ends the episode.
    pub hazard: f32,
    /// For every step.
    pub step: f32,
}

impl Default for GridRewards {
    fn default() -> Self {
        Self { goal: 1.0, key: 0.0, door: 0.0, hazard: -1.0, step: 0.0 }
    }
}

/// What an agent sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridObservation {
    /// `[H, W, 8]`: planes of 0 and 1 for agent, wall, ladder, hazard, key, closed door and goal; the last one holds the
    /// share of the keys that is being carried.
    Planes,
    /// The number of the state, square × 2^items + items that are gone: for tables. Goals are not part of it.
    State,
}

/// Rules of a grid world. Defaults: seen from above, planes, goals shown.
#[derive(Clone, Debug, PartialEq)]
pub struct GridConfig {
    /// Rewards.
    pub rewards: GridRewards,
    /// Whether the map is seen from the side.
    pub gravity: bool,
    /// With gravity, the height in squares from which a fall is deadly; none is if absent.
    pub deadly_fall: Option<usize>,
    /// What the agent sees.
    pub observation: GridObservation,
    /// Whether planes show the goal.
    pub goal_visible: bool,
}

impl Default for GridConfig {
    fn default() -> Self {
        Self {
            rewards: GridRewards::default(),
            gravity: false,
            deadly_fall: None,
            observation: GridObservation::Planes,
            goal_visible: true,
        }
    }
}

impl GridConfig {
    /// For [`GridMap::montezuma`]: gravity, 1 for the key and 3 for a door (the original's 100 and 300 points), nothing
    /// else; a fall of three squares is deadly.
    pub fn montezuma() -> Self {
        let rewards = GridRewards { goal: 0.0, key: 1.0, door: 3.0, hazard: 0.0, step: 0.0 };
        Self { rewards, gravity: true, deadly_fall: Some(3), ..Self::default() }
    }
}

/// An agent on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct GridEnv {
    map: Arc<GridMap>,
    config: GridConfig,
    /// The goal that counts; all do if absent.
    goal: Option<usize>,
    /// The planes of a map with everything in its place and nobody there.
    background: Vec<f32>,
    position: usize,
    /// Bit i is set when key or door i is gone.
    gone: u64,
    keys: usize,
}

/// What the squares entered in one step earned.
#[derive(Default)]
struct Earned {
    reward: f32,
    terminated: bool,
}

impl GridEnv {
    /// An agent on `map`. All goals count, or only the one of that number.
    ///
    /// # Errors
    /// [`Error::Config`] for a goal that does not exist, or for a map of too many keys, doors or states.
    pub fn new(map: Arc<GridMap>, config: GridConfig, goal: Option<usize>) -> Result<Self> {
        if let Some(goal) = goal.filter(|goal| *goal >= map.n_goals()) {
            return Err(Error::config("goal", goal, "the number of one of the map's goals"));
        }
        if map.n_items() > MOST_ITEMS {
            return Err(Error::config(
                "map",
                format!("one with {} keys and doors", map.n_items()),
                "at most 64 of them",
            ));
        }
        let states = (map.squares().len() as u128) << map.n_items();
        if config.observation == GridObservation::State && states > MOST_STATES {
            return Err(Error::config(
                "map",
                format!("one with {states} states"),
                "at most 2^24 of them to be numbered",
            ));
        }
        let background = background(&map, &config, goal);
        let position = map.starts()[0];
        Ok(Self { map, config, goal, background, position, gone: 0, keys: 0 })
    }

    /// Row and column of the agent.
    pub fn position(&self) -> [usize; 2] {
        let [_, width] = self.map.size();
        [self.position / width, self.position % width]
    }

    /// Keys that the agent carries.
    pub fn keys(&self) -> usize {
        self.keys
    }

    fn is_gone(&self, item: usize) -> bool {
        self.gone >> item & 1 == 1
    }

    /// Whether the agent could be in the square as it is now; a door counts as closed until it has been opened.
    fn blocked(&self, square: usize) -> bool {
        match self.map.squares()[square] {
            Square::Wall => true,
            Square::Door(item) => !self.is_gone(item),
            _ => false,
        }
    }

    fn is_ladder(&self, square: Option<usize>) -> bool {
        square.is_some_and(|square| self.map.squares()[square] == Square::Ladder)
    }

    /// The square that a move leads to, opening a door on the way.
    fn target(&mut self, direction: Direction, earned: &mut Earned) -> Option<usize> {
        let to = self.map.neighbour(self.position, direction)?;
        let allowed = match direction {
            Direction::Up => !self.config.gravity || self.is_ladder(Some(self.position)),
            Direction::Down => !self.config.gravity || self.is_ladder(Some(self.position)) || self.is_ladder(Some(to)),
            Direction::Left | Direction::Right => true,
        };
        if !allowed {
            return None;
        }
        if let Square::Door(item) = self.map.squares()[to]
            && !self.is_gone(item)
            && self.keys > 0
        {
            self.keys -= 1;
            self.gone |= 1 << item;
            earned.reward += self.config.rewards.door;
        }
        (!self.blocked(to)).then_some(to)
    }

    /// Moves into a free square and takes what is there.
    fn enter(&mut self, square: usize, earned: &mut Earned) {
        self.position = square;
        match self.map.squares()[square] {
            Square::Hazard => self.die(earned),
            Square::Key(item) if !self.is_gone(item) => {
                self.gone |= 1 << item;
                self.keys += 1;
                earned.reward += self.config.rewards.key;
            }
            Square::Goal(number) if self.goal.is_none_or(|goal| goal == number) => {
                earned.reward += self.config.rewards.goal;
                earned.terminated = true;
            }
            _ => {}
        }
    }

    fn die(&self, earned: &mut Earned) {
        if !earned.terminated {
            earned.reward += self.config.rewards.hazard;
            earned.terminated = true;
        }
    }

    /// Falls until something holds.
    fn fall(&mut self, earned: &mut Earned) {
        let mut height = 0;
        while !earned.terminated {
            let below = self.map.neighbour(self.position, Direction::Down);
            let held = self.is_ladder(Some(self.position)) || self.is_ladder(below);
            let Some(below) = below.filter(|&below| !held && !self.blocked(below)) else { break };
            self.enter(below, earned);
            height += 1;
        }
        if self.config.deadly_fall.is_some_and(|deadly| height >= deadly.max(1)) {
            self.die(earned);
        }
    }

    fn observe(&self, obs: &mut [f32]) {
        if self.config.observation == GridObservation::State {
            let state = self.position << self.map.n_items() | self.gone as usize;
            obs.fill(state as f32);
            return;
        }
        obs.copy_from_slice(&self.background);
        obs[self.position * PLANES + AGENT] = 1.0;
        if self.gone == 0 {
            return;
        }
        let held = self.keys as f32 / self.map.n_keys() as f32;
        for (square, planes) in self.map.squares().iter().zip(obs.chunks_exact_mut(PLANES)) {
            match square {
                Square::Key(item) if self.is_gone(*item) => planes[KEY] = 0.0,
                Square::Door(item) if self.is_gone(*item) => planes[DOOR] = 0.0,
                _ => {}
            }
            planes[HELD] = held;
        }
    }
}

fn background(map: &GridMap, config: &GridConfig, goal: Option<usize>) -> Vec<f32> {
    let mut planes = vec![0.0; map.squares().len() * PLANES];
    for (square, planes) in map.squares().iter().zip(planes.chunks_exact_mut(PLANES)) {
        let plane = match square {
            Square::Floor => continue,
            Square::Wall => 1,
            Square::Ladder => 2,
            Square::Hazard => 3,
            Square::Key(_) => KEY,
            Square::Door(_) => DOOR,
            Square::Goal(number) if config.goal_visible && goal.is_none_or(|goal| goal == *number) => GOAL,
            Square::Goal(_) => continue,
        };
        planes[plane] = 1.0;
    }
    planes
}

impl Env for GridEnv {
    fn observation_space(&self) -> Space {
        let [height, width] = self.map.size();
        match self.config.observation {
            GridObservation::Planes => Space::boxed(0.0, 1.0, &[height, width, PLANES]),
            GridObservation::State => Space::discrete((height * width) << self.map.n_items()),
        }
    }

    fn action_space(&self) -> Space {
        Space::discrete(4)
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        let starts = self.map.starts();
        self.position = if starts.len() == 1 { starts[0] } else { starts[random::below(rng, starts.len())] };
        (self.gone, self.keys) = (0, 0);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let direction = Direction::ALL[action.index(4)?];
        let mut earned = Earned { reward: self.config.rewards.step, terminated: false };
        if let Some(to) = self.target(direction, &mut earned) {
            self.enter(to, &mut earned);
        }
        if self.config.gravity {
            self.fall(&mut earned);
        }
        self.observe(obs);
        Ok(Transition::new(earned.reward, earned.terminated))
    }
}
