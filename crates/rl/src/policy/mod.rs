//! Policies: a network, the distribution that its outputs stand for, and estimates of the value beside it.
//!
//! A policy holds sizes, never tensors: parameters are an argument, with a task axis, and everything is differentiable in
//! them to any order. That is what lets MAML adapt M policies in one graph.

mod attentive;
mod categorical;
mod distribution;
mod gaussian;
mod net;
mod picture;
mod recurrent;
mod segments;

use std::sync::Arc;

use candle_core::{DType, Device};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{NoRecord, Params, Tensor};
use rekindle_envs::{ActionBuffer, Space};

pub use attentive::{Attentive, AttentiveConfig};
pub use categorical::Categorical;
pub use distribution::{ActionHead, Deviation, Distribution};
pub use gaussian::Gaussian;
pub use net::{FeedForward, Net, Sequence};
pub use recurrent::Recurrent;

use crate::{Error, Result};

/// What a policy carries from step to step, `[M, B, H]` each; `None` where a network has no memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Of the network that acts.
    pub actor: Option<Tensor>,
    /// Of the network that estimates values.
    pub critic: Option<Tensor>,
}

impl Memory {
    /// The same as constants.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.map(|state| Ok(state.detach())).expect("detaching does not fail")
    }

    /// Every state through `f`.
    pub(crate) fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let each = |state: &Option<Tensor>| state.as_ref().map(&f).transpose();
        Ok(Self { actor: each(&self.actor)?, critic: each(&self.critic)? })
    }
}

/// What a policy says of a sequence.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Over actions, at `[T, M, B]`.
    pub distribution: Distribution,
    /// Estimates of the value of each observation, `[T, M, B]`, where the policy has a critic.
    pub values: Option<Tensor>,
    /// After the last step.
    pub memory: Memory,
}

/// One step of acting.
#[derive(Clone, Debug)]
pub struct Act {
    /// What to play, for every row.
    pub actions: ActionBuffer,
    /// What it was drawn from, at `[1, M, B]`; constants.
    pub outputs: Outputs,
}

#[derive(Clone, Debug)]
enum Critic {
    None,
    /// One more output of the acting network.
    Shared,
    /// A network of its own.
    Net(Arc<dyn Net>),
}

/// A stochastic policy. Its leaves are called `actor.…`, those of a critic of its own `critic.…`.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_envs::Space;
/// use rekindle_nn::Activation;
/// use rekindle_rl::{ActionHead, Deviation, FeedForward, Policy};
/// let head = ActionHead::new(&Space::unbounded(2), Deviation::default())?;
/// let policy = Policy::new(FeedForward::mlp(&[4, 100, 100, 2], Activation::Relu)?, head)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let params = policy.init(&mut rng, DType::F32, &Device::Cpu)?;
/// assert_eq!(params.get("actor.log_std")?.dims(), [1, 2]);
/// # Ok::<(), rekindle_rl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    actor: Arc<dyn Net>,
    head: ActionHead,
    critic: Critic,
}

impl Policy {
    /// A policy without estimates of the value: for baselines that are fitted to returns.
    ///
    /// # Errors
    /// [`Error::PolicyOutputs`] if the network's outputs do not fit the action space.
    pub fn new(actor: impl Net + 'static, head: ActionHead) -> Result<Self> {
        check_outputs(actor.n_outputs(), head.n_outputs(), format!("an action in {}", head.space()))?;
        Ok(Self { actor: Arc::new(actor), head, critic: Critic::None })
    }

    /// A policy whose network has one more output, the last: the value.
    ///
    /// # Errors
    /// [`Error::PolicyOutputs`].
    pub fn with_shared_value(actor: impl Net + 'static, head: ActionHead) -> Result<Self> {
        check_outputs(actor.n_outputs(), head.n_outputs() + 1, format!("an action in {} with a value", head.space()))?;
        Ok(Self { actor: Arc::new(actor), head, critic: Critic::Shared })
    }

    /// The same policy with a network for values beside it, of one output.
    ///
    /// # Errors
    /// [`Error::PolicyOutputs`] and [`Error::Shape`] if the critic's outputs or inputs do not fit, and
    /// [`Error::Unsupported`] if there are values already.
    pub fn with_critic(self, critic: impl Net + 'static) -> Result<Self> {
        if !matches!(self.critic, Critic::None) {
            return Err(Error::Unsupported {
                message: "the policy has a critic already: start from `Policy::new`".into(),
            });
        }
        check_outputs(critic.n_outputs(), 1, "a value".into())?;
        if critic.n_inputs() != self.actor.n_inputs() {
            return Err(Error::shape(
                "the critic's input",
                &[critic.n_inputs()],
                format!("[{}]", self.actor.n_inputs()),
            ));
        }
        Ok(Self { critic: Critic::Net(Arc::new(critic)), ..self })
    }

