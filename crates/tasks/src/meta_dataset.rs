//! Meta-Dataset: episodes of many sizes, from ten data sets.
//!
//! Triantafillou et al., *Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few Examples*, 2020, §3.2 and
//! appendix A. A task is as uneven as the world: the number of classes, the number of support examples and their division
//! among the classes are all drawn.
//!
//! | step | is |
//! | --- | --- |
//! | [`DatasetSpec`] | an official description of a data set: classes, their sizes, splits, hierarchy |
//! | [`ClassPool`] | the classes of a split, and which of them may meet in an episode |
//! | [`MetaDataset`] | the rule that draws an [`EpisodePlan`]: classes, shots of each, queries |
//! | [`MetaDatasetSampler`] | fills plans with images of a [`ClassDataset`](crate::ClassDataset) |
//!
//! **Episodes of different shapes.** A plan has its own N and its own shots, so episodes cannot be stacked along a task
//! axis. An [`Episode`] is therefore a [`TaskBatch`](crate::TaskBatch) of M = 1 task, which every learner takes; padding
//! with masks would instead put a mask into every loss and every batch normalisation. The paper trains on one episode a
//! step, too. Meta-batches are gradients averaged over episodes.

mod plan;
mod pool;
mod sampler;
mod spec;

pub use plan::{EpisodePlan, MetaDataset};
pub use pool::ClassPool;
pub use sampler::{Episode, MetaDatasetSampler};
pub use spec::{DatasetSpec, SpecClass, SpecSplit};
