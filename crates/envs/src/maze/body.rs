//! A body with Doom's laws of motion, tic by tic (35 tics a second).
//!
//! ```text
//! turning: 1.758° in each of the first 5 tics, then 3.516°            (320 and 640 of 65536 parts of a turn)
//! v ← v + 0.78125·(direction), when going forward;   p ← p + v;   v ← 0.90625·v
//! ```
//! The body is a square of half width 16 with its sides along the axes; walls stop it along each axis apart, so that it
//! slides along them. Below 1/16 of a unit a tic a body that is not pushed stands still. Constants are those of the
//! engine; turning and forward motion were measured to agree with it.

use super::Move;
use super::layout::{Maze, Pose};

/// Side of a square of the maze.
pub(super) const SQUARE: f32 = 96.0;
const RADIUS: f32 = 16.0;
const THRUST: f32 = 0.78125;
const FRICTION: f32 = 0.90625;
const STOP_SPEED: f32 = 0.0625;
const SLOW_TURN: u16 = 320;
const FAST_TURN: u16 = 640;
const SLOW_TICS: u32 = 5;

/// Position, momentum and direction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    /// Units from the left and upper edges.
    pub(super) position: [f32; 2],
    momentum: [f32; 2],
    /// 65536 parts of a turn, against the clock from looking right.
    angle: u16,
    /// Cosine and sine of the angle.
    pub(super) direction: [f32; 2],
    /// For how many tics it has been turning without a pause.
    turning: u32,
}

impl Body {
    pub(super) fn new(maze: &Maze) -> Self {
        let position = maze.start().map(|square| (square as f32 + 0.5) * SQUARE);
        let angle = (maze.heading() as u16 % 4) << 14;
        Self { position, momentum: [0.0; 2], angle, direction: direction(angle), turning: 0 }
    }

    pub(super) fn pose(&self) -> Pose {
        let [x, y] = self.position.map(|units| units / SQUARE);
        Pose { x, y, heading: radians(self.angle) }
    }

    /// The square that the middle of the body is in.
    pub(super) fn square(&self) -> [usize; 2] {
        self.position.map(|units| (units / SQUARE) as usize)
    }

    /// One tic; whether a wall was hit.
    pub(super) fn tic(&mut self, action: Move, maze: &Maze) -> bool {
        match action {
            Move::TurnLeft | Move::TurnRight => self.turn(action),
            Move::Forward => {
                self.turning = 0;
                let [cos, sin] = self.direction;
                // The y axis points down, angles go against the clock.
                self.momentum[0] += THRUST * cos;
                self.momentum[1] -= THRUST * sin;
            }
        }
        let hit = [0, 1].map(|axis| self.slide(axis, maze));
        let resting = action != Move::Forward && self.momentum.iter().all(|speed| speed.abs() < STOP_SPEED);
        self.momentum = if resting { [0.0; 2] } else { self.momentum.map(|speed| speed * FRICTION) };
        hit[0] || hit[1]
    }

    fn turn(&mut self, action: Move) {
        let by = if self.turning < SLOW_TICS { SLOW_TURN } else { FAST_TURN };
        self.turning += 1;
        let turned = if action == Move::TurnLeft { u16::wrapping_add } else { u16::wrapping_sub };
        self.angle = turned(self.angle, by);
        self.direction = direction(self.angle);
    }

    /// Moves along one axis up to the next wall, which takes the momentum along that axis; whether one was hit.
    fn slide(&mut self, axis: usize, maze: &Maze) -> bool {
        let speed = self.momentum[axis];
        if speed == 0.0 {
            return false;
        }
        let to = self.position[axis] + speed;
        let edge = ((to + RADIUS.copysign(speed)) / SQUARE).floor();
        // Squares that the body touches with its side alone do not hold it.
        let side = self.position[1 - axis];
        let from = ((side - RADIUS) / SQUARE).floor() as usize;
        let until = ((side + RADIUS) / SQUARE).ceil() as usize;
        let square = |other: usize| if axis == 0 { [edge as usize, other] } else { [other, edge as usize] };
        if !(from..until).any(|other| maze.is_wall(square(other))) {
            self.position[axis] = to;
            return false;
        }
        let wall = if speed > 0.0 { edge * SQUARE - RADIUS } else { (edge + 1.0) * SQUARE + RADIUS };
        self.position[axis] = wall;
        self.momentum[axis] = 0.0;
        true
    }
}

