//! Full context embeddings of matching networks: how an example is embedded depends on the support set.
//!
//! ```text
//! g(x_i) = g′(x_i) + h→_i + h←_i        a bidirectional LSTM over g′(x_1), …, g′(x_B)
//!
//! r_k = Σ_i softmax_i(h_kᵀ g(x_i)) g(x_i)
//! ĥ_{k+1}, c_{k+1} = LSTM([f′(x̂), r_k], h_k, c_k)        h_{k+1} = ĥ_{k+1} + f′(x̂)        f(x̂) = h_K
//! ```
//! Vinyals et al. 2016, appendix A; the second part is the process block of Vinyals, Bengio & Kudlur, *Order Matters*,
//! 2016.
//!
//! What is read, r, enters beside the query, where the paper puts it beside the state: the same gates, since all three are
//! multiplied by one matrix each. The paper does not say where reading begins; here at ĥ_0 = 0, that is h_0 = f′(x̂), with
//! c_0 = 0.

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor, Transpose};
use rekindle_nn::{Builder, Layer, Lstm, LstmConfig, LstmState};

use crate::{Error, Result};

/// The three recurrent networks: two that read the support set from either end, and one that looks at it again and again.
///
/// Parameters: `forward.…`, `backward.…` and `query.…`, each an [`Lstm`]'s.
#[derive(Clone, Debug)]
pub struct FullContext {
    forward: Lstm,
    backward: Lstm,
    query: Lstm,
    steps: usize,
}

impl FullContext {
    /// For embeddings of F features, with K reading steps, both `≥ 1`.
    ///
    /// # Errors
    /// If there are no features or no steps.
    pub fn new(features: usize, steps: usize) -> Result<Self> {
        if steps == 0 {
            return Err(Error::setting("steps", &0, "at least 1"));
        }
        let lstm = |name, inputs| Lstm::new(name, LstmConfig { inputs, units: features, forget_bias: 0.0 });
        Ok(Self {
            forward: lstm("forward", features)?,
            backward: lstm("backward", features)?,
            query: lstm("query", 2 * features)?,
            steps,
        })
    }

    pub(super) fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut builder = Builder::new(rng, dtype, device);
        [&self.forward, &self.backward, &self.query].into_iter().try_for_each(|lstm| lstm.draw(&mut builder))?;
        Ok(builder.finish()?)
    }

    /// `g [M, B, F]` of a support set `g′ [M, B, F]`, in its order.
    pub(super) fn support(&self, params: &Params, support: &Tensor) -> Result<Tensor> {
        let &[m, _, features] = support.dims() else { return Err(misfit("support set", support)) };
        let sequence = support.transpose(0, 1)?.unsqueeze(2)?; // [B, M, 1, F]: steps are examples
        let zero = Tensor::zeros((m, 1, features), support.dtype(), support.device())?;
        let start = LstmState { h: zero.clone(), c: zero };
        let (there, _) = self.forward.sequence(params, &sequence, &start)?;
        let (back, _) = self.backward.sequence(params, &sequence.flip(0)?, &start)?;
        let both = there.add(&back.flip(0)?)?.squeeze(2)?.transpose(0, 1)?; // [M, B, F]
        Ok(support.add(&both)?)
    }

    /// `f [M, Q, F]` of queries `f′ [M, Q, F]`, with the support set `g [M, B, F]`.
    pub(super) fn queries(&self, params: &Params, queries: &Tensor, support: &Tensor) -> Result<Tensor> {
        let (mut h, mut c) = (queries.clone(), queries.zeros_like()?);
        for _ in 0..self.steps {
            let attention = h.product(Transpose::No, support, Transpose::Yes)?.softmax()?; // [M, Q, B]
            let read = attention.product(Transpose::No, support, Transpose::No)?; // [M, Q, F]
            let next = self.query.step(params, &Tensor::cat(&[queries, &read], 2)?, &LstmState { h, c })?;
            (h, c) = (next.h.add(queries)?, next.c);
        }
        Ok(h)
    }
}

fn misfit(what: &str, found: &Tensor) -> Error {
    Error::Batch { message: format!("the {what} is embedded as {:?}, not [M, B, F]", found.dims()) }
}
