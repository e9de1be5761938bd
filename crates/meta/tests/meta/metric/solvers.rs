//! Heads that solve an optimisation problem on the support set: their solutions against the conditions of optimality, and
//! against solvers of another kind.

use rekindle_autodiff::{Order, Params, Tensor, Transpose, grad};
use rekindle_meta::Result;
use rekindle_meta::metric::{Head, LogisticRegression, Ridge, Svm};

use super::{dot, episode, rows};
use crate::assert_close;

const LABELS: [usize; 6] = [1, 0, 1, 2, 0, 1];

/// With the unit vectors as queries the logits are the weights, which must solve the normal equations
/// `Xᵀ (X W − Y) + λ W = 0`, whichever of the two systems was solved.
#[test]
fn ridge_weights_solve_the_normal_equations() -> Result<()> {
    for features in [4, 9] {
        let mut episode = episode(&LABELS, features, 1, 1);
        let unit = (0..features * features).map(|i| f64::from(u8::from(i % (features + 1) == 0)));
        episode.queries = Tensor::from_vec(unit.collect::<Vec<_>>(), (1, features, features))?;
        let (lambda, scale) = (0.7f64, 2.0);
        let params = Params::new([
            ("log_lambda".to_owned(), Tensor::from_vec(vec![lambda.ln()], (1, 1))?),
            ("scale".to_owned(), Tensor::from_vec(vec![scale], (1, 1))?),
        ])?;
        let weights = Ridge::default().logits(&params, &episode)?.scale(1.0 / scale)?;
        let rest = episode.support.matmul(&weights)?.sub(&episode.one_hot)?;
        let slope = episode.support.product(Transpose::Yes, &rest, Transpose::No)?.add_scaled(&weights, lambda)?;
        assert!(slope.to_vec_f64()?.iter().all(|g| g.abs() < 1e-12), "{features} features");
    }
    Ok(())
}

/// Two orthonormal examples of two classes. With `α = C t (1, −1)` for the first the dual is `2 C t − 2 C² t²`, largest at
/// `t = 1/(2C)`, where both margins are 1.
#[test]
fn a_machine_of_two_examples_by_hand() -> Result<()> {
    let x = Tensor::from_vec(vec![1f64, 0., 0., 1.], (1, 2, 2))?;
    let alpha = Svm { c: 1.0, steps: 200 }.dual(&x, &x)?;
    assert_close(&alpha.to_vec_f64()?, &[0.5, -0.5, -0.5, 0.5], 1e-9);
    // Where errors cost less than the margin is worth, each α is at its bound.
    let alpha = Svm { c: 0.1, steps: 200 }.dual(&x, &x)?;
    assert_close(&alpha.to_vec_f64()?, &[0.1, -0.1, -0.1, 0.1], 1e-6);
    Ok(())
}

/// The same dual by steps along the gradient and Euclidean projections onto the simplex, in loops.
#[test]
fn many_steps_reach_the_optimum_of_the_machine() -> Result<()> {
    let (c, ways) = (2.0, 3);
    let episode = episode(&LABELS, 4, 1, 2);
    let x = rows(&episode.support);
    let y = rows(&episode.one_hot);
    let mut p = vec![vec![1.0 / ways as f64; ways]; x.len()];
    for _ in 0..20_000 {
        let gradient: Vec<Vec<f64>> = (0..x.len())
            .map(|i| {
                let pull = |k: usize| (0..x.len()).map(|j| dot(&x[i], &x[j]) * (y[j][k] - p[j][k])).sum::<f64>();
                (0..ways).map(|k| c * y[i][k] - c * c * pull(k)).collect()
            })
            .collect();
        for (p, g) in p.iter_mut().zip(&gradient) {
            *p = projected(&p.iter().zip(g).map(|(p, g)| p - 0.01 * g).collect::<Vec<_>>());
        }
    }
    let expected: Vec<f64> =
        y.iter().zip(&p).flat_map(|(y, p)| y.iter().zip(p).map(|(y, p)| c * (y - p)).collect::<Vec<_>>()).collect();
    // The dual may have several optima; the weights are the same at each.
    let weights = |alpha: &Tensor| episode.support.product(Transpose::Yes, alpha, Transpose::No)?.to_vec_f64();
    let ours = weights(&Svm { c, steps: 5_000 }.dual(&episode.support, &episode.one_hot)?)?;
    assert_close(&ours, &weights(&Tensor::from_vec(expected, (1, 6, 3))?)?, 2e-3);
    Ok(())
}

/// The nearest distribution: the numbers less a constant, cut at zero, with the constant found by bisection.
fn projected(v: &[f64]) -> Vec<f64> {
    let mass = |shift: f64| v.iter().map(|x| (x - shift).max(0.0)).sum::<f64>();
    let (mut low, mut high) =
        (v.iter().copied().fold(f64::MAX, f64::min) - 1.0, v.iter().copied().fold(f64::MIN, f64::max));
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if mass(middle) > 1.0 { low = middle } else { high = middle }
    }
    v.iter().map(|x| (x - low).max(0.0)).collect()
}

/// At the minimum the tape's gradient of the objective is zero.
#[test]
fn logistic_regression_reaches_its_minimum() -> Result<()> {
    let episode = episode(&LABELS, 4, 1, 3);
    let regression = LogisticRegression { c: 5.0, steps: 2_000 };
    let norms = episode.support.sqr()?.sum_keepdim(&[2])?.sqrt()?;
    let u = episode.support.div(&norms)?;
    let (w, b) = regression.fit(&u, &episode.one_hot)?;
    let (w, b) = (w.leaf(), b.leaf());
    let likelihood = u.linear(&w, Some(&b))?.log_softmax()?.mul(&episode.one_hot)?.sum_all()?.scale(-1.0 / 6.0)?;
    let objective = likelihood.add(&w.sqr()?.sum_all()?.scale(1.0 / (2.0 * 5.0 * 6.0))?)?;
    for slope in grad(&objective, &[&w, &b], Order::First)? {
        assert!(slope.to_vec_f64()?.iter().all(|g| g.abs() < 1e-8), "{:?}", slope.to_vec_f64()?);
    }
    Ok(())
}
