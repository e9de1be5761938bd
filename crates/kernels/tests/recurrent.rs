//! Recurrent cells of every level against f64: values by the formulas, derivatives by central differences.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::Level;
use rekindle_kernels::recurrent::{GruGrad, LstmGrad, LstmState, LstmStep, gru, gru_backward, lstm, lstm_backward};

/// Odd sizes, sizes of whole vectors, and nothing.
const SIZES: [[usize; 2]; 11] =
    [[0, 3], [2, 0], [1, 1], [3, 1], [1, 7], [2, 8], [3, 15], [2, 16], [2, 17], [5, 33], [1, 256]];

/// Of the largest terms: 16 units of 2⁻²⁴.
const UNITS: f64 = 1e-6;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `a_r, a_z, a_n, k_r, k_z, k_n, h` to the next state.
fn gru_unit(x: [f64; 7]) -> f64 {
    let [ar, az, an, kr, kz, kn, h] = x;
    let (r, z) = (sigmoid(ar + kr), sigmoid(az + kz));
    let n = (an + r * kn).tanh();
    (1.0 - z) * n + z * h
}

/// `a` and `k` of i, f, g, o summed, and c, to the next `[h, c]`.
fn lstm_unit([i, f, g, o, c]: [f64; 5]) -> [f64; 2] {
    let next = sigmoid(f) * c + sigmoid(i) * g.tanh();
    [sigmoid(o) * next.tanh(), next]
}

/// `∂f/∂x` by central differences.
fn slopes<const N: usize>(f: impl Fn([f64; N]) -> f64, x: [f64; N]) -> [f64; N] {
    let step = 1e-5;
    std::array::from_fn(|i| {
        let mut ends = [x, x];
        ends[0][i] -= step;
        ends[1][i] += step;
        (f(ends[1]) - f(ends[0])) / (2.0 * step)
    })
}

fn draw(rng: &mut ChaCha8Rng, n: usize, size: f32) -> Vec<f32> {
    (0..n).map(|_| size * rng.random_range(-1.0..1.0)).collect()
}

fn close(found: f32, exact: f64, size: f64) {
    assert!((f64::from(found) - exact).abs() <= UNITS * size, "{found} is not {exact}");
}

#[test]
fn gru_matches_its_formula_and_its_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for ([rows, units], size) in SIZES.into_iter().flat_map(|sizes| [(sizes, 2.0), (sizes, 12.0)]) {
        let n = rows * units;
        let (a, k) = (draw(&mut rng, 3 * n, size), draw(&mut rng, 3 * n, size));
        let (h, u) = (draw(&mut rng, n, 1.0), draw(&mut rng, n, 1.0));
        for level in Level::available() {
            let (mut next, mut saved, mut plain) = (vec![1.0], vec![2.0], vec![]);
            gru(level, [rows, units], &a, &k, &h, &mut next, Some(&mut saved)).unwrap();
            gru(level, [rows, units], &a, &k, &h, &mut plain, None).unwrap();
            assert_eq!((next.len(), next[0], saved.len(), saved[0]), (n + 1, 1.0, 4 * n + 1, 2.0));
            assert_eq!(plain, next[1..]);
            let (mut by_a, mut by_k, mut by_h) = (vec![3.0], vec![4.0], vec![5.0]);
            let grad = GruGrad { from_input: &mut by_a, from_hidden: &mut by_k, h: &mut by_h };
            gru_backward(level, [rows, units], &saved[1..], &h, &u, grad).unwrap();
            assert_eq!((by_a.len(), by_k.len(), by_h.len()), (3 * n + 1, 3 * n + 1, n + 1));
            for (at, i) in (0..n).map(|at| (at, at % units)) {
                let gate = |j: usize| (at / units * 3 + j) * units + i;
                let wide = |v: f32| f64::from(v);
                let [a, k] = [&a, &k].map(|x| [0, 1, 2].map(|j| wide(x[gate(j)])));
                let x = [a[0], a[1], a[2], k[0], k[1], k[2], wide(h[at])];
                // Rounding the gates' sums is as good as moving their arguments.
                close(next[at + 1], gru_unit(x), 1.0 + wide(size));
                let slopes = slopes(gru_unit, x).map(|slope| slope * wide(u[at]));
                for j in 0..3 {
                    close(by_a[gate(j) + 1], slopes[j], 1.0 + wide(size));
                    close(by_k[gate(j) + 1], slopes[3 + j], 1.0 + wide(size));
                }
                close(by_h[at + 1], slopes[6], 1.0 + wide(size));
            }
        }
    }
}

