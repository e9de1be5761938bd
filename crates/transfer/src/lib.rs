#![doc = include_str!("../README.md")]

mod finetune; // read first

pub mod curriculum;
pub mod domain;
mod multitask;
pub mod policy;
mod progressive;
pub mod successor;
pub mod zero_shot;

mod descent;
mod error;
mod matrix;
mod rows;

pub use error::{Error, Result};
pub use finetune::{
    Fit, FitConfig, FitState, Freezing, L2Sp, LayerGroups, Lora, LoraConfig, adopt, draw_shots, examples, k_shot,
    score, with_task_axis,
};
pub use multitask::{Conditioned, GradNorm, GradNormConfig, Heads, UncertaintyWeights, gradient_norms};
pub use progressive::{
    Column, ColumnLayer, Noise, Progressive, ProgressiveConfig, Regime, Sensitivity, Start, fisher_sensitivity,
    half_precision, perturbation_sensitivity, transfer_score,
};
