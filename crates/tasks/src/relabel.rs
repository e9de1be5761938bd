//! Episodes whose classes take their labels from more labels than there are classes.

use candle_core::{DType, Device, Tensor};
use rand::RngCore;
use rand::seq::SliceRandom;

use crate::{Batch, Change, Error, Result, TaskBatch};

/// Gives the N classes of a task distinct labels of `0..of` in place of `0..N`, drawn for each task.
///
/// A network with `of` outputs so begins with episodes of few ways, and has something easy to learn from them: which
/// labels occur.
///
/// ```
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, Relabel, TaskSampler, batch_rng};
///
/// let episodes = FewShotSampler::new(Glyphs::default(), FewShot { ways: 2, queries: 1, ..FewShot::default() })?;
/// let tasks = episodes.then(Relabel { of: 5 }).sample(&mut batch_rng(0, 0), 1)?;
/// assert_eq!(tasks.support.y.to_vec2::<u32>()?, tasks.query.y.to_vec2::<u32>()?); // perhaps [[4, 1]]
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Relabel {
    /// How many labels there are, at least as many as classes in a task.
    pub of: usize,
}

impl Change for Relabel {
    fn change(&self, tasks: TaskBatch, rng: &mut dyn RngCore) -> Result<TaskBatch> {
        let all: Vec<u32> = (0..self.of as u32).collect();
        let names: Vec<Vec<u32>> = (0..tasks.n_tasks()?)
            .map(|_| {
                let mut own = all.clone();
                own.shuffle(rng);
                own
            })
            .collect();
        let renamed = |batch: Batch| -> Result<Batch> { Ok(Batch { y: self.rename(&batch.y, &names)?, x: batch.x }) };
        let TaskBatch { support, query } = tasks;
        Ok(TaskBatch { support: renamed(support)?, query: renamed(query)? })
    }
}

impl Relabel {
    /// Labels `[M, B]` under the names that each task has for them.
    fn rename(&self, y: &Tensor, names: &[Vec<u32>]) -> Result<Tensor> {
        if y.dtype() != DType::U32 {
            return Err(Error::DType { what: "y", found: y.dtype(), expected: "u32 class labels" });
        }
        let mut renamed = Vec::with_capacity(y.elem_count());
        for (labels, names) in y.to_vec2::<u32>()?.iter().zip(names) {
            for &label in labels {
                let index = label as usize;
                let missing = Error::OutOfRange { what: "label", index, available: self.of };
                renamed.push(*names.get(index).ok_or(missing)?);
            }
        }
        Ok(Tensor::from_vec(renamed, y.dims(), &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FewShot, FewShotSampler, Glyphs, Line, TaskSampler, batch_rng};

    fn episodes(ways: usize) -> FewShotSampler<Glyphs> {
        FewShotSampler::new(Glyphs::default(), FewShot { ways, shots: 2, queries: 1, ..FewShot::default() }).unwrap()
    }

    /// Images stay, equal labels stay equal, unequal ones unequal, and all names occur.
    #[test]
    fn classes_keep_apart_under_names_from_all_labels() -> Result<()> {
        let (plain, tasks) = (episodes(2), 60);
        let before = plain.sample(&mut batch_rng(3, 0), tasks)?;
        let after = plain.then(Relabel { of: 4 }).sample(&mut batch_rng(3, 0), tasks)?;
        let values = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
        assert_eq!(values(&before.query.x)?, values(&after.query.x)?);
        let mut pairs = std::collections::BTreeSet::new();
        let labels = |t: &TaskBatch| -> Result<_> { Ok((t.support.y.to_vec2::<u32>()?, t.query.y.to_vec2::<u32>()?)) };
        let ((old_support, old_query), (support, query)) = (labels(&before)?, labels(&after)?);
        for task in 0..tasks {
            let name = |label: u32| support[task][old_support[task].iter().position(|&old| old == label).unwrap()];
            let renamed = |old: &[u32]| old.iter().map(|&label| name(label)).collect::<Vec<_>>();
            assert_eq!(renamed(&old_support[task]), support[task]);
            assert_eq!(renamed(&old_query[task]), query[task]);
            assert_ne!(name(0), name(1));
            pairs.insert((name(0), name(1)));
        }
        assert_eq!(pairs.len(), 12, "{pairs:?}");
        Ok(())
    }

    #[test]
    fn too_few_labels_and_numbers_as_targets_are_refused() {
        let message = |result: Result<TaskBatch>| result.unwrap_err().to_string();
        let few = episodes(5).then(Relabel { of: 4 });
        assert_eq!(message(few.sample(&mut batch_rng(0, 0), 1)), "label 4 does not exist: there are 4");
        let numbers = Line::default().then(Relabel { of: 4 });
        assert!(message(numbers.sample(&mut batch_rng(0, 0), 1)).contains("y has dtype F32"));
    }
}
