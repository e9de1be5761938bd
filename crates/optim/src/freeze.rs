//! Parameters that stay as they are.

use rekindle_autodiff::Params;

use crate::{Result, Select, State, Transform};

/// Zero updates for the selected parameters; the others pass through.
///
/// At the end of a [`Chain`](crate::Chain) it undoes whatever came before, decay included. The optimiser before it still
/// sees the frozen gradients, and a norm counts them; to hide them, give the parameters a group of their own:
/// `Grouped::new(Adam::new(1e-3)).with(Select::prefix(["body"]), Freeze::all())`.
#[derive(Clone, Debug)]
pub struct Freeze {
    /// The parameters that stay.
    pub select: Select,
}

impl Freeze {
    /// The selected parameters stay.
    #[must_use]
    pub fn new(select: Select) -> Self {
        Self { select }
    }

    /// All of them stay: the transformation of a frozen group.
    #[must_use]
    pub fn all() -> Self {
        Self::new(Select::All)
    }
}

impl Transform for Freeze {
    fn init(&self, params: &Params) -> Result<State> {
        self.select.validate(params)?;
        Ok(State::new())
    }

    fn update(&self, updates: &Params, state: &State, params: &Params) -> Result<(Params, State)> {
        updates.check_like(params)?;
        // Not a product with zero, which would keep a NaN.
        let kept =
            updates.map_named(|name, u| if self.select.matches(name) { u.zeros_like() } else { Ok(u.clone()) })?;
        Ok((kept, state.advance()))
    }
}
