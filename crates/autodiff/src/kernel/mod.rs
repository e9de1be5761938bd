//! Values of the operations: `rekindle-kernels` and direct loops for `f32` and `f64` on the CPU, stock candle operations
//! everywhere else.
//!
//! A kernel pays where candle's CPU code is slow (`docs/ARCHITECTURE.md` names the measurements): small and batched
//! products, convolution, recurrent sequences, sums over axes that are not the last, the backward of relu, windows,
//! normalisation. The bits of a task's result depend on the machine's instruction level and on the task, never on the
//! tasks beside it or on the number of threads.

mod adam;
mod centre;
mod composed;
mod conv;
mod conv_task;
mod elementwise;
mod function;
mod mse;
mod norm;
mod pool;
mod product;
mod recurrent;
mod rows;
mod softmax;
mod sum;
mod view;

pub use adam::{AdamStep, adam};
pub(crate) use centre::{Winners, covariance, covariance_put, put_centred, scale_centred, take_centred};
pub(crate) use composed::nan_on_top;
pub(crate) use conv::{conv, conv_t, conv_w, fold, unfold};
pub(crate) use conv_task::{BlockSaved, by_task, conv_block, conv_block_backward, task_shape};
pub(crate) use elementwise::{add, add_scaled, affine, mask_positive, mul, relu, sub};
pub(crate) use function::{exp, sigmoid, tanh};
pub(crate) use mse::{mse, residual};
pub(crate) use norm::{batch_norm, batch_norm_backward};
pub(crate) use pool::{max_pool, pool_put, pool_take};
pub(crate) use product::product;
pub(crate) use recurrent::{has_sequence, recurrent};
pub(crate) use rows::{layer_norm, layer_norm_backward};
pub(crate) use softmax::log_softmax;
pub(crate) use sum::{sum_keepdim, sum_rows};
pub use view::ComposedScope;
