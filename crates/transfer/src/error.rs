//! What can go wrong in transfer.

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
    /// A closed form without a solution in floating point.
    #[error("{what} cannot be solved in floating point; {remedy}")]
    Unsolvable {
        /// What was to be solved.
        what: &'static str,
        /// The way out.
        remedy: &'static str,
    },
    /// A description of another length than the first.
    #[error("the description of class {class} has {found} attributes, but that of class 0 has {expected}")]
    DescriptionLength {
        /// The class.
        class: usize,
        /// Its attributes.
        found: usize,
        /// The attributes of class 0.
        expected: usize,
    },
    /// Descriptions of another length than a model was made for.
    #[error("the descriptions have {found} attributes, but the model was made for {expected}")]
    Attributes {
        /// Their attributes.
        found: usize,
        /// Those of the model.
        expected: usize,
    },
    /// A class that nothing is known of.
    #[error("class {class} has no description: there are {described}; describe it, or leave its examples out")]
    Undescribed {
        /// The class.
        class: usize,
        /// Classes with a description.
        described: usize,
    },
    /// A task that the curriculum does not have.
    #[error("task {task} does not exist: the curriculum has {available}")]
    UnknownTask {
        /// Its number.
        task: usize,
        /// Tasks of the curriculum.
        available: usize,
    },
    /// Parameters of a source that do not fit into a target, all of them.
    #[error("the source does not fit the target: {problems}; select the layers that are to start afresh")]
    Unfit {
        /// Each parameter, and what is wrong with it.
        problems: String,
    },
    /// A head with the wrong number of classes.
    #[error("the model has {outputs} outputs, but the labels are of {classes} classes; give it a new head (`adopt`)")]
    Classes {
        /// Outputs of the model.
        outputs: usize,
        /// Classes of the data.
        classes: usize,
    },
    /// No data.
    #[error("the {what} has no examples; give at least one")]
    Empty {
        /// Which set or domain.
        what: &'static str,
    },
    /// A class without enough examples.
    #[error("class {class} has {available} of these examples, but {shots} are asked for; take fewer")]
    TooFew {
        /// Its name.
        class: String,
        /// What it has.
        available: usize,
        /// What it needs.
        shots: usize,
    },
    /// A tensor of the wrong shape.
    #[error("{what} has shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// The expected shape.
        expected: String,
    },
    /// A file that holds no state of training.
    #[error("{} holds no state of training; was it written by `FitState::save`?", path.display())]
    NotAState {
        /// The file.
        path: std::path::PathBuf,
    },
    /// More or fewer numbers than something has.
    #[error(
        "{what} has {found} numbers, but {expected} are expected; give as many as the world or the agent was made with"
    )]
    Width {
        /// What has them.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many should be.
        expected: usize,
    },
    /// A number that is none, or infinite.
    #[error("the {what} became {value}; lower the learning rate, or clip the gradients")]
    NotFinite {
        /// Which number, and when.
        what: String,
        /// Its value.
        value: f64,
    },
    /// From the tape.
    #[error(transparent)]
    Autodiff(#[from] rekindle_autodiff::Error),
    /// From a model.
    #[error(transparent)]
    Nn(#[from] rekindle_nn::Error),
    /// From an optimiser.
    #[error(transparent)]
    Optim(#[from] rekindle_optim::Error),
    /// From tasks and data sets.
    #[error(transparent)]
    Tasks(#[from] rekindle_tasks::Error),
    /// From meta-learning.
    #[error(transparent)]
    Meta(Box<rekindle_meta::Error>),
    /// From an environment.
    #[error(transparent)]
    Envs(#[from] rekindle_envs::Error),
    /// From reinforcement learning.
    #[error(transparent)]
    Rl(Box<rekindle_rl::Error>),
    /// From candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

// Boxed, so that a result that is passed through many calls stays small.
impl From<rekindle_rl::Error> for Error {
    fn from(error: rekindle_rl::Error) -> Self {
        Self::Rl(Box::new(error))
    }
}

impl From<rekindle_meta::Error> for Error {
    fn from(error: rekindle_meta::Error) -> Self {
        Self::Meta(Box::new(error))
    }
}

impl Error {
    /// A tensor of the wrong shape.
    pub(crate) fn shape(what: impl Into<String>, found: &[usize], expected: impl Into<String>) -> Self {
        Self::Shape { what: what.into(), found: found.to_vec(), expected: expected.into() }
    }

    /// A setting outside of its range.
    pub(crate) fn setting(name: &'static str, value: impl std::fmt::Display, expected: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), expected }
    }
}

/// `0 < value < ∞`, or an error that names the setting.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::setting(name, value, "a finite number above 0")) }
}

/// `0 ≤ value < ∞`, or an error that names the setting.
pub(crate) fn not_negative(name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::setting(name, value, "a finite number of at least 0"))
}

/// `0 ≤ value ≤ 1`, or an error that names the setting.
pub(crate) fn probability(name: &'static str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(Error::setting(name, value, "a probability, from 0 to 1")) }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
