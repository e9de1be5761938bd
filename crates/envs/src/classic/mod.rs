//! Classic control with the dynamics of Gymnasium to the last rounding of f32, and catch.

mod cart_pole;
mod catch;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;
mod random_cart_poles;

pub use cart_pole::{CartPole, CartPoleBody};
pub use catch::Catch;
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;
pub use random_cart_poles::RandomCartPoles;

/// Writes a state in f64 as an observation.
fn write<const N: usize>(state: [f64; N], obs: &mut [f32]) {
    obs.iter_mut().zip(state).for_each(|(x, value)| *x = value as f32);
}

/// Uniform between `low` and `high` in double precision.
fn uniform(rng: &mut dyn rand::RngCore, low: f64, high: f64) -> f64 {
    low + (high - low) * crate::random::unit_f64(rng)
}
