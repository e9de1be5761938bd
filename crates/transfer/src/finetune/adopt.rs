//! A source model's parameters in a target model.

use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::Select;

use crate::{Error, Result};

/// The source's parameters in the places of the target's, in the target's order and type; those that `fresh` selects keep
/// the target's own values. So a new head for another number of classes, and a head that is drawn anew, are the same:
/// initialise the target model, and adopt all but the head.
///
/// ```
/// use candle_core::{DType, Device};
/// use rand::SeedableRng;
/// use rekindle_nn::{Mlp, MlpConfig, Model};
/// use rekindle_optim::Select;
/// use rekindle_transfer::adopt;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let net = |classes| Mlp::new(&MlpConfig { sizes: vec![8, 16, classes], ..MlpConfig::default() });
/// let letters = net(26)?.init(&mut rng, DType::F32, &Device::Cpu)?;
/// let fresh = net(10)?.init(&mut rng, DType::F32, &Device::Cpu)?;
/// let digits = adopt(&letters, &fresh, Some(&Select::prefix(["fc2"])))?;
/// assert_eq!(digits.get("fc1.weight")?.to_vec_f64()?, letters.get("fc1.weight")?.to_vec_f64()?);
/// assert_eq!(digits.get("fc2.bias")?.dims(), [1, 10]);
/// # Ok::<(), rekindle_transfer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unfit`], which names *every* parameter that is missing, left over or of another shape; if `fresh` selects
/// nothing of the target.
pub fn adopt(source: &Params, target: &Params, fresh: Option<&Select>) -> Result<Params> {
    fresh.map_or(Ok(()), |select| select.validate(target))?;
    let is_fresh = |name: &str| fresh.is_some_and(|select| select.matches(name));
    let mut problems = Vec::new();
    for (name, leaf) in target.iter().filter(|(name, _)| !is_fresh(name)) {
        match source.get(name) {
            Err(_) => problems.push(format!("`{name}` is missing")),
            Ok(found) if found.dims() != leaf.dims() => {
                problems.push(format!("`{name}` has shape {:?}, expected {:?}", found.dims(), leaf.dims()));
            }
            Ok(_) => {}
        }
    }
    let left_over = source.names().filter(|name| !target.contains(name) && !is_fresh(name));
    problems.extend(left_over.map(|name| format!("`{name}` is not in the target")));
    if !problems.is_empty() {
        return Err(Error::Unfit { problems: problems.join("; ") });
    }
    Ok(target.map_named(|name, leaf| match is_fresh(name) {
        true => Ok(leaf.detach()),
        false => Ok(source.get(name)?.detach().to_dtype(leaf.dtype())?.to_device(leaf.device())?),
    })?)
}

/// Parameters of another program, a candle-nn model's safetensors file for example, with the task axis that rekindle's
/// models have: `[…]` to `[1, …]`.
///
/// # Errors
/// If the device refuses.
pub fn with_task_axis(params: &Params) -> Result<Params> {
    Ok(params.map(|leaf| Tensor::unsqueeze(leaf, 0))?)
}
