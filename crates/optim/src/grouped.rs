//! A transformation for each group of parameters.

use rekindle_autodiff::{Params, Tensor};

use crate::{Result, Select, State, Transform};

/// Each parameter goes to the transformation of the first selection that it is in, or to the one for the rest.
///
/// A transformation sees its own group alone: a norm is that of the group, and no moments are kept for others. State:
/// one part a group, in order, and one for the rest.
///
/// ```
/// use rekindle_optim::{Adam, Freeze, Grouped, Select, Sgd};
/// let tuned = Grouped::new(Adam::new(1e-3))
///     .with(Select::prefix(["embedding"]), Freeze::all())
///     .with(Select::suffix(["bias"]), Sgd::new(0.1));
/// ```
#[derive(Debug)]
pub struct Grouped {
    groups: Vec<(Select, Box<dyn Transform>)>,
    rest: Box<dyn Transform>,
}

impl Grouped {
    /// One transformation for all parameters that no group takes.
    #[must_use]
    pub fn new(rest: impl Transform + 'static) -> Self {
        Self { groups: Vec::new(), rest: Box::new(rest) }
    }

    /// One more group.
    #[must_use]
    pub fn with(mut self, select: Select, transform: impl Transform + 'static) -> Self {
        self.groups.push((select, Box::new(transform)));
        self
    }

    fn transforms(&self) -> impl Iterator<Item = &dyn Transform> {
        self.groups.iter().map(|(_, transform)| transform).chain([&self.rest]).map(AsRef::as_ref)
    }

    /// The group of each leaf.
    fn assign(&self, params: &Params) -> Vec<usize> {
        let group = |name| self.groups.iter().position(|(select, _)| select.matches(name));
        params.names().map(|name| group(name).unwrap_or(self.groups.len())).collect()
    }
}

/// The leaves of one group, in order.
fn members(params: &Params, assigned: &[usize], group: usize) -> Result<Params> {
    let inside = params.iter().zip(assigned).filter(|(_, g)| **g == group);
    Ok(Params::new(inside.map(|((name, leaf), _)| (name.to_owned(), leaf.clone())))?)
}

impl Transform for Grouped {
    fn init(&self, params: &Params) -> Result<State> {
        self.groups.iter().try_for_each(|(select, _)| select.validate(params))?;
        let assigned = self.assign(params);
        let children = self.transforms().enumerate().map(|(i, t)| t.init(&members(params, &assigned, i)?));
        Ok(State::new().with_children(children.collect::<Result<_>>()?))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let old = state.children_of("Grouped", self.groups.len() + 1)?;
        let assigned = self.assign(grads);
        let mut leaves: Vec<Option<Tensor>> = vec![None; grads.len()];
        let mut children = Vec::with_capacity(old.len());
        for (i, (transform, child)) in self.transforms().zip(old).enumerate() {
            let group = members(grads, &assigned, i)?;
            if group.is_empty() {
                // Nothing of it reaches a checkpoint but its step, so that is all it may need.
                children.push(child.advance());
                continue;
            }
            let (updates, child) = transform.update(&group, child, &members(params, &assigned, i)?)?;
            children.push(child);
            let places = leaves.iter_mut().zip(&assigned).filter(|(_, g)| **g == i);
            places.zip(updates.ordered_like(&group)?.leaves()).for_each(|((place, _), u)| *place = Some(u.clone()));
        }
        let leaves = leaves.into_iter().map(|leaf| leaf.expect("every leaf is in one group"));
        Ok((grads.with_leaves(leaves.collect())?, state.advance().with_children(children)))
    }
}
