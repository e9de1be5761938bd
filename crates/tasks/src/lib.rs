#![doc = include_str!("../README.md")]

mod task; // read first

mod dataset;
#[cfg(feature = "images")]
mod decode;
mod few_shot;
#[cfg(feature = "images")]
mod folder;
mod glyphs;
mod grey;
mod in_memory;
mod labelled;
mod line;
mod meta_dataset;
mod omniglot;
mod packed;
mod prefetch;
mod resize;
mod rotated;
pub mod sets;
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
pub use glyphs::Glyphs;
pub use in_memory::InMemory;
pub use labelled::LabelledImages;
pub use line::Line;
pub use meta_dataset::{
    ClassPool, DatasetSpec, Episode, EpisodePlan, MetaDataset, MetaDatasetSampler, SpecClass, SpecSplit,
};
pub use omniglot::Omniglot;
pub use packed::Packed;
pub use prefetch::{Prefetch, batch_rng};
pub use rotated::Rotated;
pub use sinusoid::{Inputs, Sinusoid};
pub use split::{Splits, read_names};
pub use subset::Subset;
pub use task::{Batch, TaskBatch, TaskSampler};
