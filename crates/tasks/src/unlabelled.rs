//! Examples whose class is not told.
//!
//! Semi-supervised episodes have K labelled and U unlabelled support examples of each class: Ren et al., *Meta-Learning
//! for Semi-Supervised Few-Shot Classification*, 2018, §2.2.
//!
//! Differs from the paper: there the unlabelled examples are a third set of the episode; here they are rows of the
//! support set with a label of their own.

use candle_core::{Device, Tensor};
use rand::RngCore;

use crate::error::at_least_one;
use crate::{Change, Result, TaskBatch};

/// The label of an example whose class is not told.
pub const UNLABELLED: u32 = u32::MAX;

/// Leaves a support set the labels of the first `labelled` examples of each class alone; all others get the label
/// [`UNLABELLED`].
///
/// ```
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, TaskSampler, UNLABELLED, Unlabel, batch_rng};
/// let shape = FewShot { ways: 2, shots: 3, ..FewShot::default() };
/// let episodes = FewShotSampler::new(Glyphs::default(), shape)?.then(Unlabel { labelled: 1 });
/// let tasks = episodes.sample(&mut batch_rng(0, 0), 1)?;
/// let labels = tasks.support.y.to_vec2::<u32>()?;
/// assert_eq!(labels, [[0, UNLABELLED, UNLABELLED, 1, UNLABELLED, UNLABELLED]]);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Unlabel {
    /// Examples of each class that keep their labels, at least one.
    pub labelled: usize,
}

impl Change for Unlabel {
    fn change(&self, mut tasks: TaskBatch, _: &mut dyn RngCore) -> Result<TaskBatch> {
        at_least_one(&[("labelled", self.labelled)])?;
        let mut labels = tasks.support.y.to_vec2::<u32>()?;
        for row in &mut labels {
            let mut told = std::collections::HashMap::new();
            for label in row {
                let count = told.entry(*label).or_insert(0);
                *count += 1;
                if *count > self.labelled {
                    *label = UNLABELLED;
                }
            }
        }
        let shape = tasks.support.y.dims2()?;
        tasks.support.y = Tensor::from_vec(labels.concat(), shape, &Device::Cpu)?;
        Ok(tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, FewShot, FewShotSampler, Glyphs, Line, TaskSampler, batch_rng};

    #[test]
    fn nothing_but_labels_changes() -> Result<()> {
        let whole =
            FewShotSampler::new(Glyphs { size: 8, ..Glyphs::default() }, FewShot { shots: 2, ..FewShot::default() })?;
        let part = whole.clone().then(Unlabel { labelled: 1 }).sample(&mut batch_rng(0, 0), 2)?;
        let whole = whole.sample(&mut batch_rng(0, 0), 2)?;
        let pixels = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        assert_eq!(pixels(&part.support.x)?, pixels(&whole.support.x)?);
        assert_eq!(part.query.y.to_vec2::<u32>()?, whole.query.y.to_vec2::<u32>()?);
        Ok(())
    }

    #[test]
    fn no_label_at_all_and_targets_that_are_no_labels_are_refused() {
        let of = |labelled| Line::default().then(Unlabel { labelled }).sample(&mut batch_rng(0, 0), 1);
        assert!(matches!(of(0), Err(Error::Config { field: "labelled", .. })));
        assert!(of(1).is_err());
    }
}