fn radians(angle: u16) -> f32 {
    f32::from(angle) * (std::f32::consts::TAU / 65536.0)
}

fn direction(angle: u16) -> [f32; 2] {
    // Exact along the axes, where most walking is done.
    match angle {
        0 => [1.0, 0.0],
        0x4000 => [0.0, 1.0],
        0x8000 => [-1.0, 0.0],
        0xC000 => [0.0, -1.0],
        _ => [libm::cosf(radians(angle)), libm::sinf(radians(angle))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream_rng;

    /// A maze whose start has a way of at least two squares ahead.
    fn with_a_way_ahead() -> Maze {
        let mut rng = stream_rng(1, 0);
        loop {
            let maze = Maze::sample(4, &mut rng).expect("four cells make a maze");
            let one = super::super::layout::ahead(maze.start(), maze.heading());
            if !maze.is_wall(one) && !maze.is_wall(super::super::layout::ahead(one, maze.heading())) {
                return maze;
            }
        }
    }

    /// After t tics from rest at full thrust the distance is Σ_{k=1..t} 0.78125 (1 − 0.90625^k)/(1 − 0.90625).
    #[test]
    fn forward_motion_follows_the_law() {
        let maze = with_a_way_ahead();
        let mut body = Body::new(&maze);
        let start = body.position;
        let mut expected = 0.0;
        for k in 1..=20 {
            body.tic(Move::Forward, &maze);
            expected += 0.78125 * (1.0 - 0.90625_f32.powi(k)) / (1.0 - 0.90625);
            let gone = (body.position[0] - start[0]).abs() + (body.position[1] - start[1]).abs();
            assert!((gone - expected).abs() < 1e-3, "tic {k}: {gone}, not {expected}");
        }
        // Without thrust it glides to a halt.
        for _ in 0..60 {
            body.tic(Move::TurnLeft, &maze);
        }
        assert_eq!(body.momentum, [0.0; 2]);
    }

    #[test]
    fn turning_is_slow_for_five_tics_of_every_turn() {
        let maze = with_a_way_ahead();
        let mut body = Body::new(&maze);
        let first = body.angle;
        let turned = |body: &mut Body, action, tics: usize| {
            for _ in 0..tics {
                body.tic(action, &maze);
            }
            body.angle.wrapping_sub(first)
        };
        assert_eq!(turned(&mut body, Move::TurnLeft, 4), 4 * 320);
        assert_eq!(turned(&mut body, Move::TurnLeft, 4), 5 * 320 + 3 * 640);
        assert_eq!(turned(&mut body, Move::Forward, 1), 5 * 320 + 3 * 640);
        assert_eq!(turned(&mut body, Move::TurnRight, 1), 4 * 320 + 3 * 640);
    }

    #[test]
    fn walls_hold_the_body_at_its_radius() {
        let mut rng = stream_rng(2, 0);
        for _ in 0..50 {
            let maze = Maze::sample(3, &mut rng).expect("three cells make a maze");
            let mut body = Body::new(&maze);
            let mut hit = false;
            for tic in 0..400 {
                // Wander: mostly forward, turning now and then.
                let action = if tic % 40 < 25 { Move::Forward } else { Move::TurnLeft };
                hit |= body.tic(action, &maze);
                for corner in [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]] {
                    let inside = [0, 1].map(|axis| body.position[axis] + corner[axis] * (RADIUS - 1e-3));
                    assert!(!maze.is_wall(inside.map(|units| (units / SQUARE) as usize)), "{body:?}");
                }
            }
            assert!(hit);
        }
    }
}
