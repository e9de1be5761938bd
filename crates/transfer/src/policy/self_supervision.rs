//! Self-supervision: what features can be learned from transitions, whether they pay or not.
//!
//! ```text
//! L = w_a · cross-entropy of the action             given h(s), h(s')      inverse dynamics
//!   + w_r · squared error of the reward             given h(s), h(s')
//!   + w_v · cross-entropy of "s' followed s"        given h(s), h(s') and h(s), h(s'') for another s''
//! ```
//! Shelhamer, Mahmoudieh, Argus & Darrell, *Loss is its own Reward: Self-Supervision for Reinforcement Learning*, 2017: losses
//! like these train the features h of a policy's network before it acts, and a network whose last layer is made anew recovers
//! far faster than it learned, so that most of what reinforcement learning learns is h.
//!
//! Differs from the paper: rewards are regressed, not sorted into bins; nothing is reconstructed; and the losses stand before
//! reinforcement learning, not beside it.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::RngCore;
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Model};
use rekindle_optim::{Adam, State, Transform};
use rekindle_rl::{ReplayBuffer, Transitions};

use super::FeatureNet;
use crate::descent::descend;
use crate::error::not_negative;
use crate::{Error, Result};

/// Settings of [`SelfSupervision`].
#[derive(Clone, Debug)]
pub struct SelfSupervisionConfig {
    /// Weight of the inverse dynamics, `>= 0`. Default 1.
    pub action: f64,
    /// Weight of the reward, `>= 0`. Default 1.
    pub reward: f64,
    /// Weight of telling real transitions from mixed ones, `>= 0`. Default 1.
    pub verification: f64,
    /// Units of the hidden layer that reads both features, `>= 1`. Default 64.
    pub hidden: usize,
    /// Transitions in an update, `>= 2`. Default 32.
    pub batch: usize,
    /// The optimiser. Default Adam with rate 1e-3.
    pub optimiser: Arc<dyn Transform>,
}

impl Default for SelfSupervisionConfig {
    fn default() -> Self {
        let optimiser = Arc::new(Adam::new(1e-3));
        Self { action: 1.0, reward: 1.0, verification: 1.0, hidden: 64, batch: 32, optimiser }
    }
}

impl SelfSupervisionConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn validate(&self) -> Result<()> {
        for (name, weight) in [("action", self.action), ("reward", self.reward), ("verification", self.verification)] {
            not_negative(name, weight)?;
        }
        if self.hidden == 0 {
            return Err(Error::setting("hidden", self.hidden, "at least 1"));
        }
        if self.batch < 2 { Err(Error::setting("batch", self.batch, "at least 2")) } else { Ok(()) }
    }
}

/// Losses on the features of a network. Its body's leaves are called `body.…`, as in the network; what reads the features is
/// `auxiliary.…`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rekindle_envs::stream_rng;
/// use rekindle_nn::Activation;
/// use rekindle_rl::{ReplayBuffer, Transition};
/// use rekindle_transfer::policy::{FeatureNet, SelfSupervision, SelfSupervisionConfig};
/// let net = FeatureNet::new(&[2, 16], 3, Activation::Relu)?;
/// let losses = SelfSupervision::new(net.clone(), 3, SelfSupervisionConfig::default())?;
/// let rng = &mut stream_rng(0, 0);
/// let params = losses.init(rng, DType::F32, &Device::Cpu)?;
/// let mut buffer = ReplayBuffer::new(10, [1, 1], 2)?;
/// let (obs, next_obs) = (&[0.0, 1.0], &[1.0, 0.0]);
/// buffer.push(Transition { obs, actions: &[2], rewards: &[1.0], next_obs, terminated: &[false] })?;
/// let (params, _, loss) = losses.update((&params, &losses.start(&params)?), &buffer, rng)?;
/// assert!(loss.is_finite());
/// // A Q-network with these features and a fresh last layer.
/// let q = net.reset_head(&params, rng)?;
/// assert!(q.contains("head.fc1.weight") && !q.contains("auxiliary.fc1.weight"));
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SelfSupervision {
    net: FeatureNet,
    actions: usize,
    reader: Mlp,
    config: SelfSupervisionConfig,
}

