//! Elementary functions of every level against f64, over the whole range of numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::{Level, math};

type Slice = fn(Level, &[f32], &mut Vec<f32>);

/// A step that visits every exponent and both signs, with mantissas that do not repeat.
fn numbers() -> Vec<f32> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -1e-45];
    let strided = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).filter(|x| !x.is_nan());
    // Where the functions are neither 0, 1 nor infinite.
    let dense = (-120_000..=120_000).map(|i| i as f32 * 1e-3 + 1.234e-4);
    special.into_iter().chain(strided).chain(dense).collect()
}

/// Within `relative` units of 2⁻²⁴, or `absolute`.
fn check(name: &str, f: Slice, exact: impl Fn(f64) -> f64, relative: f64, absolute: f64) {
    let x = numbers();
    for level in Level::available() {
        let mut y = vec![7.0];
        f(level, &x, &mut y);
        assert_eq!((y.len(), y[0]), (x.len() + 1, 7.0), "{name} appends");
        for (&x, &y) in x.iter().zip(&y[1..]) {
            let e = exact(f64::from(x));
            let close = (f64::from(y) - e).abs() <= relative * 2f64.powi(-24) * e.abs() + absolute;
            assert!(close || y == e as f32, "{} {name}({x:e}) = {y:e}, not {e:e}", level.name());
        }
    }
}

#[test]
fn exp_is_close_everywhere() {
    check("exp", math::exp, f64::exp, 2.0, 2f64.powi(-149));
}

#[test]
fn tanh_is_relatively_close_everywhere_and_at_most_one() {
    check("tanh", math::tanh, f64::tanh, 6.0, 0.0);
    for level in Level::available() {
        let mut y = Vec::new();
        math::tanh(level, &numbers(), &mut y);
        assert!(y.iter().all(|y| y.abs() <= 1.0));
        let mut zero = Vec::new();
        math::tanh(level, &[-0.0], &mut zero);
        assert!(zero[0].is_sign_negative());
    }
}

#[test]
fn sigmoid_is_relatively_close_down_to_denormal_results() {
    check("sigmoid", math::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 4.0, 2f64.powi(-126));
}

#[test]
fn an_element_has_the_same_bits_at_every_place() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let x: Vec<f32> = (0..67).map(|_| rng.random_range(-20.0..20.0)).collect();
    for level in Level::available() {
        for f in [math::exp as Slice, math::tanh, math::sigmoid] {
            let mut whole = Vec::new();
            f(level, &x, &mut whole);
            for start in 0..x.len() {
                for end in start..x.len() {
                    let mut part = Vec::new();
                    f(level, &x[start..end], &mut part);
                    assert_eq!(part, whole[start..end]);
                }
            }
        }
    }
}

#[test]
fn vector_levels_agree_to_the_last_bit() {
    let x = numbers();
    for f in [math::exp as Slice, math::tanh, math::sigmoid] {
        let all = Level::available().into_iter().skip(1).map(|level| {
            let mut y = Vec::new();
            f(level, &x, &mut y);
            y
        });
        let all: Vec<_> = all.collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn nan_stays_nan() {
    for level in Level::available() {
        for f in [math::exp as Slice, math::tanh, math::sigmoid] {
            let mut y = Vec::new();
            f(level, &[f32::NAN; 19], &mut y);
            assert!(y.len() == 19 && y.iter().all(|y| y.is_nan()));
        }
    }
}

#[test]
fn log_softmax_and_its_derivative_match_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for n in [1, 2, 5, 7, 8, 16, 17, 20, 64, 100, 333] {
        for (rows, scale, shift) in [(0, 1.0, 0.0), (1, 1.0, 0.0), (3, 30.0, 1000.0)] {
            let x: Vec<f32> = (0..rows * n).map(|_| shift + scale * rng.random_range(-1.0..1.0)).collect();
            let u: Vec<f32> = (0..rows * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            for level in Level::available() {
                let (mut y, mut d) = (Vec::new(), Vec::new());
                math::log_softmax(level, &x, n, &mut y).unwrap();
                math::log_softmax_backward(level, &y, &u, n, &mut d).unwrap();
                assert_eq!((y.len(), d.len()), (x.len(), x.len()));
                for row in 0..rows {
                    let at = row * n..(row + 1) * n;
                    check_row(&x[at.clone()], &u[at.clone()], &y[at.clone()], &d[at]);
                }
            }
        }
    }
}

/// To 4 units of 2⁻²⁴ of the terms: `|x − max| + log n` for the value, `|u| + p Σ|u|` for the derivative.
fn check_row(x: &[f32], u: &[f32], y: &[f32], d: &[f32]) {
    let unit = 2f64.powi(-24);
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let (x, u) = (wide(x), wide(u));
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = x.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
    let (total, size): (f64, f64) = (u.iter().sum(), u.iter().map(|u| u.abs()).sum());
    for i in 0..x.len() {
        let exact = x[i] - max - log;
        assert!((f64::from(y[i]) - exact).abs() <= 4.0 * unit * (x[i] - max - log - 1.0).abs());
        let slope = u[i] - exact.exp() * total;
        // The exponential of y has y's rounding error, which grows with |y|.
        let bound = unit * (u[i].abs() + exact.exp() * size * (8.0 + 4.0 * exact.abs()));
        assert!((f64::from(d[i]) - slope).abs() <= bound, "{} is not {slope}", d[i]);
    }
}

#[test]
fn a_row_without_a_finite_maximum_is_nan() {
    for level in Level::available() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut y = Vec::new();
            math::log_softmax(level, &[1.0, bad, 2.0, 1.0, 2.0, 3.0], 3, &mut y).unwrap();
            assert!(y[..3].iter().all(|y| y.is_nan()) && y[3..].iter().all(|y| y.is_finite()));
        }
        let mut y = Vec::new();
        math::log_softmax(level, &[f32::NEG_INFINITY; 3], 3, &mut y).unwrap();
        assert!(y.iter().all(|y| y.is_nan()));
        let mut y = Vec::new();
        math::log_softmax(level, &[f32::NEG_INFINITY, 1.0], 2, &mut y).unwrap();
        assert_eq!(y, [f32::NEG_INFINITY, 0.0]);
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let level = Level::PORTABLE;
    let out = &mut Vec::new();
    assert!(math::log_softmax(level, &[0.0; 5], 2, out).is_err());
    assert!(math::log_softmax(level, &[0.0; 5], 0, out).is_err());
    assert!(math::log_softmax(level, &[], 0, out).is_ok());
    assert!(math::log_softmax_backward(level, &[0.0; 4], &[0.0; 5], 2, out).is_err());
    assert!(math::log_softmax_backward(level, &[0.0; 5], &[0.0; 5], 2, out).is_err());
    assert!(out.is_empty());
}
