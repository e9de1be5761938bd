//! What can go wrong in reinforcement learning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside of its range.
    #[error("`{name}` is {value}, but must be {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A network with more or fewer outputs than the action space asks for.
    #[error(
        "the network has {found} outputs, but {wants} takes {expected}; give the network {expected} outputs \
         (`ActionHead::n_outputs`, and one more with a shared value)"
    )]
    PolicyOutputs {
        /// Outputs of the network.
        found: usize,
        /// Outputs that were expected.
        expected: usize,
        /// What they are expected for.
        wants: String,
    },
    /// A network whose inputs are not the features of the observations.
    #[error("the {net} takes {found} inputs, but observations in {space} have {expected} features")]
    PolicyInputs {
        /// Which network.
        net: &'static str,
        /// Inputs of the network.
        found: usize,
        /// Features of an observation.
        expected: usize,
        /// The observation space.
        space: String,
    },
    /// A policy for one action space, an environment with another.
    #[error(
        "the policy acts in {policy}, but the environment takes {env}; build the policy from the environment's space"
    )]
    PolicySpace {
        /// The policy's action space.
        policy: String,
        /// The environment's.
        env: String,
    },
    /// Actions without bounds for an environment with bounds.
    #[error(
        "a Gaussian policy draws from all numbers, but actions must lie in {space}; wrap the environment in `ClipActions`"
    )]
    Unbounded {
        /// The action space.
        space: String,
    },
    /// An algorithm that needs estimates of the value, and a policy without any.
    #[error(
        "{what} needs values: give the policy a critic (`Policy::with_critic`, `with_shared_value`) or another baseline"
    )]
    NoValues {
        /// What asked for them.
        what: &'static str,
    },
    /// An algorithm that does not fit a policy's construction.
    #[error("{message}")]
    Unsupported {
        /// What does not fit, and the way out.
        message: String,
    },
    /// Something of the wrong shape.
    #[error("{what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor or slice.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// What was expected.
        expected: String,
    },
    /// A number that is none, or infinite.
    #[error("the {what} became {value}; lower the learning rate, or clip the gradients")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// From the environments.
    #[error(transparent)]
    Envs(#[from] rekindle_envs::Error),
    /// From the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// From a model.
    #[error(transparent)]
    Nn(#[from] rekindle_nn::Error),
    /// From an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
    /// From candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    // Of the classical agents, `bandit` and `tabular`.
    /// A setting of a classical agent or of a solver has a value outside its range.
    #[error("`{field}` is {value}, but must be {expected}")]
    AgentSetting {
        /// Name of the setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// The accepted range.
        expected: &'static str,
    },
    /// A bandit without arms.
    #[error("a bandit needs at least one arm; make its family with `arms >= 1`")]
    NoArms,
    /// Nothing to play.
    #[error("the {what} is zero, so that nothing would ever happen; it must be at least 1")]
    NothingToPlay {
        /// What is zero.
        what: &'static str,
    },
    /// A reward that the agent's belief says cannot happen.
    #[error("the reward is {reward}, but {belief} expects {expected}; use a belief that fits the arms")]
    ImpossibleReward {
        /// The reward.
        reward: f64,
        /// The belief.
        belief: &'static str,
        /// What it can learn from.
        expected: &'static str,
    },
    /// A dynamic program that would not fit.
    #[error(
        "the dynamic program over {arms} arms and {horizon} pulls has more than {limit} states; \
         raise `max_states`, or play the Gittins index, which is close to optimal"
    )]
    TooManyStates {
        /// Arms.
        arms: usize,
        /// Pulls.
        horizon: usize,
        /// Most states that may be kept.
        limit: usize,
    },
    /// An iteration that did not converge.
    #[error("{what} did not reach its tolerance {tolerance} in {iterations} iterations; allow more, or a larger one")]
    NotConverged {
        /// What was iterated.
        what: &'static str,
        /// What it should have reached.
        tolerance: f64,
        /// How often it was tried.
        iterations: usize,
    },
}

impl Error {
    /// A setting outside its range.
    pub(crate) fn agent(field: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::AgentSetting { field, value: value.to_string(), expected }
    }
}

impl Error {
    /// A setting outside of its range.
    pub(crate) fn setting(name: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), expected }
    }

    /// A tensor or slice of the wrong shape.
    pub(crate) fn shape(what: &'static str, found: &[usize], expected: impl Into<String>) -> Self {
        Self::Shape { what, found: found.to_vec(), expected: expected.into() }
    }
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// `value` in `[low, high]`, or an error that names the setting.
pub(crate) fn in_range(name: &'static str, value: f64, [low, high]: [f64; 2], expected: &'static str) -> Result<()> {
    if value.is_finite() && (low..=high).contains(&value) { Ok(()) } else { Err(Error::setting(name, value, expected)) }
}

/// A finite number above zero, or an error that names the setting.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(Error::setting(name, value, "a finite number above 0")) }
}

/// A count of at least one, or an error that names the setting.
pub(crate) fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    if value >= 1 { Ok(()) } else { Err(Error::setting(name, value, "at least 1")) }
}
