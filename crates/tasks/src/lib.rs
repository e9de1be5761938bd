#![doc = include_str!("../README.md")]

mod task; // read first

mod dataset;
#[cfg(feature = "images")]
mod decode;
mod few_shot;
#[cfg(feature = "images")]
mod folder;
mod functions;
mod glyphs;
mod in_memory;
mod line;
mod omniglot;
mod prefetch;
#[cfg(any(feature = "images", test))]
mod resize;
mod rotated;
mod shuffled;
mod sine;
mod sinusoid;
mod split;
mod subset;

mod error;

pub use dataset::ClassDataset;
pub use error::{Error, Result};
pub use few_shot::{FewShot, FewShotSampler};
#[cfg(feature = "images")]
pub use folder::ImageFolder;
pub use functions::{Curriculum, FunctionClass, FunctionTasks, Ramp};
pub use glyphs::Glyphs;
pub use in_memory::InMemory;
pub use line::Line;
pub use omniglot::Omniglot;
pub use prefetch::{Prefetch, batch_rng};
pub use rotated::Rotated;
pub use shuffled::Shuffled;
pub use sinusoid::{Inputs, Sinusoid};
pub use split::{Splits, read_names};
pub use subset::Subset;
pub use task::{Batch, TaskBatch, TaskSampler};
