//! Features φ of transitions that are learned from rewards in many tasks.
//!
//! ```text
//! φ(s, s') = σ(Hᵀ [x(s), x(s')] + b)        min_{H, b, w_1 … w_M} mean_m mean (r − φᵀ w_m)²
//! ```
//! One hidden layer is shared by all tasks, and each task has a linear output of its own: after Caruana, *Multitask
//! Learning*, 1997, as in SFQL-h of Barreto et al. 2017, §4.1, where h is the number of features. Half of every minibatch are
//! transitions whose reward is not zero, as in the paper; the optimiser is Adam.

use std::sync::Arc;

use candle_core::{DType, Device};
use rand::RngCore;
use rekindle_autodiff::{Params, Tensor};
use rekindle_envs::random::{below, normal};
use rekindle_optim::{Adam, Transform};

use super::{Encoder, Step, TransitionFeatures};
use crate::descent::descend;
use crate::{Error, Result};

/// A transition in some task.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where the action was taken.
    pub obs: Vec<f32>,
    /// Where it led to.
    pub next_obs: Vec<f32>,
    /// What it paid.
    pub reward: f64,
}

/// Settings of [`learn_features`].
#[derive(Clone, Debug)]
pub struct FeatureConfig {
    /// Features h, `>= 1`. Default 8, the most in Barreto et al. 2017.
    pub features: usize,
    /// Updates, `>= 1`. Default 2000.
    pub updates: usize,
    /// Transitions of each task in an update, `>= 2`. Default 32.
    pub batch: usize,
    /// The optimiser. Default Adam with rate 0.01.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self { features: 8, updates: 2000, batch: 32, optimiser: Arc::new(Adam::new(1e-2)) }
    }
}

impl FeatureConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        let least = [("features", self.features, 1), ("updates", self.updates, 1), ("batch", self.batch, 2)];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((name, value, _)) => Err(Error::setting(name, value, "at least 1, a batch at least 2")),
            None => Ok(()),
        }
    }
}

/// Features that were learned: `φ = σ(Hᵀ [x(s), x(s')] + b)`.
#[derive(Clone, Debug)]
pub struct LearnedFeatures<E> {
    encoder: E,
    /// Features of a state D.
    width: usize,
    /// `[2 D, h]`
    hidden: Vec<f64>,
    /// `[h]`
    bias: Vec<f64>,
    x: Vec<(usize, f64)>,
}

/// Learns features from samples of M tasks; answers them and the mean squared error of the last tenth of the updates, over
/// minibatches that are balanced.
///
/// # Errors
/// [`Error::Setting`] for a setting out of its range or a task without samples; those of the encoder.
pub fn learn_features<E: Encoder>(
    mut encoder: E,
    tasks: &[Vec<Sample>],
    config: &FeatureConfig,
    rng: &mut dyn RngCore,
) -> Result<(LearnedFeatures<E>, f64)> {
    config.validate()?;
    if tasks.is_empty() || tasks.iter().any(Vec::is_empty) {
        return Err(Error::setting(
            "tasks",
            format!("{} lists of samples", tasks.len()),
            "at least one, none of them empty",
        ));
    }
    let data = tasks.iter().map(|samples| Encoded::new(&mut encoder, samples)).collect::<Result<Vec<_>>>()?;
    let width = data.iter().map(|task| task.width).fold(1, usize::max);
    let mut params = init([tasks.len(), width, config.features], rng)?;
    let mut state = config.optimiser.init(&params)?;
    let (mut error, last) = (0.0, config.updates.div_ceil(10));
    for update in 0..config.updates {
        let (x, rewards) = minibatch(&data, width, config.batch, rng)?;
        let (next, optimiser, loss) =
            descend(&*config.optimiser, &params, &state, |params| errors(params, &x, &rewards))?;
        (params, state) = (next, optimiser);
        error += if update + last >= config.updates { loss / last as f64 } else { 0.0 };
    }
    let (hidden, bias) = (params.get("hidden.weight")?.to_vec_f64()?, params.get("hidden.bias")?.to_vec_f64()?);
    Ok((LearnedFeatures { encoder, width, hidden, bias, x: Vec::new() }, error))
}

