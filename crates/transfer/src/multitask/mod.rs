//! Several tasks learned together.

mod context;
mod grad_norm;
mod heads;
mod uncertainty;

pub use context::Conditioned;
pub use grad_norm::{GradNorm, GradNormConfig, gradient_norms};
pub use heads::Heads;
pub use uncertainty::UncertaintyWeights;
