//! Clipping.

use rekindle_autodiff::{Params, Tensor};
use rekindle_optim::{ClipNorm, ClipValue, Error, NormScope, Result, Transform};

use crate::{assert_close, named, theta, values};

fn clipped(transform: &dyn Transform, grads: &Params) -> Result<Vec<f64>> {
    values(&transform.update(grads, &transform.init(grads)?, grads)?.0)
}

/// Two leaves of two tasks: norms 5 and 13, together √194.
fn two_tasks() -> Result<Params> {
    Ok(Params::new([
        ("a".to_owned(), Tensor::from_vec(vec![3.0, 0.0, 0.0, 12.0], (2, 2))?),
        ("b".to_owned(), Tensor::from_vec(vec![-4.0, 5.0], (2, 1))?),
    ])?)
}

#[test]
fn values_are_limited() -> Result<()> {
    assert_eq!(clipped(&ClipValue::new(0.5), &theta(&[-2.0, -0.5, 0.1, 0.7])?)?, [-0.5, -0.5, 0.1, 0.5]);
    Ok(())
}

#[test]
fn a_norm_is_one_of_all_leaves_of_a_task() -> Result<()> {
    let scaled = clipped(&ClipNorm::new(6.5), &two_tasks()?)?;
    // The first task is below the bound, the second is halved.
    assert_eq!(scaled[..2], [3.0, 0.0]);
    assert_close(&scaled, &[3.0, 0.0, 0.0, 6.0, -4.0, 2.5], 1e-15);
    Ok(())
}

#[test]
fn a_norm_of_everything_has_one_factor() -> Result<()> {
    let everything = ClipNorm { max_norm: 194f64.sqrt() / 2.0, scope: NormScope::Everything };
    assert_close(&clipped(&everything, &two_tasks()?)?, &[1.5, 0.0, 0.0, 6.0, -2.0, 2.5], 1e-15);
    Ok(())
}

#[test]
fn gradients_below_the_bound_keep_their_bits() -> Result<()> {
    let g = [0.1, -0.3, 1.0 / 3.0];
    assert_eq!(clipped(&ClipNorm::new(0.7), &theta(&g)?)?, g);
    Ok(())
}

#[test]
fn nan_is_not_hidden() -> Result<()> {
    assert!(clipped(&ClipValue::new(1.0), &theta(&[f64::NAN, 1.0])?)?[0].is_nan());
    assert!(clipped(&ClipNorm::new(1.0), &theta(&[f64::NAN, 1.0])?)?.iter().all(|u| u.is_nan()));
    assert!(clipped(&ClipNorm::new(1.0), &theta(&[f64::INFINITY, 1.0])?)?[0].is_nan());
    Ok(())
}

#[test]
fn shared_leaves_beside_those_of_tasks_are_refused() -> Result<()> {
    let mixed = Params::new([
        ("own".to_owned(), Tensor::from_vec(vec![1.0, 2.0], (2, 1))?),
        ("shared".to_owned(), Tensor::from_vec(vec![1.0], (1, 1))?),
    ])?;
    let error = clipped(&ClipNorm::new(1.0), &mixed).unwrap_err();
    assert!(matches!(&error, Error::MixedTasks { name, found: 1, n_tasks: 2 } if name == "shared"), "{error}");
    Ok(())
}

#[test]
fn no_gradients_at_all_pass() -> Result<()> {
    assert!(clipped(&ClipNorm::new(1.0), &named(&[])?)?.is_empty());
    Ok(())
}
