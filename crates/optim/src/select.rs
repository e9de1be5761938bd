//! Parameters chosen by name.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use rekindle_autodiff::Params;

use crate::{Error, Result};

/// Which parameters something applies to, by name. Names have components with dots between: `block1.norm.gamma`.
///
/// ```
/// use rekindle_optim::Select;
/// let body = Select::prefix(["block1", "block2"]);
/// assert!(body.matches("block1.conv.weight") && !body.matches("block10.conv.weight"));
/// assert!(Select::suffix(["bias"]).negate().matches("head.weight"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Select {
    /// Every parameter.
    All,
    /// Those that begin with one of these, whole components at a time: `enc` takes `enc` and `enc.bias`, but not
    /// `encoder.bias`.
    Prefix(Vec<String>),
    /// Those that end in one of these, whole components at a time: `bias` takes `fc1.bias`.
    Suffix(Vec<String>),
    /// Those of exactly these names.
    Names(Vec<String>),
    /// Those whose name a function says yes to.
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    /// Those that another selection leaves.
    Not(Box<Self>),
}

impl Debug for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Prefix(list) => write!(f, "Prefix({list:?})"),
            Self::Suffix(list) => write!(f, "Suffix({list:?})"),
            Self::Names(list) => write!(f, "Names({list:?})"),
            Self::Predicate(_) => f.write_str("Predicate"),
            Self::Not(inner) => write!(f, "Not({inner:?})"),
        }
    }
}

fn owned<S: Into<String>>(list: impl IntoIterator<Item = S>) -> Vec<String> {
    list.into_iter().map(Into::into).collect()
}

impl Select {
    /// See [`Prefix`](Self::Prefix).
    #[must_use]
    pub fn prefix<S: Into<String>>(list: impl IntoIterator<Item = S>) -> Self {
        Self::Prefix(owned(list))
    }

    /// See [`Suffix`](Self::Suffix).
    #[must_use]
    pub fn suffix<S: Into<String>>(list: impl IntoIterator<Item = S>) -> Self {
        Self::Suffix(owned(list))
    }

    /// See [`Names`](Self::Names).
    #[must_use]
    pub fn names<S: Into<String>>(list: impl IntoIterator<Item = S>) -> Self {
        Self::Names(owned(list))
    }

    /// See [`Predicate`](Self::Predicate).
    #[must_use]
    pub fn predicate(f: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::Predicate(Arc::new(f))
    }

    /// The parameters that this selection leaves.
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether a name is selected.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(list) => list.iter().any(|prefix| starts_with(name, prefix)),
            Self::Suffix(list) => list.iter().any(|suffix| ends_with(name, suffix)),
            Self::Names(list) => list.iter().any(|n| n == name),
            Self::Predicate(f) => f(name),
            Self::Not(inner) => !inner.matches(name),
        }
    }

    /// Checks that the selection finds something among the parameters: each prefix and each name at least one, the
    /// others one in all. A misspelt name would freeze or decay nothing, and say nothing.
    ///
    /// # Errors
    /// With what finds nothing, and the names that there are.
    pub fn validate(&self, params: &Params) -> Result<()> {
        let finds = |fits: &dyn Fn(&str) -> bool| params.names().any(fits);
        let idle = match self {
            Self::All => None,
            Self::Prefix(list) => {
                list.iter().find(|p| !finds(&|n| starts_with(n, p))).map(|p| format!("Prefix({p:?})"))
            }
            Self::Names(list) => list.iter().find(|name| !params.contains(name)).map(|n| format!("Names({n:?})")),
            Self::Suffix(_) | Self::Predicate(_) => (!finds(&|n| self.matches(n))).then(|| format!("{self:?}")),
            Self::Not(inner) => return inner.validate(params),
        };
        match idle {
            None => Ok(()),
            Some(selection) => {
                Err(Error::Unmatched { selection, available: params.names().collect::<Vec<_>>().join(", ") })
            }
        }
    }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn ends_with(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
