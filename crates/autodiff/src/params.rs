//! Named parameters in a fixed order, with a leading task axis.

mod algebra;
mod file;
mod tasks;

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Error, Order, Result, Tensor, grad, grad_step};

/// The parameters of a model: named leaves in a fixed order, each `[M, …]` with one value a task, or `[1, …]` where
/// all tasks share it.
///
/// Parameters are values: every method answers new ones, and copies are cheap (the tensors are reference counted).
///
/// ```
/// use rekindle_autodiff::{Order, Params, Tensor};
/// let params = Params::new([
///     ("weight".to_owned(), Tensor::from_vec(vec![1f64, -2.], (1, 2))?),
///     ("bias".to_owned(), Tensor::from_vec(vec![0.5f64], (1, 1))?),
/// ])?
/// .leaf();
/// let loss = params.dot(&params)?.scale(0.5)?; // ½‖θ‖², whose gradient is θ
/// let step = params.add_scaled(&params.grad(&loss, Order::First)?, -1.0)?;
/// assert_eq!(step.get("weight")?.to_vec_f64()?, [0.0, 0.0]);
/// # Ok::<(), rekindle_autodiff::Error>(())
/// ```
#[derive(Clone)]
pub struct Params {
    names: Arc<Names>,
    leaves: Vec<Tensor>,
}

#[derive(PartialEq, Eq)]
struct Names {
    list: Vec<String>,
    index: HashMap<String, usize>,
}

impl Names {
    fn new(list: Vec<String>) -> Result<Self> {
        let mut index = HashMap::with_capacity(list.len());
        for (i, name) in list.iter().enumerate() {
            // The order of the names is stored one a line.
            if name.contains('\n') {
                return Err(Error::argument("Params::new", format!("the name {name:?} has a line break")));
            }
            if index.insert(name.clone(), i).is_some() {
                return Err(Error::DuplicateParam { name: name.clone() });
            }
        }
        Ok(Self { list, index })
    }
}

impl Params {
    /// Parameters from names and leaves, in the given order.
    ///
    /// # Errors
    /// If a name stands twice, or has a line break.
    pub fn new(leaves: impl IntoIterator<Item = (String, Tensor)>) -> Result<Self> {
        let (names, leaves) = leaves.into_iter().unzip();
        Ok(Self { names: Arc::new(Names::new(names)?), leaves })
    }

    /// The number of leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The number of scalars in all leaves.
    #[must_use]
    pub fn count(&self) -> usize {
        self.leaves.iter().map(Tensor::elem_count).sum()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.list.iter().map(String::as_str)
    }

    /// The leaves, in order.
    #[must_use]
    pub fn leaves(&self) -> &[Tensor] {
        &self.leaves
    }

