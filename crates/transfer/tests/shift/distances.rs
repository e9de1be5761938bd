//! Losses between domains, and the reversed gradient: against slow loops and finite differences.

use rekindle_autodiff::{Check, Order, Tensor, check_gradients, grad};
use rekindle_transfer::Error;
use rekindle_transfer::domain::{
    Bandwidth, GaussianKernel, MmdEstimate, coral_loss, median_distance, mmd, reversal_factor, reverse_gradient,
};

use crate::common::{Result, assert_close, normal, task};

/// A function with derivatives of every order.
fn h(x: &Tensor) -> rekindle_autodiff::Result<Tensor> {
    x.sin()?.add(&x.powf(3.0)?)?.sum_all()
}

fn reversed(x: &Tensor, lambda: f64) -> rekindle_autodiff::Result<Tensor> {
    reverse_gradient(x, lambda).map_err(|error| match error {
        Error::Autodiff(error) => error,
        other => panic!("{other}"),
    })
}

/// R has the values of the identity and the derivatives of `a(x) = x₀ − λ (x − x₀)`. Those of `h ∘ a` are checked against
/// finite differences up to the third order, and those of `h ∘ R` are the same to rounding.
#[test]
fn a_reversed_gradient_is_right_at_every_order() -> Result {
    let (x0, lambda) = (Tensor::from_vec(vec![0.7f64, -1.1, 0.4], 3)?, 0.6);
    let map = |x: &Tensor| h(&x.affine(-lambda, 0.0)?.add_scaled(&x0, 1.0 + lambda)?);
    check_gradients(
        |x| map(&x[0]),
        std::slice::from_ref(&x0),
        Check { order: 3, tolerance: 1e-5, ..Check::default() },
    )?;

    let derivatives = |f: &dyn Fn(&Tensor) -> rekindle_autodiff::Result<Tensor>| -> Result<Vec<Vec<f64>>> {
        let x = x0.leaf();
        let mut at = f(&x)?;
        let mut all = vec![at.to_vec_f64()?];
        for _ in 0..3 {
            let next = grad(&at.sum_all()?, &[&x], Order::Higher)?.remove(0);
            all.push(next.to_vec_f64()?);
            at = next;
        }
        Ok(all)
    };
    let (ours, theirs) = (derivatives(&|x| h(&reversed(x, lambda)?))?, derivatives(&map)?);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_close(ours, theirs, 1e-12);
    }
    Ok(())
}