    /// Fresh shared parameters, leaves `[1, …]`.
    ///
    /// # Errors
    /// If the device cannot allocate them.
    pub fn init(&self, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Params> {
        let mut actor = self.actor.init(rng, dtype, device)?;
        if let Some(log_std) = self.head.initial_log_std() {
            let leaf = Tensor::zeros((1, self.head.n_outputs()), dtype, device)?.shift(log_std)?;
            actor = actor.merge(&Params::new([("log_std".to_owned(), leaf)])?)?;
        }
        let actor = actor.prefixed("actor")?;
        match &self.critic {
            Critic::Net(critic) => Ok(actor.merge(&critic.init(rng, dtype, device)?.prefixed("critic")?)?),
            Critic::None | Critic::Shared => Ok(actor),
        }
    }

    /// Where actions lie.
    pub fn action_space(&self) -> &Space {
        self.head.space()
    }

    /// Whether there are estimates of the value.
    pub fn has_values(&self) -> bool {
        !matches!(self.critic, Critic::None)
    }

    /// Whether the value is an output of the acting network, so that the two cannot be trained apart.
    pub fn shares_value(&self) -> bool {
        matches!(self.critic, Critic::Shared)
    }

    /// Whether anything is carried from step to step, so that sequences must stay whole.
    pub fn is_recurrent(&self) -> bool {
        let critic = match &self.critic {
            Critic::Net(critic) => critic.memory_size(),
            Critic::None | Critic::Shared => None,
        };
        self.actor.memory_size().or(critic).is_some()
    }

    /// An empty memory for M tasks and B copies.
    ///
    /// # Errors
    /// If the device cannot allocate it.
    pub fn memory(&self, [m, b]: [usize; 2], dtype: DType, device: &Device) -> Result<Memory> {
        let zeros = |size: usize| Tensor::zeros((m, b, size), dtype, device);
        let critic = match &self.critic {
            Critic::Net(critic) => critic.memory_size(),
            Critic::None | Critic::Shared => None,
        };
        Ok(Memory { actor: self.actor.memory_size().map(zeros).transpose()?, critic: critic.map(zeros).transpose()? })
    }

    /// Distributions, values and memory over a sequence: what stepping through it gives.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn forward(&self, params: &Params, xs: Sequence<'_>, memory: &Memory) -> Result<Outputs> {
        let (distribution, shared, actor) = self.act_on(params, xs, memory)?;
        let (values, critic) = match &self.critic {
            Critic::None => (None, None),
            Critic::Shared => (shared, None),
            Critic::Net(net) => {
                let (values, critic) = net.forward(&params.sub_params("critic")?, xs, memory.critic.as_ref())?;
                (Some(values.squeeze(3)?), critic)
            }
        };
        Ok(Outputs { distribution, values, memory: Memory { actor, critic } })
    }

    /// Distributions over a sequence alone: the critic is not asked, and its parameters may be absent.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn distribution(&self, params: &Params, xs: Sequence<'_>, memory: &Memory) -> Result<Distribution> {
        Ok(self.act_on(params, xs, memory)?.0)
    }

    /// Values over a sequence, `[T, M, B]`, of a critic of its own: the acting network is not asked, and its parameters
    /// may be absent.
    ///
    /// # Errors
    /// [`Error::NoValues`] without such a critic.
    pub fn values(&self, params: &Params, xs: Sequence<'_>, memory: &Memory) -> Result<Tensor> {
        let Critic::Net(net) = &self.critic else { return Err(Error::NoValues { what: "`Policy::values`" }) };
        Ok(net.forward(&params.sub_params("critic")?, xs, memory.critic.as_ref())?.0.squeeze(3)?)
    }

    /// Draws an action for every row of observations `[M, B, D]`, row i with generator i; nothing is recorded.
    ///
    /// # Errors
    /// If the shapes do not fit, or a parameter is missing.
    pub fn act(
        &self,
        params: &Params,
        obs: &Tensor,
        starts: &[bool],
        memory: &Memory,
        rngs: &mut [ChaCha8Rng],
    ) -> Result<Act> {
        let _scope = NoRecord::new();
        let outputs = self.forward(params, Sequence { obs: &obs.unsqueeze(0)?, starts }, memory)?;
        Ok(Act { actions: outputs.distribution.sample(rngs)?, outputs })
    }

    /// Checks that this policy can act in an environment with these spaces.
    ///
    /// # Errors
    /// [`Error::PolicyInputs`], [`Error::PolicySpace`], [`Error::Unbounded`].
    pub fn check(&self, observation: &Space, action: &Space) -> Result<()> {
        let (found, expected) = (self.actor.n_inputs(), observation.n_features());
        if found != expected {
            return Err(Error::PolicyInputs { net: "policy", found, expected, space: observation.to_string() });
        }
        if action != self.head.space() {
            return Err(Error::PolicySpace { policy: self.head.space().to_string(), env: action.to_string() });
        }
        match action {
            Space::Box { low, high, .. } if low.iter().chain(high).any(|bound| bound.is_finite()) => {
                Err(Error::Unbounded { space: action.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn act_on(
        &self,
        params: &Params,
        xs: Sequence<'_>,
        memory: &Memory,
    ) -> Result<(Distribution, Option<Tensor>, Option<Tensor>)> {
        let params = params.sub_params("actor")?;
        let (outputs, after) = self.actor.forward(&params, xs, memory.actor.as_ref())?;
        if !self.shares_value() {
            return Ok((self.head.distribution(&params, &outputs)?, None, after));
        }
        let n = self.head.n_outputs();
        let distribution = self.head.distribution(&params, &outputs.narrow(3, 0, n)?.contiguous()?)?;
        Ok((distribution, Some(outputs.narrow(3, n, 1)?.squeeze(3)?), after))
    }
}

fn check_outputs(found: usize, expected: usize, wants: String) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::PolicyOutputs { found, expected, wants }) }
}
