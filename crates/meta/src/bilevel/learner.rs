//! An inner loop and an adjoint are all that a gradient-based meta-learner is.

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_tasks::{Batch, TaskBatch};

use super::{InnerLoop, adapt, bilevel_grad, bilevel_sum};
use crate::learner::predict;
use crate::{Loss, MetaGrad, MetaLearner, Result, Setting, Stepwise};

impl<I: InnerLoop> MetaLearner for I {
    fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        InnerLoop::init(self, rng, dtype, device)
    }

    fn adapt(&self, meta: &Params, support: &Batch) -> Result<Params> {
        Ok(self.trajectory(meta, support, self.eval_steps())?.pop().expect("step 0 is always there"))
    }

    fn predict(&self, adapted: &Params, support: &Batch, x: &Value, setting: Setting) -> Result<Tensor> {
        predict(self.model(), adapted, support, x, setting)
    }

    fn meta_grad(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        bilevel_grad(self, self.adjoint(iteration), meta, tasks, iteration)
    }

    fn meta_grad_sum(&self, meta: &Params, tasks: &TaskBatch, iteration: u64) -> Result<MetaGrad> {
        bilevel_sum(self, self.adjoint(iteration), meta, tasks, iteration)
    }

    fn loss(&self) -> Loss {
        InnerLoop::loss(self)
    }
}

impl<I: InnerLoop> Stepwise for I {
    fn trajectory(&self, meta: &Params, support: &Batch, n_steps: usize) -> Result<Vec<Params>> {
        let phi = meta.detach().expand_tasks(support.x.dim(0)?)?;
        let thetas = adapt(self, meta, support, n_steps)?;
        thetas.iter().enumerate().map(|(k, theta)| self.weights(&phi, theta, k)).collect()
    }
}
