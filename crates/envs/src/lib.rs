#![doc = include_str!("../README.md")]

mod env; // read first

mod action;
mod augment;
mod bandit;
mod blocks;
mod bounds;
mod classic;
mod crawler;
mod family;
mod grid;
mod linear_reward;
mod maze;
mod point;
mod reacher;
mod rooms;
mod rows;
mod space;
mod tabular;
mod time_limit;
mod trial;
mod vec_env;

pub mod conformance;
pub mod random;

mod error;

pub use action::{Action, ActionBuffer, Actions};
pub use augment::{Augment, Layout};
pub use bandit::{Bandit, BernoulliBandits, GaussianBandits};
pub use blocks::{BlockEnv, BlockReach, Body};
pub use bounds::ClipActions;
pub use classic::{CartPole, CartPoleBody, Catch, MountainCar, MountainCarContinuous, Pendulum, RandomCartPoles};
pub use crawler::{Crawler, Ground};
pub use env::{Env, Transition};
pub use error::{Error, Result};
pub use family::{EnvFamily, Redraw, Single, TaskPool, Trials, Wrapped};
pub use grid::{GridConfig, GridEnv, GridFamily, GridMap, GridObservation, GridRewards};
pub use linear_reward::LinearReward;
pub use maze::{FirstPersonMaze, FirstPersonMazes, Maze, Pose, SymbolicMaze, SymbolicMazes};
pub use point::{CornerReward, PointEnv, PointFamily, PointFlavour};
pub use random::{env_rng, stream_rng};
pub use reacher::{Reacher, ReacherEnv};
pub use rooms::{FourRooms, FourRoomsEnv, GridRooms, GridRoomsEnv};
pub use space::Space;
pub use tabular::{TabularEnv, TabularMdp, TabularMdps};
pub use time_limit::TimeLimit;
pub use trial::Trial;
pub use vec_env::{Step, VecEnv};