#[test]
fn lstm_matches_its_formula_and_its_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for ([rows, units], size) in SIZES.into_iter().flat_map(|sizes| [(sizes, 2.0), (sizes, 12.0)]) {
        let n = rows * units;
        let (a, k) = (draw(&mut rng, 4 * n, size), draw(&mut rng, 4 * n, size));
        let (c, by_h, by_c) = (draw(&mut rng, n, 3.0), draw(&mut rng, n, 1.0), draw(&mut rng, n, 1.0));
        for level in Level::available() {
            let (mut h, mut next_c, mut saved) = (vec![], vec![], vec![]);
            let next = LstmState { h: &mut h, c: &mut next_c };
            lstm(level, [rows, units], &a, &k, &c, next, Some(&mut saved)).unwrap();
            let (mut plain_h, mut plain_c) = (vec![], vec![]);
            let next = LstmState { h: &mut plain_h, c: &mut plain_c };
            lstm(level, [rows, units], &a, &k, &c, next, None).unwrap();
            assert_eq!((&plain_h, &plain_c), (&h, &next_c));
            assert_eq!((h.len(), next_c.len(), saved.len()), (n, n, 4 * n));
            let (mut by_gates, mut by_old) = (vec![], vec![]);
            let step = LstmStep { c: &c, next_c: &next_c, by_h: &by_h, by_c: &by_c };
            let grad = LstmGrad { gates: &mut by_gates, c: &mut by_old };
            lstm_backward(level, [rows, units], &saved, step, grad).unwrap();
            assert_eq!((by_gates.len(), by_old.len()), (4 * n, n));
            for (at, i) in (0..n).map(|at| (at, at % units)) {
                let gate = |j: usize| (at / units * 4 + j) * units + i;
                let wide = |v: f32| f64::from(v);
                let [i, f, g, o] = [0, 1, 2, 3].map(|j| wide(a[gate(j)]) + wide(k[gate(j)]));
                let x = [i, f, g, o, wide(c[at])];
                let bound = 4.0 + wide(size);
                let [exact_h, exact_c] = lstm_unit(x);
                close(h[at], exact_h, bound);
                close(next_c[at], exact_c, bound);
                let loss = |x| lstm_unit(x).iter().zip([by_h[at], by_c[at]]).map(|(y, u)| y * wide(u)).sum();
                let slopes = slopes(loss, x);
                for j in 0..4 {
                    close(by_gates[gate(j)], slopes[j], bound);
                }
                close(by_old[at], slopes[4], bound);
            }
        }
    }
}

/// Gates share a division, so every one stands beside others of all sizes.
#[test]
fn gates_are_within_their_stated_bounds() {
    let units = 40_001;
    let x: Vec<f32> = (0..units).map(|i| (i as f32 - 20_000.0) * 1.5e-3).collect();
    let turned = |by: usize| x.iter().cycle().skip(by).take(units).copied().collect::<Vec<f32>>();
    let sums = [x.clone(), turned(9_973), turned(20_011), turned(31_019)];
    let check = |saved: &[f32], gate: usize, exact: fn(f64) -> f64, bound: f64| {
        for (&x, &y) in sums[gate].iter().zip(&saved[gate * units..]) {
            assert!((f64::from(y) - exact(f64::from(x))).abs() <= bound * 2f64.powi(-24), "{gate}: {x} gave {y}");
        }
    };
    let zeros = vec![0.0; 4 * units];
    for level in Level::available() {
        let (mut next, mut saved) = (vec![], vec![]);
        let (a, k) = (sums[..3].concat(), &zeros[..3 * units]);
        gru(level, [1, units], &a, k, &zeros[..units], &mut next, Some(&mut saved)).unwrap();
        check(&saved, 0, sigmoid, 6.0);
        check(&saved, 1, sigmoid, 6.0);
        check(&saved, 2, f64::tanh, 6.0);
        let (mut h, mut c, mut saved) = (vec![], vec![], vec![]);
        let next = LstmState { h: &mut h, c: &mut c };
        lstm(level, [1, units], &sums.concat(), &zeros, &zeros[..units], next, Some(&mut saved)).unwrap();
        for gate in [0, 1, 3] {
            check(&saved, gate, sigmoid, 8.0);
        }
        check(&saved, 2, f64::tanh, 8.0);
    }
}

