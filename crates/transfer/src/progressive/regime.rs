//! What a progressive network is compared with, and by which number.

use rand::RngCore;
use rekindle_autodiff::Params;
use rekindle_nn::Model;
use rekindle_optim::Select;

use super::column::Progressive;
use crate::{Error, Result, adopt};

/// A way to use a trained source for a target: the baselines of Rusu et al. 2016, Figure 3, and the progressive network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// Baseline 1: one column, from scratch.
    Scratch,
    /// Baseline 2: the source's first column, of which only the output layer is trained.
    Head,
    /// Baseline 3: the source's first column, all of it trained.
    FineTuned,
    /// Baseline 4: two columns, of which the first is random and stays so.
    RandomColumn,
    /// One column more beside those of the source, which stay.
    Progressive,
}

/// Where training on the target begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The network.
    pub net: Progressive,
    /// Which of its columns is trained, counted from 1.
    pub column: usize,
    /// The parameters of all columns up to that one.
    pub params: Params,
    /// What stays.
    pub frozen: Option<Select>,
}

impl Regime {
    /// All of them, baseline 1 first.
    pub const ALL: [Self; 5] = [Self::Scratch, Self::Head, Self::FineTuned, Self::RandomColumn, Self::Progressive];

    /// The start of training on a target with so many outputs, from a source network and its trained parameters. Baselines
    /// 2 and 3 keep the source's output layer where it has as many outputs, else they draw one.
    ///
    /// # Errors
    /// If the parameters are not the source's, or if there are no outputs.
    pub fn start(self, source: &Progressive, trained: &Params, outputs: usize, rng: &mut dyn RngCore) -> Result<Start> {
        let like = trained.leaves().first().ok_or(Error::Empty { what: "source" })?;
        let (dtype, device) = (like.dtype(), like.device().clone());
        let first = source.config().outputs[0];
        let single = source.with_outputs(vec![outputs])?;
        let fresh =
            |net: &Progressive, rng: &mut dyn RngCore| net.column(1)?.init(rng, dtype, &device).map_err(Error::from);
        Ok(match self {
            Self::Scratch => Start { params: fresh(&single, rng)?, net: single, column: 1, frozen: None },
            Self::Head | Self::FineTuned => {
                let head = Select::prefix(["column1.head"]);
                let (column, _) = trained.partition(|name| Select::prefix(["column1"]).matches(name));
                let params = adopt(&column, &fresh(&single, rng)?, (first != outputs).then_some(&head))?;
                let frozen = (self == Self::Head).then(|| head.negate());
                Start { params, net: single, column: 1, frozen }
            }
            Self::RandomColumn => {
                let net = source.with_outputs(vec![first, outputs])?;
                let params = net.grow(&fresh(&net, rng)?, 2, rng)?;
                Start { params, column: 2, frozen: net.earlier(2), net }
            }
            Self::Progressive => {
                let net = source.with_outputs([&source.config().outputs[..], &[outputs]].concat())?;
                let column = net.len();
                let params = net.grow(&trained.detach(), column, rng)?;
                Start { params, column, frozen: net.earlier(column), net }
            }
        })
    }
}

/// The area under a learning curve over that of baseline 1, `1` for no transfer: Rusu et al. 2016, §4. Curves are points
/// `(step, score)` in order of the steps, over the same range.
///
/// # Errors
/// If a curve has fewer than two points, if the ranges differ, or if the baseline's area is not above 0: scores are from
/// 0 upwards.
pub fn transfer_score(curve: &[(f64, f64)], baseline: &[(f64, f64)]) -> Result<f64> {
    let range = |points: &[(f64, f64)]| match points {
        [first, .., last] if first.0 < last.0 => Ok((first.0, last.0)),
        _ => Err(Error::setting(
            "curve",
            format!("{} points", points.len()),
            "two points or more, in order of the steps",
        )),
    };
    let (ours, theirs) = (range(curve)?, range(baseline)?);
    if ours != theirs {
        return Err(Error::setting(
            "curve",
            format!("{ours:?} against {theirs:?}"),
            "over the same steps as the baseline",
        ));
    }
    let area = |points: &[(f64, f64)]| {
        points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum::<f64>()
    };
    let below = area(baseline);
    if below > 0.0 {
        return Ok(area(curve) / below);
    }
    Err(Error::setting("baseline", below, "a curve with an area above 0: shift the scores so that the worst is 0"))
}
