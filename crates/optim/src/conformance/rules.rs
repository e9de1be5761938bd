//! Rules about values: shapes, names, bits, tasks.

use candle_core::DType;
use rekindle_autodiff::Params;

use super::problem::{N_TASKS, Problem, step};
use crate::{Error, Result, State, Transform};

pub(super) fn broken(rule: &'static str, message: impl Into<String>) -> Error {
    Error::Conformance { rule, message: message.into() }
}

/// Rules 1 and 5.
pub(super) fn updates_fit_the_parameters(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    const RULE: &str = "updates fit the parameters";
    for dtype in [DType::F32, DType::F64] {
        let problem = problem.part(0, N_TASKS, dtype)?;
        let state = transform.init(&problem.start)?;
        let (updates, next) = transform.update(&problem.plain_grads(&problem.start)?, &state, &problem.start)?;
        updates.check_like(&problem.start).map_err(|e| broken(RULE, e.to_string()))?;
        if updates.names().ne(problem.start.names()) {
            return Err(broken(RULE, "the names are in another order"));
        }
        if let Some((name, leaf)) = updates.iter().find(|(_, leaf)| leaf.dtype() != dtype) {
            return Err(broken(RULE, format!("`{name}` is {:?} for parameters of {dtype:?}", leaf.dtype())));
        }
        if state.step() != 0 || next.step() != 1 {
            return Err(broken(
                RULE,
                format!("the step goes from {} to {}, not from 0 to 1", state.step(), next.step()),
            ));
        }
    }
    Ok(())
}

/// Rule 1.
pub(super) fn other_names_are_refused(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    let state = transform.init(&problem.start)?;
    let others = Params::new(problem.start.iter().map(|(name, leaf)| (format!("{name}.other"), leaf.clone())))?;
    match transform.update(&others, &state, &problem.start) {
        Err(_) => Ok(()),
        Ok(_) => Err(broken("other names are refused", "gradients of parameters that there are not were accepted")),
    }
}

/// Rule 3.
pub(super) fn same_inputs_give_same_bits(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    const RULE: &str = "the same inputs give the same bits";
    let problem = problem.part(0, N_TASKS, DType::F32)?;
    let (theta, state) = problem.train(transform, 2)?;
    let grads = problem.plain_grads(&theta)?;
    let before = state.to_params()?;
    let (first, after) = transform.update(&grads, &state, &theta)?;
    // In between another trajectory, which must leave nothing behind.
    problem.train(transform, 3)?;
    let (second, again) = transform.update(&grads, &state, &theta)?;
    same(RULE, "updates", &first, &second)?;
    same(RULE, "states", &after.to_params()?, &again.to_params()?)?;
    same(RULE, "the old state", &before, &state.to_params()?)
}

/// Rule 2.
pub(super) fn tasks_stay_apart(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    const RULE: &str = "tasks stay apart";
    let together = problem.part(0, N_TASKS, DType::F32)?;
    let (theta, state) = together.train(transform, 4)?;
    for task in 0..N_TASKS {
        let (alone, state_alone) = problem.part(task, 1, DType::F32)?.train(transform, 4)?;
        same(RULE, "parameters", &theta.narrow_tasks(task, 1)?, &alone)?;
        same(RULE, "states", &state.leaves()?.narrow_tasks(task, 1)?, &state_alone.leaves()?)?;
    }
    Ok(())
}

/// Rule 3.
pub(super) fn a_stored_state_continues(transform: &dyn Transform, problem: &Problem) -> Result<()> {
    const RULE: &str = "a stored state continues with the same bits";
    let problem = problem.part(0, N_TASKS, DType::F32)?;
    let (theta, state) = problem.train(transform, 3)?;
    let restored = State::from_params(&state.to_params()?)?;
    let grads = problem.plain_grads(&theta)?;
    let (on, next) = step(transform, &theta, &grads, &state)?;
    let (resumed, next_resumed) = step(transform, &theta, &grads, &restored)?;
    same(RULE, "parameters", &on, &resumed)?;
    same(RULE, "states", &next.to_params()?, &next_resumed.to_params()?)
}

/// Bit for bit, names and order included.
fn same(rule: &'static str, what: &str, a: &Params, b: &Params) -> Result<()> {
    b.check_like(a).map_err(|e| broken(rule, format!("{what}: {e}")))?;
    for ((name, x), y) in a.iter().zip(b.leaves()) {
        // f64 holds every f32 and every step number exactly.
        let (x, y) = (x.to_vec_f64()?, y.to_vec_f64()?);
        if let Some(i) = (0..x.len()).find(|&i| x[i].to_bits() != y[i].to_bits()) {
            return Err(broken(rule, format!("{what}: `{name}`, element {i}: {:e} and {:e}", x[i], y[i])));
        }
    }
    Ok(())
}