#[test]
fn a_row_has_the_same_bits_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (rows, units) = (4, 19);
    let (a, k) = (draw(&mut rng, 3 * rows * units, 3.0), draw(&mut rng, 3 * rows * units, 3.0));
    let h = draw(&mut rng, rows * units, 1.0);
    for level in Level::available() {
        let (mut whole, mut alone) = (vec![], vec![]);
        gru(level, [rows, units], &a, &k, &h, &mut whole, None).unwrap();
        for row in 0..rows {
            let (wide, at) = (row * 3 * units..(row + 1) * 3 * units, row * units..(row + 1) * units);
            gru(level, [1, units], &a[wide.clone()], &k[wide], &h[at], &mut alone, None).unwrap();
        }
        assert_eq!(whole, alone);
    }
}

#[test]
fn saturated_gates_reach_their_ends_and_nan_stays() {
    let inf = f32::INFINITY;
    for level in Level::available() {
        let step = |a: [f32; 3], h: f32| {
            let mut next = vec![];
            gru(level, [1, 1], &a, &[0.0; 3], &[h], &mut next, None).unwrap();
            next[0]
        };
        assert!((step([0.0, inf, 0.3], 0.7) - 0.7).abs() < 1e-6);
        assert!((step([0.0, -inf, inf], 0.7) - 1.0).abs() < 1e-6);
        assert!((step([0.0, -1e30, -inf], 0.7) + 1.0).abs() < 1e-6);
        for nan in 0..3 {
            let mut a = [0.5; 3];
            a[nan] = f32::NAN;
            // The reset gate only counts where the candidate's product is not zero.
            assert!(step(a, 0.7).is_nan());
        }
        assert!(step([0.5; 3], f32::NAN).is_nan());
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let level = Level::PORTABLE;
    let (mut x, mut y, mut z) = (vec![], vec![], vec![]);
    for [a, k, h] in [[5, 6, 2], [6, 5, 2], [6, 6, 3]] {
        let [a, k, h] = [a, k, h].map(|n| vec![0.0; n]);
        assert!(gru(level, [1, 2], &a, &k, &h, &mut x, None).is_err());
    }
    for [saved, h, u] in [[7, 2, 2], [8, 1, 2], [8, 2, 3]] {
        let [saved, h, u] = [saved, h, u].map(|n| vec![0.0; n]);
        let grad = GruGrad { from_input: &mut x, from_hidden: &mut y, h: &mut z };
        assert!(gru_backward(level, [1, 2], &saved, &h, &u, grad).is_err());
    }
    for [a, k, c] in [[7, 8, 2], [8, 7, 2], [8, 8, 3]] {
        let [a, k, c] = [a, k, c].map(|n| vec![0.0; n]);
        assert!(lstm(level, [1, 2], &a, &k, &c, LstmState { h: &mut x, c: &mut y }, None).is_err());
    }
    for bad in 0..5 {
        let [saved, c, next_c, by_h, by_c] =
            std::array::from_fn(|i| vec![0.0; [8, 2, 2, 2, 2][i] + usize::from(i == bad)]);
        let step = LstmStep { c: &c, next_c: &next_c, by_h: &by_h, by_c: &by_c };
        assert!(lstm_backward(level, [1, 2], &saved, step, LstmGrad { gates: &mut x, c: &mut y }).is_err());
    }
    assert!(gru(level, [usize::MAX, 2], &[], &[], &[], &mut x, None).is_err());
    assert!(gru(level, [usize::MAX / 8, 0], &[], &[], &[], &mut x, None).is_ok());
    assert!(x.is_empty() && y.is_empty() && z.is_empty());
}
