//! Tasks from several distributions.
//!
//! Triantafillou et al., *Meta-Dataset*, 2020, §3.2: the data set of each training episode is drawn, uniformly, and
//! then its classes.

use rand::{Rng, RngCore};

use crate::{Error, Result, TaskBatch, TaskSampler};

/// Draws one of several samplers, and from it all tasks of a batch, which have the same shape that way.
///
/// ```
/// use rekindle_tasks::{Line, Mixture, Sinusoid, TaskSampler, batch_rng};
///
/// let sources: Vec<Box<dyn TaskSampler>> = vec![Box::new(Sinusoid::maml(10)), Box::new(Line::default())];
/// let mixture = Mixture::uniform(sources)?;
/// assert_eq!(mixture.sample(&mut batch_rng(0, 0), 4)?.n_tasks()?, 4);
/// # Ok::<(), rekindle_tasks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mixture<S> {
    sources: Vec<S>,
    /// Sums of the weights up to and including each source's.
    cumulative: Vec<f64>,
}

impl<S: TaskSampler> Mixture<S> {
    /// Sources that are drawn equally often.
    ///
    /// # Errors
    /// [`Error::Config`] when there is none.
    pub fn uniform(sources: Vec<S>) -> Result<Self> {
        Self::weighted(sources.into_iter().map(|source| (1.0, source)).collect())
    }

    /// Sources that are drawn in proportion to their weights.
    ///
    /// # Errors
    /// [`Error::Config`] when there is no source, or a weight is not finite and above 0.
    pub fn weighted(sources: Vec<(f64, S)>) -> Result<Self> {
        if sources.is_empty() {
            return Err(Error::Config { field: "sources", value: "empty".into(), expected: "at least one" });
        }
        let mut total = 0.0;
        let mut cumulative = Vec::with_capacity(sources.len());
        for (weight, _) in &sources {
            if !(weight.is_finite() && *weight > 0.0) {
                let value = weight.to_string();
                return Err(Error::Config { field: "weight", value, expected: "finite and above 0" });
            }
            total += weight;
            cumulative.push(total);
        }
        Ok(Self { sources: sources.into_iter().map(|(_, source)| source).collect(), cumulative })
    }
}

impl<S: TaskSampler> TaskSampler for Mixture<S> {
    fn sample(&self, rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
        let last = self.sources.len() - 1;
        let at = rng.random::<f64>() * self.cumulative[last];
        // Rounding may carry `at` up to the total itself.
        let source = self.cumulative.partition_point(|&sum| sum <= at).min(last);
        self.sources[source].sample(rng, n_tasks)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::{Batch, batch_rng};

    /// Answers its number.
    struct Marked(u32);

    impl TaskSampler for Marked {
        fn sample(&self, _rng: &mut dyn RngCore, n_tasks: usize) -> Result<TaskBatch> {
            let y = Tensor::full(self.0, (n_tasks, 1), &Device::Cpu)?;
            let batch = Batch { x: Tensor::zeros((n_tasks, 1, 1), candle_core::DType::F32, &Device::Cpu)?, y };
            Ok(TaskBatch { support: batch.clone(), query: batch })
        }
    }

    #[test]
    fn sources_are_drawn_in_proportion_and_a_batch_has_one() -> Result<()> {
        let mixture = Mixture::weighted(vec![(3.0, Marked(0)), (1.0, Marked(1))])?;
        let mut counts = [0; 2];
        let mut rng = batch_rng(0, 0);
        for _ in 0..400 {
            let labels = mixture.sample(&mut rng, 3)?.query.y.flatten_all()?.to_vec1::<u32>()?;
            assert!(labels.iter().all(|&label| label == labels[0]));
            counts[labels[0] as usize] += 1;
        }
        // 300 and 100, standard deviation 8.7.
        assert!((260..340).contains(&counts[0]), "{counts:?}");
        Ok(())
    }

    #[test]
    fn no_source_and_wrong_weights_are_refused() {
        assert!(matches!(Mixture::<Marked>::uniform(vec![]), Err(Error::Config { field: "sources", .. })));
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mixture = Mixture::weighted(vec![(1.0, Marked(0)), (weight, Marked(1))]);
            assert!(matches!(mixture, Err(Error::Config { field: "weight", .. })));
        }
    }
}
