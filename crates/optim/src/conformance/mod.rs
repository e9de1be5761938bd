//! The rules of [`Transform`], as checks that any implementation can run.
//!
//! ```
//! use rekindle_optim::{Adam, Chain, ClipNorm, conformance};
//! conformance::check(&Chain::new().then(ClipNorm::new(0.5)).then(Adam::new(0.1)))?;
//! # Ok::<(), rekindle_optim::Error>(())
//! ```

mod derivatives;
mod problem;
mod rules;

use crate::{Result, Transform};
use problem::Problem;

/// Every rule, on parameters named `body.weight` and `head.bias`. Takes some milliseconds.
///
/// # Errors
/// At the first rule that is broken, with its name and what was seen; or an error of the transformation's own.
pub fn check(transform: &dyn Transform) -> Result<()> {
    Suite::default().check(transform)
}

/// Settings of the checks, for transformations that go by other names or let tasks see each other.
///
/// Learning rates of a tenth or so make the checks sharp: with a rate of 10⁻⁶ most of what could be wrong is smaller
/// than the tolerance.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Names of the parameters that the transformation is run on, at least one. Default: `body.weight`, `head.bias`.
    pub names: Vec<String>,
    /// Whether each task's update must depend on that task alone (rule 2). Default: yes. It does not hold for
    /// [`NormScope::Everything`](crate::NormScope::Everything).
    pub separate_tasks: bool,
}

impl Default for Suite {
    fn default() -> Self {
        Self { names: ["body.weight", "head.bias"].map(str::to_owned).to_vec(), separate_tasks: true }
    }
}

impl Suite {
    /// Runs the checks.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&self, transform: &dyn Transform) -> Result<()> {
        let problem = Problem::new(&self.names)?;
        rules::updates_fit_the_parameters(transform, &problem)?;
        rules::other_names_are_refused(transform, &problem)?;
        rules::same_inputs_give_same_bits(transform, &problem)?;
        if self.separate_tasks {
            rules::tasks_stay_apart(transform, &problem)?;
        }
        rules::a_stored_state_continues(transform, &problem)?;
        derivatives::recording_changes_no_value(transform, &problem)?;
        derivatives::agree_with_finite_differences(transform, &problem)?;
        derivatives::are_finite_at_zero_gradients(transform, &problem)
    }
}