    /// Names and leaves, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.names().zip(&self.leaves)
    }

    /// Whether there is a leaf of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.index.contains_key(name)
    }

    /// The leaf of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        match self.names.index.get(name) {
            Some(&i) => Ok(&self.leaves[i]),
            None => Err(Error::MissingParam { name: name.to_owned(), available: self.names.list.join(", ") }),
        }
    }

    /// The same names with other leaves.
    ///
    /// # Errors
    /// If there are more or fewer leaves than names.
    pub fn with_leaves(&self, leaves: Vec<Tensor>) -> Result<Self> {
        if leaves.len() != self.len() {
            let message = format!("{} leaves for {} names", leaves.len(), self.len());
            return Err(Error::argument("with_leaves", message));
        }
        Ok(Self { names: Arc::clone(&self.names), leaves })
    }

    /// Every leaf through `f`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn map(&self, mut f: impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        self.map_named(|_, leaf| f(leaf))
    }

    /// Every leaf, with its name, through `f`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn map_named(&self, mut f: impl FnMut(&str, &Tensor) -> Result<Tensor>) -> Result<Self> {
        let leaves = self.iter().map(|(name, leaf)| f(name, leaf)).collect::<Result<_>>()?;
        Ok(Self { names: Arc::clone(&self.names), leaves })
    }

    /// Leaves of one name together through `f`.
    ///
    /// # Errors
    /// If the names or their order differ, and those of `f`.
    pub fn zip(&self, other: &Self, mut f: impl FnMut(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Self> {
        self.check_names(other)?;
        let leaves = self.leaves.iter().zip(&other.leaves).map(|(a, b)| f(a, b)).collect::<Result<_>>()?;
        Ok(Self { names: Arc::clone(&self.names), leaves })
    }

    /// Three leaves of one name together through `f`.
    ///
    /// # Errors
    /// If the names or their order differ, and those of `f`.
    pub fn zip3(
        &self,
        b: &Self,
        c: &Self,
        mut f: impl FnMut(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        self.check_names(b)?;
        self.check_names(c)?;
        let rows = self.leaves.iter().zip(&b.leaves).zip(&c.leaves);
        let leaves = rows.map(|((a, b), c)| f(a, b, c)).collect::<Result<_>>()?;
        Ok(Self { names: Arc::clone(&self.names), leaves })
    }

    /// Fresh leaves of the same values, cut off from any history: the point to differentiate at.
    #[must_use]
    pub fn leaf(&self) -> Self {
        self.each(Tensor::leaf)
    }

    /// The same values as constants.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.each(Tensor::detach)
    }

    /// Whether gradients can be asked for at any leaf.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.leaves.iter().any(Tensor::is_tracked)
    }

    /// Gradient of a scalar with respect to every leaf.
    ///
    /// # Errors
    /// As [`grad`](crate::grad()).
    pub fn grad(&self, loss: &Tensor, order: Order) -> Result<Self> {
        self.with_leaves(grad(loss, &self.leaves.iter().collect::<Vec<_>>(), order)?)
    }

    /// Every leaf after one step, `x + s ∂loss/∂x`, recorded: as [`grad`](Self::grad) with [`Order::Higher`] and
    /// [`add_scaled`](Self::add_scaled), in fewer passes.
    ///
    /// # Errors
    /// As [`grad`](crate::grad()).
    pub fn grad_step(&self, loss: &Tensor, s: f64) -> Result<Self> {
        self.with_leaves(grad_step(loss, &self.leaves.iter().collect::<Vec<_>>(), s)?)
    }

    /// Those leaves whose name fits, and the others, both in order.
    pub fn partition(&self, mut fits: impl FnMut(&str) -> bool) -> (Self, Self) {
        let (yes, no): (Vec<_>, Vec<_>) = self.iter().partition(|(name, _)| fits(name));
        let part = |leaves: Vec<(&str, &Tensor)>| {
            Self::new(leaves.into_iter().map(|(name, leaf)| (name.to_owned(), leaf.clone())))
                .expect("names that were different stay different")
        };
        (part(yes), part(no))
    }

    /// These leaves, and after them those of `other`.
    ///
    /// # Errors
    /// If a name stands in both.
    pub fn merge(&self, other: &Self) -> Result<Self> {
        let both = self.iter().chain(other.iter());
        Self::new(both.map(|(name, leaf)| (name.to_owned(), leaf.clone())))
    }

    /// These leaves in the order of the names of `like`.
    ///
    /// # Errors
    /// If a name is missing or extra.
    pub fn ordered_like(&self, like: &Self) -> Result<Self> {
        self.check_same_set(like)?;
        let leaves = like.names().map(|name| self.get(name).cloned()).collect::<Result<_>>()?;
        Ok(Self { names: Arc::clone(&like.names), leaves })
    }

    /// The same leaves under names with `prefix.` before them.
    ///
    /// # Errors
    /// Never: prefixed names stay different.
    pub fn prefixed(&self, prefix: &str) -> Result<Self> {
        Self::new(self.iter().map(|(name, leaf)| (format!("{prefix}.{name}"), leaf.clone())))
    }

    /// The leaves whose names begin with `prefix.`, under what follows it.
    ///
    /// # Errors
    /// If there is none.
    pub fn sub_params(&self, prefix: &str) -> Result<Self> {
        let sub = self.below(prefix)?;
        if sub.is_empty() {
            return Err(Error::MissingParam { name: format!("{prefix}.*"), available: self.names.list.join(", ") });
        }
        Ok(sub)
    }

    /// As [`sub_params`](Self::sub_params), but there may be none.
    ///
    /// # Errors
    /// Never: names that were different stay different.
    pub fn below(&self, prefix: &str) -> Result<Self> {
        let cut = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned());
        Self::new(self.iter().filter_map(|(name, leaf)| Some((cut(name)?, leaf.clone()))))
    }

    /// Checks that names and shapes are those of `template`.
    ///
    /// # Errors
    /// Naming what is missing, extra, or of another shape.
    pub fn check_like(&self, template: &Self) -> Result<()> {
        if !self.has_names_of(template) {
            self.check_same_set(template)?;
        }
        for (i, (name, expected)) in template.iter().enumerate() {
            let found = if self.names.list[i] == name { &self.leaves[i] } else { self.get(name)? };
            if found.shape() != expected.shape() {
                let (found, expected) = (found.shape().clone(), expected.shape().clone());
                return Err(Error::ParamShape { name: name.to_owned(), found, expected });
            }
        }
        Ok(())
    }

    fn each(&self, f: impl FnMut(&Tensor) -> Tensor) -> Self {
        Self { names: Arc::clone(&self.names), leaves: self.leaves.iter().map(f).collect() }
    }

    /// Whether the names are the same, in the same order.
    fn has_names_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.names, &other.names) || self.names.list == other.names.list
    }

    fn check_same_set(&self, expected: &Self) -> Result<()> {
        let absent = |from: &Self, of: &Self| -> Vec<String> {
            of.names().filter(|name| !from.contains(name)).map(str::to_owned).collect()
        };
        let (missing, extra) = (absent(self, expected), absent(expected, self));
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        Err(Error::ParamMismatch { missing: missing.join(", "), extra: extra.join(", ") })
    }

    fn check_names(&self, other: &Self) -> Result<()> {
        if self.has_names_of(other) {
            return Ok(());
        }
        other.check_same_set(self)?;
        let order = |p: &Self| p.names.list.join(", ");
        Err(Error::argument("zip", format!("the names differ in order: [{}] and [{}]", order(self), order(other))))
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, leaf)| (name, leaf.shape()))).finish()
    }
}
