//! Pretraining, fine-tuning and freezing, over the parameters of any model.

mod fit; // read first

mod adopt;
mod freezing;
mod l2_sp;
mod layers;
mod lora;
mod score;
mod shots;

pub use adopt::{adopt, with_task_axis};
pub use fit::{Fit, FitConfig, FitState};
pub use freezing::Freezing;
pub use l2_sp::L2Sp;
pub use layers::LayerGroups;
pub use lora::{Lora, LoraConfig};
pub use score::score;
pub use shots::{draw_shots, examples, k_shot};
