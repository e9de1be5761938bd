//! Initialisers.

use rekindle_nn::{Error, Fans, Init, Result};

use crate::common::rng;

const DIMS: [usize; 4] = [3, 3, 20, 60]; // fan in 180, fan out 540
const COUNT: usize = 3 * 3 * 20 * 60;

fn draw(init: Init) -> Vec<f64> {
    init.draw(&mut rng(1), &DIMS, Fans::of(&DIMS)).unwrap()
}

/// Oracle: the variances and bounds that the sources state. The standard error of the mean is σ/√n and that of the
/// variance at most σ²·√(2/n) for these distributions; five of them are allowed.
#[test]
fn means_variances_and_bounds_are_those_of_the_sources() {
    // ∫ of x² φ(x) over ±2, divided by the mass there: 1 − 2·2·φ(2)/(2Φ(2) − 1) = 0.8796².
    let truncated = 0.773_741_3;
    let cases = [
        (Init::Normal { std: 0.5 }, 0.25, f64::INFINITY),
        (Init::TruncatedNormal { std: 0.01 }, 1e-4 * truncated, 0.02),
        (Init::Uniform { bound: 0.3 }, 0.03, 0.3),
        (Init::GlorotUniform, 2.0 / 720.0, (6.0f64 / 720.0).sqrt()),
        (Init::GlorotNormal, 2.0 / 720.0, f64::INFINITY),
        (Init::HeUniform, 2.0 / 180.0, (6.0f64 / 180.0).sqrt()),
        (Init::HeNormal, 2.0 / 180.0, f64::INFINITY),
        (Init::LeCunUniform, 1.0 / 180.0, (3.0f64 / 180.0).sqrt()),
        (Init::LeCunNormal, 1.0 / 180.0, f64::INFINITY),
        (Init::FanInUniform, 1.0 / 540.0, 1.0 / 180f64.sqrt()),
    ];
    let n = COUNT as f64;
    for (init, variance, bound) in cases {
        let values = draw(init);
        assert_eq!(values.len(), COUNT);
        let mean = values.iter().sum::<f64>() / n;
        assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{init:?}: mean {mean}");
        let found = values.iter().map(|v| v * v).sum::<f64>() / n;
        assert!((found / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{init:?}: {found} for {variance}");
        let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        assert!(largest <= bound, "{init:?}: {largest} beyond {bound}");
        assert!(bound.is_infinite() || largest > 0.99 * bound, "{init:?}: {largest} far below {bound}");
    }
}

/// Oracle: the fourth moment of a normal distribution is 3σ⁴; uniform draws of the same variance would give 1.8σ⁴.
#[test]
fn normal_draws_have_the_kurtosis_of_a_normal_distribution() {
    let fourth = draw(Init::Normal { std: 1.0 }).iter().map(|v| v.powi(4)).sum::<f64>() / COUNT as f64;
    assert!((fourth - 3.0).abs() < 5.0 * (96.0 / COUNT as f64).sqrt(), "{fourth}");
}

#[test]
fn constants() {
    assert!(draw(Init::Zeros).iter().all(|&v| v == 0.0));
    assert!(draw(Init::Ones).iter().all(|&v| v == 1.0));
    assert!(draw(Init::Constant(-2.5)).iter().all(|&v| v == -2.5));
}

#[test]
fn orthogonal_matrices_have_orthonormal_columns_or_rows() -> Result<()> {
    for (rows, columns) in [(7, 4), (4, 7), (5, 5)] {
        let dims = [rows, columns];
        let w = Init::Orthogonal { gain: 2.0 }.draw(&mut rng(2), &dims, Fans::of(&dims))?;
        let short = rows.min(columns);
        let entry = |i: usize, k: usize| if rows >= columns { w[k * columns + i] } else { w[i * columns + k] };
        for (i, j) in (0..short).flat_map(|i| (0..short).map(move |j| (i, j))) {
            let dot: f64 = (0..rows.max(columns)).map(|k| entry(i, k) * entry(j, k)).sum();
            let expected = if i == j { 4.0 } else { 0.0 };
            assert!((dot - expected).abs() < 1e-13, "({i}, {j}) of {rows}×{columns}: {dot}");
        }
    }
    Ok(())
}

#[test]
fn fans_count_the_taps_of_a_kernel_on_both_sides() {
    assert_eq!(Fans::of(&DIMS), Fans { input: 180, output: 540 });
    assert_eq!(Fans::of(&[40, 10]), Fans { input: 40, output: 10 });
}

#[test]
fn the_same_seed_gives_the_same_bits() -> Result<()> {
    for init in [
        Init::Normal { std: 1.0 },
        Init::TruncatedNormal { std: 1.0 },
        Init::GlorotUniform,
        Init::Orthogonal { gain: 1.0 },
    ] {
        let of = |seed| init.draw(&mut rng(seed), &[6, 5], Fans::of(&[6, 5]));
        assert_eq!(of(3)?, of(3)?);
        assert_ne!(of(3)?, of(4)?);
    }
    Ok(())
}

#[test]
fn numbers_out_of_range_are_refused() {
    let wrong = [
        Init::Normal { std: -1.0 },
        Init::TruncatedNormal { std: f64::NAN },
        Init::Uniform { bound: f64::INFINITY },
        Init::Constant(f64::NAN),
        Init::Orthogonal { gain: f64::INFINITY },
    ];
    for init in wrong {
        let error = init.draw(&mut rng(5), &[2, 2], Fans::of(&[2, 2])).unwrap_err();
        assert!(matches!(error, Error::Config { field: "init", .. }), "{error}");
    }
}