fn init([m, width, h]: [usize; 3], rng: &mut dyn RngCore) -> Result<Params> {
    let mut draw = |n: usize, scale: f64| (0..n).map(|_| (scale * normal(rng)) as f32).collect::<Vec<_>>();
    let hidden = Tensor::from_vec(draw(2 * width * h, 1.0 / (2.0 * width as f64).sqrt()), (1, 2 * width, h))?;
    let heads = Tensor::from_vec(draw(m * h, 0.1), (m, h, 1))?;
    let bias = Tensor::zeros((1, h), DType::F32, &Device::Cpu)?;
    let leaves = [("hidden.weight", hidden), ("hidden.bias", bias), ("head.weight", heads)];
    Ok(Params::new(leaves.map(|(name, leaf)| (name.to_owned(), leaf)))?)
}

/// Mean squared errors `[M]` of rewards `[M, B, 1]` at transitions `[M, B, 2 D]`.
fn errors(params: &Params, x: &Tensor, rewards: &Tensor) -> Result<Tensor> {
    let phi = x.linear(params.get("hidden.weight")?, Some(params.get("hidden.bias")?))?.sigmoid()?; // [M, B, h]
    Ok(phi.linear(params.get("head.weight")?, None)?.sub(rewards)?.sqr()?.mean(&[1, 2])?)
}

/// Transitions `[M, B, 2 D]` and rewards `[M, B, 1]`: of each task, half of them from those that pay something, if any do.
fn minibatch(data: &[Encoded], width: usize, batch: usize, rng: &mut dyn RngCore) -> Result<(Tensor, Tensor)> {
    let (mut x, mut rewards) = (vec![0.0_f32; data.len() * batch * 2 * width], Vec::new());
    let mut rows = x.chunks_exact_mut(2 * width);
    for task in data {
        for (i, row) in rows.by_ref().take(batch).enumerate() {
            let paying = i % 2 == 0 && !task.paying.is_empty();
            let number =
                if paying { task.paying[below(rng, task.paying.len())] } else { below(rng, task.rewards.len()) };
            for (offset, state) in [0, width].into_iter().zip(&task.states[number]) {
                state.iter().for_each(|(feature, value)| row[offset + feature] = *value as f32);
            }
            rewards.push(task.rewards[number] as f32);
        }
    }
    let m = data.len();
    Ok((Tensor::from_vec(x, (m, batch, 2 * width))?, Tensor::from_vec(rewards, (m, batch, 1))?))
}

/// The samples of one task as an encoder sees them.
struct Encoded {
    /// Features of s and of s'.
    states: Vec<[Vec<(usize, f64)>; 2]>,
    rewards: Vec<f64>,
    /// Numbers of the samples whose reward is not zero.
    paying: Vec<usize>,
    width: usize,
}

impl Encoded {
    fn new(encoder: &mut impl Encoder, samples: &[Sample]) -> Result<Self> {
        let mut encode = |obs: &[f32]| -> Result<Vec<(usize, f64)>> {
            let mut x = Vec::new();
            encoder.encode(obs, &mut x)?;
            Ok(x)
        };
        let states = samples.iter().map(|sample| Ok([encode(&sample.obs)?, encode(&sample.next_obs)?]));
        let states = states.collect::<Result<Vec<_>>>()?;
        let rewards: Vec<f64> = samples.iter().map(|sample| sample.reward).collect();
        let paying = (0..rewards.len()).filter(|i| rewards[*i] != 0.0).collect();
        let width = states.iter().flatten().flatten().map(|(feature, _)| feature + 1).max().unwrap_or(1);
        Ok(Self { states, rewards, paying, width })
    }
}

impl<E: Encoder> TransitionFeatures for LearnedFeatures<E> {
    fn len(&self) -> usize {
        self.bias.len()
    }

    fn write(&mut self, step: &Step<'_>, out: &mut [f64]) -> Result<()> {
        let h = self.bias.len();
        out.copy_from_slice(&self.bias);
        for (offset, obs) in [(0, step.obs), (self.width, step.next_obs)] {
            self.x.clear();
            self.encoder.encode(obs, &mut self.x)?;
            // Features of states that no sample had are unknown, and say nothing.
            for (feature, value) in self.x.iter().filter(|(feature, _)| *feature < self.width) {
                let row = &self.hidden[(offset + feature) * h..(offset + feature + 1) * h];
                out.iter_mut().zip(row).for_each(|(phi, weight)| *phi += value * weight);
            }
        }
        out.iter_mut().for_each(|phi| *phi = 1.0 / (1.0 + libm::exp(-*phi)));
        Ok(())
    }
}