impl SelfSupervision {
    /// Losses on the features of `net` in worlds with so many actions.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range, or no actions.
    pub fn new(net: FeatureNet, actions: usize, config: SelfSupervisionConfig) -> Result<Self> {
        config.validate()?;
        if actions == 0 {
            return Err(Error::setting("actions", actions, "at least 1"));
        }
        // Logits of the actions, the reward, and a logit of "it followed".
        let sizes = vec![2 * net.n_features(), config.hidden, actions + 2];
        let (activation, init) = (Activation::Relu, Init::FanInUniform);
        let reader = Mlp::new(&MlpConfig { sizes, activation, weight: init, bias: init, ..MlpConfig::default() })?;
        Ok(Self { net, actions, reader, config })
    }

    /// Fresh parameters of the body and of what reads its features.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let body = rekindle_rl::Net::init(&self.net, rng, dtype, device)?;
        let body = body.partition(|name| name.starts_with("body.")).0;
        Ok(body.merge(&self.reader.init(rng, dtype, device)?.prefixed("auxiliary")?)?)
    }

    /// The optimiser's state before the first update.
    ///
    /// # Errors
    /// If a setting of the optimiser is out of its range.
    pub fn start(&self, params: &Params) -> Result<State> {
        Ok(self.config.optimiser.init(params)?)
    }

    /// One update from transitions of a buffer; new parameters, the optimiser's new state, and the loss before.
    ///
    /// # Errors
    /// If the buffer is empty or does not fit, or the loss is not finite.
    pub fn update(
        &self,
        (params, state): (&Params, &State),
        buffer: &ReplayBuffer,
        rng: &mut dyn RngCore,
    ) -> Result<(Params, State, f64)> {
        let leaf = params.leaves().first().ok_or_else(|| Error::setting("parameters", 0, "at least one leaf"))?;
        let batch = buffer.sample(self.config.batch, rng, leaf.dtype(), leaf.device())?;
        descend(&*self.config.optimiser, params, state, |params| self.losses(params, &batch))
    }

    /// The losses `[M]` of transitions `[M, B, …]`. Row b's other successor is that of row b + 1.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn losses(&self, params: &Params, batch: &Transitions) -> Result<Tensor> {
        let a = self.actions;
        let [here, next] = [self.net.features(params, &batch.obs)?, self.net.features(params, &batch.next_obs)?]; // [M, B, F]
        let b = next.dim(1)?;
        let other = Tensor::cat(&[&next.narrow(1, 1, b - 1)?, &next.narrow(1, 0, 1)?], 1)?;
        let (real, mixed) = (self.read(params, &here, &next)?, self.read(params, &here, &other)?); // [M, B, A + 2]
        let part = |x: &Tensor, start, len| x.narrow(2, start, len)?.contiguous();
        let action = nll(&part(&real, 0, a)?, &batch.actions)?;
        let reward = part(&real, a, 1)?.squeeze(2)?.sub(&batch.rewards)?.sqr()?.mean(&[1])?;
        // −log σ(x) = softplus(−x) for the real ones, −log(1 − σ(x)) = softplus(x) for the mixed.
        let truth = part(&real, a + 1, 1)?.neg()?.softplus()?.add(&part(&mixed, a + 1, 1)?.softplus()?)?;
        let truth = truth.mean(&[1, 2])?.scale(0.5)?;
        let sum = action.scale(self.config.action)?.add_scaled(&reward, self.config.reward)?;
        Ok(sum.add_scaled(&truth, self.config.verification)?)
    }

    /// The most probable action `[M, B]` (`u32`) of transitions `[M, B, …]`, by the inverse dynamics.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn guess_actions(&self, params: &Params, batch: &Transitions) -> Result<Value> {
        let [here, next] = [self.net.features(params, &batch.obs)?, self.net.features(params, &batch.next_obs)?];
        Ok(self.read(params, &here, &next)?.narrow(2, 0, self.actions)?.contiguous()?.value().argmax(2)?)
    }

    fn read(&self, params: &Params, here: &Tensor, next: &Tensor) -> Result<Tensor> {
        let both = Tensor::cat(&[here, next], 2)?;
        Ok(self.reader.forward(&params.sub_params("auxiliary")?, &both, NormStats::Batch)?)
    }
}

/// Mean of −log p(label), `[M]`, from logits `[M, B, N]` and labels `[M, B]`.
fn nll(logits: &Tensor, labels: &Value) -> Result<Tensor> {
    Ok(logits.log_softmax()?.gather(2, &labels.unsqueeze(2)?)?.squeeze(2)?.mean(&[1])?.neg()?)
}
