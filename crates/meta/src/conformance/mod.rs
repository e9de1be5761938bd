//! The rules of [`MetaLearner`], as checks that any implementation can run.
//!
//! ```
//! use rekindle_meta::{Maml, MamlConfig, conformance};
//! use rekindle_nn::Mlp;
//! use rekindle_tasks::Sinusoid;
//!
//! let learner = Maml::new(Mlp::sinusoid(), MamlConfig::sinusoid())?;
//! conformance::check(&learner, &Sinusoid::maml(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rules:
//! 1. Losses are `[M]`, meta-gradients have the names of the meta-parameters and lead with M, predictions lead with M
//!    and B; all are finite constants of the meta-parameters' type.
//! 2. A task's results do not depend on the tasks beside it, nor on their order.
//! 3. The same inputs give the same bits, and how a meta-batch is split over chunks and threads changes no bit.
//! 4. Adapted to its own support set, a learner fits that set better than adapted to another task's.
//! 5. In [`Setting::Inductive`](crate::Setting::Inductive), a prediction does not depend on the other queries.
//! 6. If the suite says so, the meta-gradient is the derivative of the losses.
//! 7. If the suite says so, the order of the support set does not matter.
//! 8. If the suite says so, calling the classes by other numbers does so to the outputs, and changes nothing else.

mod behaviour;
mod classes;
mod compare;
mod values;

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_tasks::{TaskBatch, TaskSampler};

use crate::{MetaLearner, Result};

/// Rules 1 to 5 with the default settings. Takes as long as a few dozen meta-iterations of five tasks.
///
/// # Errors
/// [`Error::Conformance`](crate::Error::Conformance) at the first rule that is broken; an error of the learner's or the
/// sampler's own.
pub fn check(learner: &dyn MetaLearner, sampler: &dyn TaskSampler) -> Result<()> {
    Suite::default().check(learner, sampler)
}

/// Settings of the checks.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Whether the meta-gradient is exactly the derivative of the losses (rule 6), as MAML's is and FOMAML's is not.
    /// Default: no. The check needs a model without kinks to be sharp (tanh, not relu).
    pub exact_gradient: bool,
    /// Whether the order of the support set makes no difference (rule 7). Default: no, since a learner that reads the
    /// support set one by one is a learner, too.
    pub any_order: bool,
    /// Whether the numbers of the classes are only names (rule 8), as for learners that compare. Default: no, since a
    /// network's last layer has an output for each number.
    pub any_names: bool,
    /// Meta-iterations at which the meta-gradient is checked, for learners whose rule changes with time. Default: the
    /// first one, and the one after a million.
    pub iterations: Vec<u64>,
    /// Meta-parameters that the checks start from, leaves `[1, …]`; `None`: fresh ones.
    pub meta: Option<Params>,
    /// Tasks whose support loss rule 4 is judged by, at least 2, or 0 to leave the rule out: a network that must learn how to
    /// adapt does not fit anything with fresh parameters. Default 16.
    pub adapt_tasks: usize,
    /// Seed of tasks and fresh meta-parameters.
    pub seed: u64,
}

impl Default for Suite {
    fn default() -> Self {
        Self {
            exact_gradient: false,
            any_order: false,
            any_names: false,
            iterations: vec![0, 1_000_000],
            meta: None,
            adapt_tasks: 16,
            seed: 0,
        }
    }
}

/// Tasks of the checks: an odd number, so that chunks of two leave a rest.
const N_TASKS: usize = 5;

impl Suite {
    /// Runs the checks.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&self, learner: &dyn MetaLearner, sampler: &dyn TaskSampler) -> Result<()> {
        let double = self.case(learner, sampler, DType::F64, N_TASKS)?;
        let single = self.case(learner, sampler, DType::F32, N_TASKS)?;
        values::fresh_parameters_are_reproducible(learner, self.seed)?;
        for &iteration in &self.iterations {
            for case in [&single, &double] {
                values::gradients_have_the_right_form(case, iteration)?;
            }
            values::same_inputs_give_same_bits(&single, iteration)?;
            values::tasks_do_not_see_each_other(&double, iteration)?;
            values::splits_change_no_bit(&single, iteration)?;
            if self.exact_gradient {
                behaviour::gradients_are_those_of_the_losses(&double, iteration)?;
            }
            if self.any_order {
                classes::support_order_does_not_matter(&double, iteration)?;
            }
            if self.any_names {
                classes::classes_are_only_names(&double, iteration)?;
            }
        }
        values::predictions_have_the_right_form(&single)?;
        values::predictions_are_each_tasks_own(&double)?;
        behaviour::inductive_queries_do_not_see_each_other(&double)?;
        match self.adapt_tasks {
            0 => Ok(()),
            n => behaviour::adaptation_fits_the_support_set(&self.case(learner, sampler, DType::F64, n.max(2))?),
        }
    }

    fn case<'a>(
        &self,
        learner: &'a dyn MetaLearner,
        sampler: &dyn TaskSampler,
        dtype: DType,
        n_tasks: usize,
    ) -> Result<Case<'a>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let tasks = sampler.sample(&mut rng, n_tasks)?.to_dtype(dtype)?;
        tasks.validate()?;
        let meta = match &self.meta {
            Some(meta) => meta.to_dtype(dtype)?.detach(),
            None => learner.init(&mut rng, dtype, &Device::Cpu)?.detach(),
        };
        Ok(Case { learner, meta, tasks, dtype })
    }
}

/// A learner with parameters and tasks of one type.
struct Case<'a> {
    learner: &'a dyn MetaLearner,
    meta: Params,
    tasks: TaskBatch,
    dtype: DType,
}
