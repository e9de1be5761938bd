//! Operations whose gradient has a kernel of its own, and whose higher derivatives come from a composite.

use candle_core::Tensor as Value;
use smallvec::SmallVec;

use crate::grad::{Order, partial_vjp};
use crate::tape::is_recording;
use crate::{Result, Tensor};

/// The gradients that a fused backward pass returns, as plain values; `None` where none was wanted.
pub type FusedGrads = SmallVec<[Option<Value>; 3]>;

impl Tensor {
    /// An operation with two derivatives: `backward` is a kernel from the gradient at the output to those at the inputs
    /// (and a list of which inputs want theirs), used while nothing is recorded; `composite` states the same function
    /// in tape operations, and serves every higher order.
    ///
    /// When the gradient itself is to be recorded, the composite is rebuilt on *aliases* of the inputs and `⟨y, u⟩` is
    /// differentiated with respect to those. (With respect to the inputs themselves it would follow the history of `u`
    /// back into the operation.)
    pub fn fused(
        value: Value,
        inputs: &[&Self],
        backward: impl Fn(&Value, &[bool]) -> Result<FusedGrads> + Send + Sync + 'static,
        composite: impl Fn(&[Self]) -> Result<Self> + Send + Sync + 'static,
    ) -> Self {
        let held: Vec<Self> = inputs.iter().map(|&x| x.clone()).collect();
        Self::custom(value, inputs, move |up| {
            if !is_recording() {
                let grads = backward(up.grad().value(), up.wanted)?;
                return Ok(grads.into_iter().map(|g| g.map(Self::new)).collect());
            }
            let aliases: Vec<Self> = held.iter().map(Self::alias).collect();
            let y = composite(&aliases)?;
            let wanted: Vec<usize> = (0..aliases.len()).filter(|&i| up.wants(i)).collect();
            let targets: Vec<&Self> = wanted.iter().map(|&i| &aliases[i]).collect();
            let mut grads: SmallVec<[Option<Self>; 3]> = aliases.iter().map(|_| None).collect();
            for (&i, g) in wanted.iter().zip(partial_vjp(&[(&y, up.grad())], &targets, Order::Higher)?) {
                grads[i] = g;
            }
            Ok(grads)
        })
    }
}
