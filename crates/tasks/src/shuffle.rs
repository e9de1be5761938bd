//! Episodes whose support examples come in random order, for learners that read them one after another.

use candle_core::{Device, Tensor};
use rand::RngCore;
use rand::seq::SliceRandom;

use crate::{Batch, Change, Result, TaskBatch};

/// Brings the support set of each task into a random order of its own, as Santoro et al. 2016 and Mishra et al. 2018
/// present them. The query set stays as it is.
///
/// ```
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, Shuffle, TaskSampler, batch_rng};
///
/// let episodes = FewShotSampler::new(Glyphs::default(), FewShot { shots: 10, ..FewShot::default() })?;
/// let tasks = episodes.then(Shuffle).sample(&mut batch_rng(0, 0), 2)?;
/// assert_eq!(tasks.support.x.dims(), [2, 50, 28, 28, 1]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shuffle;

impl Change for Shuffle {
    fn change(&self, tasks: TaskBatch, rng: &mut dyn RngCore) -> Result<TaskBatch> {
        let TaskBatch { support: Batch { x, y }, query } = tasks;
        let (m, b) = (x.dim(0)?, x.dim(1)?);
        let mut rows: Vec<u32> = Vec::with_capacity(m * b);
        for task in 0..m {
            let first = (task * b) as u32;
            let mut own: Vec<u32> = (first..first + b as u32).collect();
            own.shuffle(rng);
            rows.extend(own);
        }
        let rows = Tensor::from_vec(rows, m * b, &Device::Cpu)?;
        let reordered =
            |t: &Tensor| -> Result<Tensor> { Ok(t.flatten(0, 1)?.index_select(&rows, 0)?.reshape(t.shape())?) };
        Ok(TaskBatch { support: Batch { x: reordered(&x)?, y: reordered(&y)? }, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Line, TaskSampler, batch_rng};

    /// Pairs stay pairs, none is lost, and tasks are shuffled apart.
    #[test]
    fn examples_keep_their_targets() -> Result<()> {
        let plain = Line { shots: 6, ..Line::default() };
        let (before, after) =
            (plain.sample(&mut batch_rng(1, 0), 3)?, plain.then(Shuffle).sample(&mut batch_rng(1, 0), 3)?);
        let pairs = |batch: &Batch, task: usize| -> Result<Vec<(f32, f32)>> {
            let row = |t: &Tensor| t.get(task)?.flatten_all()?.to_vec1::<f32>();
            Ok(row(&batch.x)?.into_iter().zip(row(&batch.y)?).collect())
        };
        let mut moved = 0;
        for task in 0..3 {
            let (mut a, mut b) = (pairs(&before.support, task)?, pairs(&after.support, task)?);
            moved += usize::from(a != b);
            a.sort_by(|p, q| p.partial_cmp(q).unwrap());
            b.sort_by(|p, q| p.partial_cmp(q).unwrap());
            assert_eq!(a, b);
        }
        assert!(moved >= 2);
        assert_eq!(before.query.x.to_vec3::<f32>()?, after.query.x.to_vec3::<f32>()?);
        Ok(())
    }
}
