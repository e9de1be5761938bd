//! What stays as it is while a model is trained further.

use rekindle_autodiff::Params;
use rekindle_optim::Select;

use crate::{Error, LayerGroups, Result};

/// Which parameters stay, in which epoch. They keep their bits whatever the optimiser does, weight decay included, and no
/// gradient is computed for them.
#[derive(Clone, Debug, Default)]
pub enum Freezing {
    /// None: everything is trained.
    #[default]
    Nothing,
    /// The selected ones, throughout.
    Always(Select),
    /// From the top down, one layer more every so many epochs, beginning with the top one alone: the gradual unfreezing
    /// of Howard & Ruder 2018, §3.3, which adds a layer every epoch.
    Gradual {
        /// The layers in order of depth.
        layers: LayerGroups,
        /// Epochs after which the next layer is added, `≥ 1`.
        every: u64,
    },
}

impl Freezing {
    /// The lowest `n` layers stay.
    ///
    /// # Errors
    /// If there are not so many, or if `n` is 0.
    pub fn bottom(layers: &LayerGroups, n: usize) -> Result<Self> {
        layers.bottom(n).map(Self::Always)
    }

    /// All but the highest `n` layers stay.
    ///
    /// # Errors
    /// If there are not so many, or if `n` is 0.
    pub fn all_but_top(layers: &LayerGroups, n: usize) -> Result<Self> {
        layers.top(n).map(|top| Self::Always(top.negate()))
    }

    /// What stays in an epoch, counted from 0; `None`: nothing.
    #[must_use]
    pub fn at(&self, epoch: u64) -> Option<Select> {
        match self {
            Self::Nothing => None,
            Self::Always(select) => Some(select.clone()),
            Self::Gradual { layers, every } => {
                let open = usize::try_from(epoch / (*every).max(1)).unwrap_or(usize::MAX).saturating_add(1);
                let shut = layers.len().saturating_sub(open);
                layers.bottom(shut).ok()
            }
        }
    }

    /// Checks that the selection finds something among the parameters, and that it leaves something to train.
    ///
    /// # Errors
    /// With the selection, if not.
    pub fn validate(&self, params: &Params) -> Result<()> {
        if let Self::Gradual { every: 0, .. } = self {
            return Err(Error::setting("every", 0, "at least 1 epoch"));
        }
        if let Self::Gradual { layers, .. } = self {
            layers.top(layers.len())?.validate(params)?;
        }
        let Some(select) = self.at(0) else { return Ok(()) };
        select.validate(params)?;
        if params.names().all(|name| select.matches(name)) {
            return Err(Error::setting(
                "freezing",
                format!("{select:?}"),
                "a selection that leaves something to train",
            ));
        }
        Ok(())
    }
}
