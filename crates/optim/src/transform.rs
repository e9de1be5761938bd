//! The trait that everything here implements.

use std::fmt::Debug;
use std::sync::Arc;

use rekindle_autodiff::Params;

use crate::{Result, State};

/// A pure function from gradients and a state to updates and the next state.
///
/// Nothing is changed in place, so an inner loop can be unrolled, differentiated, replayed or abandoned. Where the
/// gradients, the state or the parameters are tracked, the updates and the new state are tracked too, to every order.
///
/// Implementations keep these rules, which [`conformance::check`](crate::conformance::check) tests:
/// 1. The updates have the names, shapes and element types of the parameters; other names are refused with an error.
/// 2. Axis 0 of each leaf counts tasks, and task m's update depends on task m's gradients and parameters alone.
/// 3. The same inputs give the same bits, and a state that was stored and restored continues with the same bits.
/// 4. Derivatives through the update are finite, at gradients of exactly zero too.
/// 5. The new state's step is one above the old one's.
pub trait Transform: Debug + Send + Sync {
    /// The state before the first update, with leaves of the parameters' shapes.
    ///
    /// # Errors
    /// If a setting is outside of its range, or a selection by name matches none of the parameters.
    fn init(&self, params: &Params) -> Result<State>;

    /// From gradients (or the updates of the transformation before this one in a [`Chain`](crate::Chain)), the state
    /// and the parameters to the updates, which [`apply_updates`] *adds* to the parameters, and the next state.
    ///
    /// # Errors
    /// If names or shapes of the gradients differ from those of the parameters, or the state is another
    /// transformation's.
    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)>;
}

impl<T: Transform + ?Sized> Transform for Box<T> {
    fn init(&self, params: &Params) -> Result<State> {
        (**self).init(params)
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        (**self).update(grads, state, params)
    }
}

impl<T: Transform + ?Sized> Transform for Arc<T> {
    fn init(&self, params: &Params) -> Result<State> {
        (**self).init(params)
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        (**self).update(grads, state, params)
    }
}

/// `θ + u`, leaf by leaf.
///
/// # Errors
/// If names or shapes differ.
pub fn apply_updates(params: &Params, updates: &Params) -> Result<Params> {
    updates.check_like(params)?;
    Ok(params.add(updates)?)
}
