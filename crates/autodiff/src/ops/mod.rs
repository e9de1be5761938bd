//! The operations, each with its derivative written in operations.

mod binary;
mod centre;
mod cholesky;
mod conv;
mod conv_block;
pub(crate) mod fused;
mod index;
mod linear;
mod loss;
mod norm;
mod pool;
pub(crate) mod product;
mod recurrent;
mod reduce;
mod shape;
mod softmax;
mod unary;

pub use conv::ConvGeometry;
pub use conv_block::ConvBlock;
pub use fused::FusedGrads;
pub use norm::NormStats;
pub use product::Transpose;
pub use recurrent::{GruWeights, LstmWeights};
