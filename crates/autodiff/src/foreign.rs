//! A model that is written in candle, as one node of the tape.
//!
//! Only here does rekindle touch candle's own differentiation (`Var`, `backward`): it runs inside of the node, once, so
//! its silent faults at second order cannot reach anything.

use std::collections::HashMap;

use candle_core::{Tensor as Value, Var};
use smallvec::SmallVec;

use crate::tape::is_recording;
use crate::{Error, Params, Result, Tensor};

/// The parameters of a foreign function by name, without a task axis.
pub type ForeignParams = HashMap<String, Value>;

/// Runs `f`, a function written in candle's operations, and records it as *one* node whose gradient comes from candle's
/// own backward pass. It can be differentiated once; asking for a second derivative is an error.
///
/// `f` knows nothing of tasks: it gets the leaves of one task without their leading axis, and the inputs `[B, …]` of
/// that task. Leaves are `[M or 1, …]`, inputs `[M or 1, B, …]`, the result `[M, …]`; tasks run one after another.
///
/// ```
/// use rekindle_autodiff::{Error, Order, Params, Tensor, foreign};
/// let params = Params::new([("w".to_owned(), Tensor::from_vec(vec![2f64, 3.], (1, 2))?)])?.leaf();
/// let x = Tensor::from_vec(vec![5f64, 7.], (1, 2))?;
/// let y = foreign(&params, &[&x], |params, inputs| &params["w"] * &inputs[0])?;
/// let g = params.grad(&y.sum_all()?, Order::First)?;
/// assert_eq!(g.get("w")?.to_vec_f64()?, [5.0, 7.0]);
/// assert!(matches!(params.grad(&y.sum_all()?, Order::Higher), Err(Error::OnceDifferentiable { .. })));
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
///
/// # Errors
/// Those of `f`, or if the leaves and inputs have different numbers of tasks.
pub fn foreign(
    params: &Params,
    inputs: &[&Tensor],
    f: impl Fn(&ForeignParams, &[Value]) -> candle_core::Result<Value>,
) -> Result<Tensor> {
    let all: Vec<&Tensor> = params.leaves().iter().chain(inputs.iter().copied()).collect();
    let n_tasks = tasks(&all)?;
    let mut runs = Vec::with_capacity(n_tasks);
    for task in 0..n_tasks {
        runs.push(Run::new(params, &all, task, &f)?);
    }
    let outputs: Vec<Value> = runs.iter().map(|run| run.output.detach()).collect();
    let y = Value::stack(&outputs, 0)?;
    let shared: Vec<bool> = all.iter().map(|t| t.dims()[0] == 1).collect();
    Ok(Tensor::custom(y, &all, move |up| {
        if is_recording() {
            return Err(Error::OnceDifferentiable { op: "foreign" });
        }
        let mut sums: Vec<Vec<Value>> = vec![Vec::new(); shared.len()];
        for (task, run) in runs.iter().enumerate() {
            run.pull_back(&up.grad().value().get(task)?, up.wanted, &mut sums)?;
        }
        let joined = sums.into_iter().zip(&shared).map(|(parts, &shared)| {
            if parts.is_empty() {
                return Ok(None);
            }
            let all = Value::stack(&parts, 0)?;
            Ok(Some(Tensor::new(if shared { all.sum_keepdim(0)? } else { all })))
        });
        joined.collect::<Result<SmallVec<_>>>()
    }))
}

/// One task's pass through the function: its variables, and the output at the end of candle's own graph.
struct Run {
    variables: Vec<Var>,
    output: Value,
}

impl Run {
    fn new(
        params: &Params,
        all: &[&Tensor],
        task: usize,
        f: &impl Fn(&ForeignParams, &[Value]) -> candle_core::Result<Value>,
    ) -> Result<Self> {
        let of_task = |t: &&Tensor| Var::from_tensor(&t.value().get(if t.dims()[0] == 1 { 0 } else { task })?);
        let variables = all.iter().map(of_task).collect::<candle_core::Result<Vec<_>>>()?;
        let values: Vec<Value> = variables.iter().map(|v| v.as_tensor().clone()).collect();
        let (leaves, inputs) = values.split_at(params.len());
        let named = params.names().map(str::to_owned).zip(leaves.iter().cloned()).collect();
        let output = f(&named, inputs)?;
        Ok(Self { variables, output })
    }

    /// The gradients at the wanted variables, for the gradient `u` at the output.
    fn pull_back(&self, u: &Value, wanted: &[bool], sums: &mut [Vec<Value>]) -> Result<()> {
        let store = (&self.output * u)?.sum_all()?.backward()?;
        for ((variable, sum), _) in self.variables.iter().zip(sums).zip(wanted).filter(|(_, wanted)| **wanted) {
            let g = store.get(variable).map(Value::detach);
            sum.push(g.map_or_else(|| variable.zeros_like(), Ok)?);
        }
        Ok(())
    }
}

fn tasks(all: &[&Tensor]) -> Result<usize> {
    let sizes: Vec<usize> = all.iter().map(|t| t.dim(0)).collect::<Result<_>>()?;
    let m = sizes.iter().copied().max().unwrap_or(1);
    if sizes.iter().any(|&n| n != m && n != 1) {
        return Err(Error::shape("foreign", format!("leading axes {sizes:?} must be 1 or the number of tasks, {m}")));
    }
    Ok(m)
}
