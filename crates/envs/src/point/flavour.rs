//! The rules of each paper, side by side.

use std::f32::consts::PI;

use rand::RngCore;

use crate::random;

type Point = [f32; 2];

/// Whose rules a point moves by.
///
/// | flavour | goals | start | a_max | reward | ends | horizon |
/// |---|---|---|---|---|---|---|
/// | `Maml` | U[−0.5, 0.5]² | 0 | 0.1 | −‖p − g‖ | both distances below 0.01 | 100 |
/// | `ProMpCorners` | (±2, ±2) | U[−0.2, 0.2]² | 0.2 | [`CornerReward`] | never | 100 |
/// | `Pearl` | U[−1, 1]² | U[−1, 1]² | 0.1 | −‖p − g‖ | never | 20 |
/// | `PearlHalfCircle` | on a half circle of radius 1 | 0 | 0.1 | −‖p − g‖, or sparse | never | 20 |
/// | `Lecture` | U[−10, 10]² | 0 | 1 | −‖p − g‖ | never | 20 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointFlavour {
    /// Finn, Abbeel & Levine, *Model-Agnostic Meta-Learning*, 2017, §5.3. As in the authors' code: the paper's text has
    /// the squared distance for the reward, code and published returns have the distance.
    Maml,
    /// Rothfuss et al., *ProMP: Proximal Meta-Policy Search*, 2019: four corners.
    ProMpCorners {
        /// Which of the three rewards of the authors' code.
        reward: CornerReward,
    },
    /// Rakelly et al., *Efficient Off-Policy Meta-Reinforcement Learning via Probabilistic Context Variables*, 2019:
    /// goals and starts anywhere in the square.
    Pearl,
    /// PEARL's exploration problem: goals on the upper half circle. The authors' code spreads its tasks evenly over the
    /// angle; here the angle is uniform on [0, π].
    PearlHalfCircle {
        /// Sparse, as in PEARL's test: 1 − ‖p − g‖ within 0.2 of the goal, else 0. Otherwise the dense reward that it
        /// meta-trains on.
        sparse: bool,
    },
    /// The toy problem of goal-conditioned and recurrent agents: a goal far away, say (−10, −10), as context or hidden.
    /// The source states start, reward and example; a_max, horizon and range of goals are ours.
    Lecture,
}

/// Rewards of [`PointFlavour::ProMpCorners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CornerReward {
    /// 0 within an L1 norm of 0.5 around the origin; beyond it, where the goal is the nearest corner, the approach in
    /// this step ‖p_t − g‖ − ‖p_{t+1} − g‖; else 0. The default of the authors' code.
    Sparse,
    /// −‖p − g‖.
    Dense,
    /// −‖p − g‖².
    DenseSquared,
}

impl PointFlavour {
    /// The paper's horizon.
    pub const fn horizon(self) -> usize {
        match self {
            Self::Maml | Self::ProMpCorners { .. } => 100,
            Self::Pearl | Self::PearlHalfCircle { .. } | Self::Lecture => 20,
        }
    }

    /// The longest step along an axis, a_max.
    pub const fn max_step(self) -> f32 {
        match self {
            Self::Maml | Self::Pearl | Self::PearlHalfCircle { .. } => 0.1,
            Self::ProMpCorners { .. } => 0.2,
            Self::Lecture => 1.0,
        }
    }

    pub(super) fn sample_goal(self, rng: &mut dyn RngCore) -> Point {
        match self {
            Self::Maml => square(rng, 0.5),
            Self::ProMpCorners { .. } => {
                let corner = random::below(rng, 4);
                [2.0 * sign(corner & 1), 2.0 * sign(corner >> 1)]
            }
            Self::Pearl => square(rng, 1.0),
            Self::PearlHalfCircle { .. } => {
                let angle = random::uniform(rng, 0.0, PI);
                [libm::cosf(angle), libm::sinf(angle)]
            }
            Self::Lecture => square(rng, 10.0),
        }
    }

    pub(super) fn sample_start(self, rng: &mut dyn RngCore) -> Point {
        match self {
            Self::Maml | Self::PearlHalfCircle { .. } | Self::Lecture => [0.0; 2],
            Self::ProMpCorners { .. } => square(rng, 0.2),
            Self::Pearl => square(rng, 1.0),
        }
    }

    pub(super) fn reward(self, before: Point, after: Point, goal: Point) -> f32 {
        let left = distance(after, goal);
        match self {
            Self::ProMpCorners { reward } => reward.of(before, after, goal),
            Self::PearlHalfCircle { sparse: true } if left <= 0.2 => 1.0 - left,
            Self::PearlHalfCircle { sparse: true } => 0.0,
            Self::Maml | Self::Pearl | Self::PearlHalfCircle { sparse: false } | Self::Lecture => -left,
        }
    }

    /// Whether the goal has been reached, where that ends the episode.
    pub(super) fn reached(self, position: Point, goal: Point) -> bool {
        let near = |axis: usize| (position[axis] - goal[axis]).abs() < 0.01;
        self == Self::Maml && near(0) && near(1)
    }
}

impl CornerReward {
    fn of(self, before: Point, after: Point, goal: Point) -> f32 {
        let left = distance(after, goal);
        match self {
            Self::Dense => -left,
            Self::DenseSquared => -left * left,
            Self::Sparse => {
                let far_from_start = after[0].abs() + after[1].abs() >= 0.5;
                // The nearest corner is that of the quadrant.
                let nearest = after[0] * goal[0] >= 0.0 && after[1] * goal[1] >= 0.0;
                if far_from_start && nearest { distance(before, goal) - left } else { 0.0 }
            }
        }
    }
}

fn square(rng: &mut dyn RngCore, half: f32) -> Point {
    [0; 2].map(|_| random::uniform(rng, -half, half))
}

const fn sign(bit: usize) -> f32 {
    if bit == 0 { -1.0 } else { 1.0 }
}

fn distance([x, y]: Point, [u, v]: Point) -> f32 {
    ((x - u) * (x - u) + (y - v) * (y - v)).sqrt()
}
