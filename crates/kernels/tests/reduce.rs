//! Sums over an axis: the same bits on every level, in the stated order.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::{Level, sum};

#[test]
fn columns_are_added_in_order_on_every_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for case in 0..300 {
        let [outer, n, inner] = [rng.random_range(0..4), rng.random_range(0..30), rng.random_range(0..400)];
        let inner = if case % 3 == 0 { inner % 40 } else { inner };
        let x: Vec<f32> = (0..outer * n * inner).map(|_| rng.random_range(-1.0..1.0)).collect();
        for level in Level::available() {
            let mut out = vec![5.0];
            sum(level, &x, [outer, n, inner], &mut out).unwrap();
            assert_eq!((out.len(), out[0]), (1 + outer * inner, 5.0));
            if inner == 1 {
                continue;
            }
            for (i, &found) in out[1..].iter().enumerate() {
                let column = (0..n).map(|row| x[(i / inner * n + row) * inner + i % inner]);
                assert_eq!(found.to_bits(), column.reduce(|a, b| a + b).unwrap_or(0.0).to_bits());
            }
        }
    }
}

/// To half a unit of 2⁻²⁴ of the sum of sizes for each addition that a lane and the halving take.
#[test]
fn rows_are_close_to_f64_and_alike_on_every_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for n in [1, 2, 5, 15, 16, 17, 31, 32, 33, 100, 1000, 4099] {
        let x: Vec<f32> = (0..3 * n).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut expected = Vec::new();
        sum(Level::PORTABLE, &x, [3, n, 1], &mut expected).unwrap();
        for (row, &found) in x.chunks_exact(n).zip(&expected) {
            let exact: f64 = row.iter().map(|&v| f64::from(v)).sum();
            let size: f64 = row.iter().map(|&v| f64::from(v).abs()).sum();
            let steps = (n / 16 + 5) as f64;
            assert!((f64::from(found) - exact).abs() <= steps * 2f64.powi(-24) * size);
        }
        for level in Level::available() {
            let mut out = Vec::new();
            sum(level, &x, [3, n, 1], &mut out).unwrap();
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let out = &mut Vec::new();
    for level in Level::available() {
        assert!(sum(level, &[0.0; 5], [1, 2, 3], out).is_err());
        assert!(sum(level, &[], [usize::MAX, 0, 2], out).is_err());
        assert!(sum(level, &[], [1 << 62, 0, 1], out).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn nan_stays_in_its_column() {
    for level in Level::available() {
        let mut x = vec![1.0; 3 * 20];
        x[20 + 19] = f32::NAN;
        let mut out = Vec::new();
        sum(level, &x, [1, 3, 20], &mut out).unwrap();
        assert!(out[19].is_nan() && out[..19].iter().all(|&v| v == 3.0));
    }
}
