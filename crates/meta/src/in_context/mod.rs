//! Learning in context: a transformer that is shown examples as a sequence, and the estimators that it is held against.

mod baseline;
mod transformer;

pub use baseline::Baseline;
pub use transformer::{InContext, InContextConfig, Tokens};
