//! A step of Adam: every level gives the portable form's bits, and that is close to f64.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::{AdamStep, Level, adam};

fn constants(t: i32) -> AdamStep {
    let (beta1, beta2) = (0.9f64, 0.999f64);
    AdamStep {
        beta1,
        beta2,
        eps: 1e-8,
        correction1: 1.0 - beta1.powi(t),
        correction2: 1.0 - beta2.powi(t),
        factor: -0.1,
    }
}

#[test]
fn every_level_gives_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for n in [0, 1, 7, 8, 15, 16, 17, 40, 333] {
        let mut draw = |low: f32, high: f32| (0..n).map(|_| rng.random_range(low..high)).collect::<Vec<f32>>();
        let (g, m, v) = (draw(-1.0, 1.0), draw(-1.0, 1.0), draw(0.0, 1.0));
        let step = constants(3);
        let run = |level| {
            let (mut m, mut v, mut update) = (m.clone(), v.clone(), vec![2.0]);
            adam(level, step, &g, &mut m, &mut v, &mut update).unwrap();
            assert_eq!((update.len(), update[0]), (n + 1, 2.0));
            [m, v, update]
        };
        let expected = run(Level::PORTABLE);
        for level in Level::available() {
            assert_eq!(run(level), expected, "{}", level.name());
        }
        for i in 0..n {
            let wide = |x: f32| f64::from(x);
            let exact_m = wide(m[i]) * 0.9 + wide(g[i]) * 0.1;
            let exact_v = wide(v[i]) * 0.999 + wide(g[i]) * wide(g[i]) * 0.001;
            let root = (exact_v / step.correction2).sqrt() + 1e-8;
            // Relative to the moments' terms, of which the first may cancel.
            let exact = exact_m / step.correction1 / root * step.factor;
            let bound = 1e-6 * (wide(m[i]).abs() + wide(g[i]).abs()) / step.correction1 / root;
            assert!((wide(expected[2][i + 1]) - exact).abs() <= bound);
        }
    }
}

#[test]
fn tiny_moments_become_zero_and_nan_stays() {
    for level in Level::available() {
        for (g, m, v) in [(0.0, 1e-31, 1e-31), (0.0, -1e-31, 0.0), (1e-31, 0.0, 0.0)] {
            let (mut ms, mut vs, mut update) = ([m; 19], [v; 19], Vec::new());
            adam(level, constants(1), &[g; 19], &mut ms, &mut vs, &mut update).unwrap();
            assert!(ms == [0.0; 19] && vs == [0.0; 19] && update == [0.0; 19]);
        }
        let (mut ms, mut vs, mut update) = ([0.0; 19], [0.0; 19], Vec::new());
        adam(level, constants(1), &[f32::NAN; 19], &mut ms, &mut vs, &mut update).unwrap();
        assert!(ms.iter().chain(&vs).chain(&update).all(|x| x.is_nan()));
    }
}

#[test]
fn lengths_that_differ_are_refused() {
    for level in Level::available() {
        let (mut short, mut long, mut update) = ([0.0; 2], [0.0; 3], Vec::new());
        assert!(adam(level, constants(1), &[0.0; 3], &mut short, &mut long, &mut update).is_err());
        assert!(adam(level, constants(1), &[0.0; 3], &mut long.clone(), &mut short, &mut update).is_err());
        assert!(update.is_empty());
    }
}
