#![doc = include_str!("../README.md")]

mod model; // read first

mod activation;
mod attention;
mod builder;
#[cfg(feature = "candle-nn")]
mod candle;
mod conv;
mod conv4;
mod flatten;
mod init;
mod layer;
mod linear;
mod mlp;
mod norm;
mod resnet12;
mod rnn;
mod transformer;
mod vit;

mod error;

pub use activation::Activation;
pub use attention::{MultiHeadAttention, MultiHeadAttentionConfig, attention, causal_mask};
pub use builder::Builder;
#[cfg(feature = "candle-nn")]
pub use candle::CandleModel;
pub use conv::{Conv2d, Conv2dConfig};
pub use conv4::{Conv4, Conv4Body, Conv4Config, Downsampling};
pub use error::{Error, Result};
pub use flatten::Flatten;
pub use init::{Fans, Init};
pub use layer::Layer;
pub use linear::Linear;
pub use mlp::{Mlp, MlpConfig, Norm};
pub use model::{Model, Sequential};
pub use norm::{BatchNorm, LayerNorm};
pub use resnet12::{ResNet12, ResNet12Body, ResNet12Config};
pub use rnn::{Gru, Lstm, LstmConfig, LstmState};
pub use transformer::{KvCache, Look, Transformer, TransformerConfig};
pub use vit::{Vit, VitConfig};
