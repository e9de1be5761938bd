//! Transformations one after another.

use rekindle_autodiff::Params;

use crate::{Result, State, Transform};

/// Transformations in a row: each one's updates are the next one's gradients. An empty chain passes gradients on as
/// they are.
///
/// ```
/// use rekindle_optim::{Adam, Chain, ClipNorm, Schedule};
/// let clipped = Chain::new().then(ClipNorm::new(1.0)).then(Adam::new(Schedule::cosine(1e-3, 10_000)));
/// ```
#[derive(Debug, Default)]
pub struct Chain {
    parts: Vec<Box<dyn Transform>>,
}

/// [`Chain`] from a list that is made at run time.
#[must_use]
pub fn chain(parts: Vec<Box<dyn Transform>>) -> Chain {
    Chain { parts }
}

impl Chain {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, after those before it.
    #[must_use]
    pub fn then(mut self, next: impl Transform + 'static) -> Self {
        self.parts.push(Box::new(next));
        self
    }
}

impl Transform for Chain {
    fn init(&self, params: &Params) -> Result<State> {
        let children = self.parts.iter().map(|part| part.init(params)).collect::<Result<_>>()?;
        Ok(State::new().with_children(children))
    }

    fn update(&self, grads: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        grads.check_like(params)?;
        let mut updates = grads.clone();
        let mut children = Vec::with_capacity(self.parts.len());
        for (part, child) in self.parts.iter().zip(state.children_of("Chain", self.parts.len())?) {
            let (next, child) = part.update(&updates, child, params)?;
            updates = next;
            children.push(child);
        }
        Ok((updates, state.advance().with_children(children)))
    }
}
