#![doc = include_str!("../README.md")]

mod task; // read first

mod augment;
mod changed;
mod class_batches;
mod dataset;
#[cfg(feature = "images")]
mod decode;
mod few_shot;
#[cfg(feature = "images")]
mod folder;
mod functions;
mod gaussian_process;
mod glyphs;
mod grey;
mod image_list;
mod in_memory;
mod labelled;
mod line;
mod meta_dataset;
mod mixture;
mod omniglot;
mod packed;
mod prefetch;
mod relabel;
mod resize;
mod rotated;
pub mod sets;
mod shuffle;
mod sine;
mod sinusoid;
mod split;
mod stages;
mod subset;
pub mod tfrecord;
mod unlabelled;

mod error;

pub use augment::Augment;
pub use changed::{Change, Changed};
pub use class_batches::ClassBatches;
pub use dataset::ClassDataset;
pub use error::{Error, Result};
pub use few_shot::{FewShot, FewShotSampler};
#[cfg(feature = "images")]
pub use folder::ImageFolder;
pub use functions::{Curriculum, FunctionClass, FunctionTasks, Ramp};
pub use gaussian_process::GaussianProcess;
pub use glyphs::{AttributeGlyphs, Glyphs};
#[cfg(feature = "images")]
pub use image_list::ImageList;
pub use image_list::read_image_list;
pub use in_memory::InMemory;
pub use labelled::LabelledImages;
pub use line::Line;
#[cfg(feature = "images")]
pub use meta_dataset::MetaDatasetRecords;
pub use meta_dataset::{
    ClassPool, DatasetSpec, Episode, EpisodePlan, MetaDataset, MetaDatasetSampler, SpecClass, SpecSplit,
};
pub use mixture::Mixture;
pub use omniglot::Omniglot;
pub use packed::Packed;
pub use prefetch::{Prefetch, batch_rng};
pub use relabel::Relabel;
pub use rotated::Rotated;
pub use shuffle::Shuffle;
pub use sinusoid::{Inputs, Sinusoid};
pub use split::{Splits, read_names};
pub use stages::Stages;
pub use subset::Subset;
pub use task::{Batch, TaskBatch, TaskSampler};
pub use unlabelled::{UNLABELLED, Unlabel};
