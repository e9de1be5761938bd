//! CORAL in closed form, standardising, principal components.

use rekindle_autodiff::{Tensor, Transpose};
use rekindle_transfer::Error;
use rekindle_transfer::domain::{Coral, Covariance, principal_components, standardise};

use crate::common::{Result, assert_close, normal, task};

/// `[D, D]` of `[1, B, D]`, divided by B − 1.
fn covariance(x: &Tensor) -> Result<Vec<f64>> {
    let centred = x.sub(&x.mean_keepdim(&[1])?)?;
    let n = x.dim(1)? as f64;
    Ok(centred.product(Transpose::Yes, &centred, Transpose::No)?.scale(1.0 / (n - 1.0))?.to_vec_f64()?)
}

/// Features whose covariance is not round.
fn skewed(tasks: usize, n: usize, seed: u64) -> Result<Tensor> {
    Ok(normal(&[tasks, n, 4], seed).matmul(&normal(&[tasks, 4, 4], seed + 1))?)
}

/// With r → 0 the recoloured source has the target's covariance: `C_T^½ C_S^−½ C_S C_S^−½ C_T^½ = C_T`. Two tasks at once
/// are each alone.
#[test]
fn the_recoloured_source_has_the_covariance_of_the_target() -> Result {
    let (source, target) = (skewed(2, 30, 1)?, skewed(2, 25, 5)?);
    let recoloured = Coral::fit(&source, &target, 1e-10)?.apply(&source)?;
    for m in 0..2 {
        assert_close(&covariance(&task(&recoloured, m))?, &covariance(&task(&target, m))?, 1e-6);
        let alone = Coral::fit(&task(&source, m), &task(&target, m), 1e-10)?.apply(&task(&source, m))?;
        assert_eq!(alone.to_vec_f64()?, task(&recoloured, m).to_vec_f64()?);
    }
    Ok(())
}

/// `C^−½ C^½ = I`, also where there are fewer examples than features.
#[test]
fn a_domain_is_its_own_target() -> Result {
    let x = normal(&[1, 3, 6], 3);
    assert_close(&Coral::fit(&x, &x, 1.0)?.apply(&x)?.to_vec_f64()?, &x.to_vec_f64()?, 1e-9);
    Ok(())
}

/// (1, 3) has mean 2 and deviation 1; a constant has nothing to scale.
#[test]
fn features_are_standardised_one_by_one() -> Result {
    let x = Tensor::from_vec(vec![1f64, 5., 3., 5.], (1, 2, 2))?;
    assert_eq!(standardise(&x)?.to_vec_f64()?, [-1.0, 0.0, 1.0, 0.0]);
    Ok(())
}

/// Points on a line in the direction (3, 4)/5 have one component, their place on it.
#[test]
fn points_on_a_line_have_one_component() -> Result {
    let x = Tensor::from_vec([-2f64, 0.0, 5.0, 1.0].iter().flat_map(|t| [0.6 * t, 0.8 * t]).collect(), (1, 4, 2))?;
    let expected: Vec<f64> = [-3.0, -1.0, 4.0, 0.0].iter().flat_map(|t| [*t, 0.0]).collect();
    assert_close(&principal_components(&x, 2)?.to_vec_f64()?, &expected, 1e-12);
    Ok(())
}

/// With more features than examples the other matrix is solved: a rotation into more dimensions changes no component, but
/// for its sign.
#[test]
fn components_of_wide_features_are_those_of_narrow_ones() -> Result {
    let narrow = skewed(1, 7, 3)?;
    let wide = narrow.pad(2, 2, 5)?; // [1, 7, 11]
    let components = |x: &Tensor| -> Result<Vec<f64>> { Ok(principal_components(x, 3)?.to_vec_f64()?) };
    assert_close(&components(&wide)?, &components(&narrow)?, 1e-9);
    Ok(())
}

#[test]
fn what_cannot_be_recoloured_is_refused() -> Result {
    let (x, empty) = (normal(&[1, 5, 3], 0), normal(&[1, 0, 3], 0));
    assert!(matches!(Coral::fit(&x, &empty, 1.0), Err(Error::Empty { what: "target domain" })));
    assert!(matches!(Coral::fit(&empty, &x, 1.0), Err(Error::Empty { what: "source domain" })));
    assert!(matches!(Coral::fit(&x, &normal(&[1, 5, 2], 0), 1.0), Err(Error::Shape { .. })));
    assert!(matches!(Covariance::of(&x, 0.0), Err(Error::Setting { name: "ridge", .. })));
    let infinite = x.scale(f64::INFINITY)?;
    assert!(matches!(Covariance::of(&infinite, 1.0), Err(Error::Unsolvable { .. })));
    assert!(matches!(principal_components(&infinite, 1), Err(Error::Unsolvable { .. })));
    assert!(matches!(principal_components(&x, 4), Err(Error::Setting { name: "n", .. })));
    assert!(matches!(principal_components(&empty, 1), Err(Error::Empty { .. })));
    let coral = Coral::fit(&x, &x, 1.0)?;
    let message = coral.apply(&normal(&[1, 5, 2], 0)).unwrap_err().to_string();
    assert!(message.contains("[1, 5, 2]") && message.contains("[1, B, 3]"), "{message}");
    let wide = Covariance::of(&normal(&[1, 5, 2], 0), 1.0)?;
    assert!(matches!(Coral::between(&Covariance::of(&x, 1.0)?, &wide), Err(Error::Shape { .. })));
    assert!(matches!(standardise(&empty), Err(Error::Empty { .. })));
    Ok(())
}