/// The first derivative is −λ times that of finite differences without the reversal.
#[test]
fn a_reversed_gradient_points_the_other_way() -> Result {
    let x = Tensor::from_vec(vec![0.3f64, 2.0], 2)?.leaf();
    let found = grad(&h(&reversed(&x, 0.25)?)?, &[&x], Order::First)?.remove(0).to_vec_f64()?;
    let numeric = [0.3, 2.0].map(|x: f64| {
        let f = |x: f64| x.sin() + x.powi(3);
        -0.25 * (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
    });
    assert_close(&found, &numeric, 1e-8);
    assert_eq!(reversal_factor(0.0, 10.0), 0.0);
    assert!((reversal_factor(0.5, 10.0) - (2.0 / (1.0 + (-5f64).exp()) - 1.0)).abs() < 1e-12);
    Ok(())
}

/// Against sums over examples, written out.
#[test]
fn the_coral_loss_agrees_with_a_loop() -> Result {
    let (source, target) = (normal(&[2, 6, 3], 1), normal(&[2, 4, 3], 2));
    let covariance = |x: &[f64], n: usize, i: usize, j: usize| {
        let mean = |k: usize| (0..n).map(|r| x[3 * r + k]).sum::<f64>() / n as f64;
        (0..n).map(|r| (x[3 * r + i] - mean(i)) * (x[3 * r + j] - mean(j))).sum::<f64>() / (n as f64 - 1.0)
    };
    let slow = |m: usize| -> Result<f64> {
        let (s, t) = (task(&source, m).to_vec_f64()?, task(&target, m).to_vec_f64()?);
        let pairs = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
        Ok(pairs.map(|(i, j)| (covariance(&s, 6, i, j) - covariance(&t, 4, i, j)).powi(2)).sum::<f64>() / 36.0)
    };
    assert_close(&coral_loss(&source, &target)?.to_vec_f64()?, &[slow(0)?, slow(1)?], 1e-12);
    Ok(())
}

fn kernel() -> GaussianKernel {
    GaussianKernel { bandwidth: Bandwidth::Fixed(1.3), scales: vec![0.5, 2.0] }
}

/// Against sums over pairs, written out.
#[test]
fn mmd_agrees_with_a_loop() -> Result {
    let (source, target) = (normal(&[2, 5, 3], 1), normal(&[2, 4, 3], 2));
    let k = |a: &[f64], b: &[f64]| {
        let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        [0.5, 2.0].map(|s| (-square / (2.0 * (s * 1.3f64).powi(2))).exp()).iter().sum::<f64>() / 2.0
    };
    let mean = |a: &[f64], b: &[f64], skip: bool| {
        let pairs = a.chunks(3).enumerate().flat_map(|(i, x)| b.chunks(3).enumerate().map(move |(j, y)| (i, x, j, y)));
        let values: Vec<f64> = pairs.filter(|(i, _, j, _)| !(skip && i == j)).map(|(_, x, _, y)| k(x, y)).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    for (estimate, skip) in [(MmdEstimate::Biased, false), (MmdEstimate::Unbiased, true)] {
        let slow = |m: usize| -> Result<f64> {
            let (s, t) = (task(&source, m).to_vec_f64()?, task(&target, m).to_vec_f64()?);
            Ok(mean(&s, &s, skip) + mean(&t, &t, skip) - 2.0 * mean(&s, &t, false))
        };
        assert_close(&mmd(&source, &target, &kernel(), estimate)?.to_vec_f64()?, &[slow(0)?, slow(1)?], 1e-12);
    }
    Ok(())
}

/// Over 300 pairs of samples of one distribution the unbiased estimate is 0 within three standard errors; the biased one is
/// far above.
#[test]
fn the_unbiased_estimate_is_right_in_the_mean() -> Result {
    let (source, target) = (normal(&[300, 6, 2], 1), normal(&[300, 6, 2], 2));
    let summary = |estimate| -> Result<(f64, f64)> {
        let all = mmd(&source, &target, &kernel(), estimate)?.to_vec_f64()?;
        let (n, mean) = (all.len() as f64, all.iter().sum::<f64>() / all.len() as f64);
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok((mean, (variance / n).sqrt()))
    };
    let ((unbiased, error), (biased, _)) = (summary(MmdEstimate::Unbiased)?, summary(MmdEstimate::Biased)?);
    assert!(unbiased.abs() < 3.0 * error, "{unbiased} ± {error}");
    assert!(biased > 10.0 * error, "{biased}, error {error}");
    Ok(())
}

/// The places 0, 1 and 3 are 1, 2 and 3 apart; 0, 1, 3 and 7 have the distances 1, 2, 3, 4, 6, 7.
#[test]
fn median_distances_by_hand() -> Result {
    let at = |places: &[f64]| Tensor::from_vec(places.to_vec(), (1, places.len(), 1));
    assert_eq!(median_distance(&at(&[0.0, 1.0])?, &at(&[3.0])?)?, [2.0]);
    assert_eq!(median_distance(&at(&[0.0, 1.0])?, &at(&[3.0, 7.0])?)?, [3.5]);
    // The kernel takes it, and does not divide by a median of zero.
    let same = mmd(&at(&[2.0, 2.0])?, &at(&[2.0])?, &GaussianKernel::default(), MmdEstimate::Biased)?.to_f64()?;
    assert!(same.abs() < 1e-12);
    let median = mmd(&at(&[0.0, 1.0])?, &at(&[3.0])?, &GaussianKernel::default(), MmdEstimate::Biased)?;
    let fixed = GaussianKernel { bandwidth: Bandwidth::Fixed(2.0), ..GaussianKernel::default() };
    assert_eq!(median.to_f64()?, mmd(&at(&[0.0, 1.0])?, &at(&[3.0])?, &fixed, MmdEstimate::Biased)?.to_f64()?);
    Ok(())
}

/// Finite differences in `f64`, first and second order, two tasks at once.
#[test]
fn losses_between_domains_have_the_right_gradients() -> Result {
    let inputs = [normal(&[2, 4, 3], 1), normal(&[2, 3, 3], 2)];
    let of = |result: rekindle_transfer::Result<Tensor>| {
        result.map_err(|error| match error {
            Error::Autodiff(error) => error,
            other => panic!("{other}"),
        })
    };
    check_gradients(|x| of(coral_loss(&x[0], &x[1])), &inputs, Check::default())?;
    for estimate in [MmdEstimate::Biased, MmdEstimate::Unbiased] {
        check_gradients(|x| of(mmd(&x[0], &x[1], &kernel(), estimate)), &inputs, Check::default())?;
    }
    Ok(())
}

#[test]
fn what_has_no_distance_is_refused() -> Result {
    let (x, one, empty) = (normal(&[1, 5, 3], 0), normal(&[1, 1, 3], 0), normal(&[1, 0, 3], 0));
    let biased = |s: &Tensor, t: &Tensor| mmd(s, t, &kernel(), MmdEstimate::Biased);
    assert!(matches!(coral_loss(&x, &empty), Err(Error::Empty { what: "target domain" })));
    assert!(matches!(biased(&x, &empty), Err(Error::Empty { what: "target domain" })));
    assert!(matches!(biased(&empty, &x), Err(Error::Empty { what: "source domain" })));
    assert!(matches!(median_distance(&x, &empty), Err(Error::Empty { .. })));
    assert!(matches!(coral_loss(&x, &one), Err(Error::Shape { what, .. }) if what == "target features"));
    assert!(matches!(mmd(&one, &x, &kernel(), MmdEstimate::Unbiased), Err(Error::Shape { .. })));
    assert!(biased(&one, &x).is_ok());
    assert!(matches!(biased(&x, &normal(&[2, 5, 3], 0)), Err(Error::Shape { .. })));
    let bad = GaussianKernel { scales: vec![], ..GaussianKernel::default() };
    assert!(matches!(mmd(&x, &x, &bad, MmdEstimate::Biased), Err(Error::Setting { name: "scales", .. })));
    let bad = GaussianKernel { bandwidth: Bandwidth::Fixed(0.0), ..GaussianKernel::default() };
    assert!(matches!(bad.validate(), Err(Error::Setting { name: "bandwidth", .. })));
    Ok(())
}
