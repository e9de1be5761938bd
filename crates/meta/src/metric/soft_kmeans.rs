//! Soft k-means: prototypes that unlabelled examples refine.
//!
//! ```text
//! z_jn = softmax_n −‖h_j − c_n‖²  for unlabelled j,  one-hot for labelled ones        c_n ← Σ_j z_jn h_j / Σ_j z_jn
//! ```
//! Ren et al., *Meta-Learning for Semi-Supervised Few-Shot Classification*, 2018, §3.1.1.
//!
//! Differs from the paper: the unlabelled examples are rows of the support set
//! ([`Unlabel`](rekindle_tasks::Unlabel)); there is no cluster for distractors (§3.1.2 and §3.1.3), so the
//! unlabelled examples should be of the episode's classes.

use rekindle_autodiff::{Params, Tensor, Transpose};

use super::{Distance, Episode, Head};
use crate::{Error, Result};

/// The head of prototypical networks with soft k-means. Without unlabelled examples it is
/// [`Prototypical`](super::Prototypical). It has no parameters.
///
/// ```
/// use rekindle_autodiff::Params;
/// use rekindle_meta::MetaLearner;
/// use rekindle_meta::metric::{MetricLearner, SoftKMeans};
/// use rekindle_nn::Flatten;
/// use rekindle_tasks::{FewShot, FewShotSampler, Glyphs, TaskSampler, Unlabel, batch_rng};
/// // One labelled and two unlabelled drawings of each class.
/// let shape = FewShot { shots: 3, ..FewShot::default() };
/// let episodes = FewShotSampler::new(Glyphs { size: 8, ..Glyphs::default() }, shape)?.then(Unlabel { labelled: 1 });
/// let learner = MetricLearner::new(Flatten, SoftKMeans::default())?;
/// let tasks = episodes.sample(&mut batch_rng(0, 0), 2)?;
/// assert_eq!(learner.meta_grad(&Params::new([])?, &tasks, 0)?.losses.dims(), [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftKMeans {
    /// How near an example is to a prototype. Default: squared Euclidean.
    pub distance: Distance,
    /// Times that the prototypes are refined. Default 1, as in the paper.
    pub steps: usize,
}

impl Default for SoftKMeans {
    fn default() -> Self {
        Self { distance: Distance::SquaredEuclidean, steps: 1 }
    }
}

impl Head for SoftKMeans {
    fn logits(&self, _params: &Params, episode: &Episode) -> Result<Tensor> {
        let unlabelled = episode.one_hot.sum_keepdim(&[2])?.affine(-1.0, 1.0)?; // [M, B, 1]
        let mut prototypes = episode.class_means()?; // [M, N, F]
        for _ in 0..self.steps {
            let guesses = self.distance.similarities(&episode.support, &prototypes)?.softmax()?;
            let z = episode.one_hot.add(&guesses.mul(&unlabelled)?)?; // [M, B, N]
            let total = z.sum_keepdim(&[1])?.transpose(1, 2)?; // [M, N, 1]
            prototypes = z.product(Transpose::Yes, &episode.support, Transpose::No)?.div(&total)?;
        }
        self.distance.similarities(&episode.queries, &prototypes)
    }

    fn validate(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::setting("steps", &0, "at least 1; without refinement use Prototypical"));
        }
        self.distance.validate()
    }

    fn takes_unlabelled(&self) -> bool {
        true
    }
}
