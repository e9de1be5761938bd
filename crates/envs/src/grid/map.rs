//! The map of a grid world, read from text.
//!
//! | sign | what it is |
//! |---|---|
//! | `#` | wall |
//! | `.` or a blank | floor, or air in a side view |
//! | `S` | start; one of several is drawn at random |
//! | `G` | goal, ends the episode |
//! | `k` | key, taken by walking over it |
//! | `D` | door, opened with a key, which it uses up |
//! | `H` | ladder or rope |
//! | `x` | hazard, ends the episode |

use crate::{Error, Result};

/// What stands in one square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Square {
    Floor,
    Wall,
    Ladder,
    Hazard,
    /// Number of the goal, in reading order.
    Goal(usize),
    /// Number of the key or door among all of these, in reading order: its bit in the state.
    Key(usize),
    /// As for a key.
    Door(usize),
}

/// A rectangular map with at least one start and one goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridMap {
    width: usize,
    squares: Vec<Square>,
    starts: Vec<usize>,
    n_goals: usize,
    n_items: usize,
    n_keys: usize,
}

impl GridMap {
    /// Reads a map; lines are rows, blank lines at both ends do not count.
    ///
    /// # Errors
    /// [`Error::Map`] with line and column for an unknown sign, rows of different lengths, and a map without a start or
    /// without a goal.
    pub fn parse(text: &str) -> Result<Self> {
        let rows: Vec<&str> = text.trim_matches('\n').lines().collect();
        let width = rows.first().map_or(0, |row| row.chars().count());
        let mut map = Self { width, squares: Vec::new(), starts: Vec::new(), n_goals: 0, n_items: 0, n_keys: 0 };
        for (line, row) in (1..).zip(&rows) {
            let found = row.chars().count();
            if found != width {
                return Err(wrong(line, found, format!("the row has {found} squares, the first one has {width}")));
            }
            for (column, sign) in (1..).zip(row.chars()) {
                map.push(sign).map_err(|reason| wrong(line, column, reason))?;
            }
        }
        if map.starts.is_empty() {
            return Err(wrong(1, 1, "the map has no start `S`".into()));
        }
        if map.n_goals == 0 {
            return Err(wrong(1, 1, "the map has no goal `G`".into()));
        }
        Ok(map)
    }

    /// A room in the manner of the first one of *Montezuma's Revenge*, seen from the side: down the ladder, over the
    /// rope, past the hazards, up to the key, all the way back, and out through either door. The shortest way out takes
    /// 39 steps. It asks for gravity: [`GridConfig::montezuma`](super::GridConfig::montezuma).
    pub fn montezuma() -> Self {
        const ROOM: &str = "\
#############
#GD...S...DG#
######H######
#k..#.H.....#
###H#####H###
#..HHHHHHH..#
#..H.xxx.H..#
#############";
        Self::parse(ROOM).expect("the room above follows the rules, as a test shows")
    }

    fn push(&mut self, sign: char) -> Result<(), String> {
        let square = match sign {
            '#' => Square::Wall,
            '.' | ' ' | 'S' => Square::Floor,
            'H' => Square::Ladder,
            'x' => Square::Hazard,
            'G' => Square::Goal(self.n_goals),
            'k' => Square::Key(self.n_items),
            'D' => Square::Door(self.n_items),
            other => return Err(format!("`{other}` means nothing; use one of # . S G k D H x")),
        };
        match square {
            Square::Goal(_) => self.n_goals += 1,
            Square::Key(_) => (self.n_items, self.n_keys) = (self.n_items + 1, self.n_keys + 1),
            Square::Door(_) => self.n_items += 1,
            _ if sign == 'S' => self.starts.push(self.squares.len()),
            _ => {}
        }
        self.squares.push(square);
        Ok(())
    }

    /// Height and width in squares, `[H, W]`.
    pub fn size(&self) -> [usize; 2] {
        [self.squares.len() / self.width, self.width]
    }

    /// Number of goals.
    pub fn n_goals(&self) -> usize {
        self.n_goals
    }

    /// Number of keys and doors.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    pub(super) fn n_keys(&self) -> usize {
        self.n_keys
    }

    pub(super) fn squares(&self) -> &[Square] {
        &self.squares
    }

    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The square beside `from`, unless the map ends there.
    pub(super) fn neighbour(&self, from: usize, direction: Direction) -> Option<usize> {
        let column = from % self.width;
        match direction {
            Direction::Left => (column > 0).then(|| from - 1),
            Direction::Right => (column + 1 < self.width).then(|| from + 1),
            Direction::Up => from.checked_sub(self.width),
            Direction::Down => Some(from + self.width).filter(|to| *to < self.squares.len()),
        }
    }
}

fn wrong(line: usize, column: usize, reason: String) -> Error {
    Error::Map { line, column, reason }
}

/// The four moves, in the order of the actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Left,
    Right,
    Up,
    Down,
}

impl Direction {
    pub(super) const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Up, Self::Down];
}
