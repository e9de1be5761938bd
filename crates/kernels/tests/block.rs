//! The fused block against a plain one in f64: every step by itself, gradients by hand.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::block::{BlockGrads, BlockShape, Operands, backward, forward};
use rekindle_kernels::{ConvShape, Level};

/// Results of the plain block, in f64.
struct Plain {
    out: Vec<f64>,
    x: Vec<f64>,
    w: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

/// Calls `each(x, w, y)` with the places of every product of the convolution.
fn products(shape: &ConvShape, mut each: impl FnMut(usize, usize, usize)) {
    let [images, height, width, inputs] = shape.input();
    let [_, rows, columns, outputs] = shape.output();
    for n in 0..images {
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            for (dy, dx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                let (row, column) = (shape.stride * y + dy, shape.stride * x + dx);
                if row < 1 || row > height || column < 1 || column > width {
                    continue;
                }
                let pixel = (n * height + row - 1) * width + column - 1;
                for (c, o) in (0..inputs).flat_map(|c| (0..outputs).map(move |o| (c, o))) {
                    let w = ((dy * 3 + dx) * inputs + c) * outputs + o;
                    each(pixel * inputs + c, w, ((n * rows + y) * columns + x) * outputs + o);
                }
            }
        }
    }
}

fn plain(shape: &BlockShape, operands: &Operands<'_>, u: &[f32]) -> Plain {
    let [images, rows, columns, outputs] = shape.conv.output();
    let wide = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (x, w, u) = (wide(operands.x), wide(operands.w), wide(u));
    let mut y = vec![0f64; images * rows * columns * outputs];
    products(&shape.conv, |i, j, k| y[k] += x[i] * w[j]);
    let pixels = (images * rows * columns) as f64;
    let channel = |c: usize, y: &[f64]| y.iter().skip(c).step_by(outputs).copied().collect::<Vec<_>>();
    let mut z = y.clone();
    let mut rstd = vec![0f64; outputs];
    for (c, rstd) in rstd.iter_mut().enumerate() {
        let y = channel(c, &y);
        let mean = y.iter().sum::<f64>() / pixels;
        let variance = y.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / pixels;
        *rstd = 1.0 / (variance + f64::from(shape.eps)).sqrt();
        z.iter_mut().skip(c).step_by(outputs).for_each(|z| *z = (*z - mean) * *rstd);
    }
    let (scale, shift) = (wide(operands.gamma), wide(operands.beta));
    // Where each number of the result comes from: the first of the largest in its window.
    let [_, out_rows, out_columns, _] = shape.output();
    let side = if shape.pool { 2 } else { 1 };
    let mut from = Vec::new();
    for index in 0..images * out_rows * out_columns * outputs {
        let (pixel, c) = (index / outputs, index % outputs);
        let (line, column) = (pixel / out_columns, pixel % out_columns);
        let (n, row) = (line / out_rows, line % out_rows);
        let window = (0..side * side).map(|place| {
            ((n * rows + side * row + place / side) * columns + side * column + place % side) * outputs + c
        });
        let value = |place: usize| scale[c] * z[place];
        from.push(window.reduce(|best, place| if value(place) > value(best) { place } else { best }).unwrap());
    }
    let t: Vec<f64> = from.iter().map(|&place| scale[place % outputs] * z[place] + shift[place % outputs]).collect();
    let mut g = vec![0f64; y.len()];
    for ((&place, t), u) in from.iter().zip(&t).zip(&u) {
        g[place] += if *t > 0.0 { *u } else { 0.0 };
    }
    let beta: Vec<f64> = (0..outputs).map(|c| channel(c, &g).iter().sum()).collect();
    let product: Vec<f64> = g.iter().zip(&z).map(|(g, z)| g * z).collect();
    let gamma: Vec<f64> = (0..outputs).map(|c| channel(c, &product).iter().sum()).collect();
    let dy: Vec<f64> = (0..y.len())
        .map(|k| (k, k % outputs))
        .map(|(k, c)| scale[c] * rstd[c] * (g[k] - beta[c] / pixels - z[k] * gamma[c] / pixels))
        .collect();
    let (mut dx, mut dw) = (vec![0f64; x.len()], vec![0f64; w.len()]);
    products(&shape.conv, |i, j, k| {
        dx[i] += dy[k] * w[j];
        dw[j] += dy[k] * x[i];
    });
    Plain { out: t.into_iter().map(|t| t.max(0.0)).collect(), x: dx, w: dw, gamma, beta }
}

fn random(rng: &mut ChaCha8Rng, sizes: &[usize]) -> Vec<f32> {
    (0..sizes.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Close to within `2⁻¹²` of the largest element. The random numbers are free of near-ties that f32 decides otherwise.
fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let distance = (f64::from(found) - expected).abs();
        assert!(distance <= largest * 2f64.powi(-12), "{what}: {found} for {expected} at {i}, largest {largest}");
    }
}

fn run(level: Level, shape: &BlockShape, operands: &Operands<'_>, u: &[f32]) -> (Vec<f32>, BlockGrads) {
    let mut out = vec![7.0];
    let saved = forward(level, shape, operands, &mut out).unwrap();
    assert_eq!(out.remove(0), 7.0);
    let grads = backward(level, shape, operands, &saved, &out, u, true).unwrap();
    let fewer = backward(level, shape, operands, &saved, &out, u, false).unwrap();
    let bits = |grads: &BlockGrads| {
        [&grads.w, &grads.gamma, &grads.beta].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    assert!(fewer.x.is_empty() && bits(&fewer) == bits(&grads));
    (out, grads)
}

fn check(conv: ConvShape, pool: bool, rng: &mut ChaCha8Rng) {
    let shape = BlockShape { conv, pool, eps: 1e-3 };
    let (x, w) = (random(rng, &conv.input()), random(rng, &conv.weight()));
    let (gamma, beta) = (random(rng, &[conv.outputs]), random(rng, &[conv.outputs]));
    let u = random(rng, &shape.output());
    let operands = Operands { x: &x, w: &w, gamma: &gamma, beta: &beta };
    let plain = plain(&shape, &operands, &u);
    for level in Level::available() {
        let what = |part| format!("{part} of {shape:?} on {}", level.name());
        let (out, grads) = run(level, &shape, &operands, &u);
        close(&out, &plain.out, &what("out"));
        close(&grads.gamma, &plain.gamma, &what("gamma"));
        close(&grads.beta, &plain.beta, &what("beta"));
        close(&grads.w, &plain.w, &what("w"));
        close(&grads.x, &plain.x, &what("x"));
    }
}

fn conv(images: usize, (height, width): (usize, usize), inputs: usize, outputs: usize, stride: usize) -> ConvShape {
    ConvShape { images, height, width, inputs, outputs, stride }
}

#[test]
fn agrees_with_plain_steps_in_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..60 {
        let (height, width) = (rng.random_range(1..12), rng.random_range(1..12));
        let inputs = if rng.random_bool(0.5) { rng.random_range(1..4) } else { rng.random_range(4..20) };
        let (images, outputs) = (rng.random_range(2..5), rng.random_range(1..40));
        check(conv(images, (height, width), inputs, outputs, 1), true, &mut rng);
        check(conv(images, (height, width), inputs, outputs, rng.random_range(1..3)), false, &mut rng);
    }
    // Four vectors of channels and what is left, several groups of images.
    check(conv(20, (6, 7), 2, 83, 1), true, &mut rng);
    check(conv(20, (6, 7), 9, 64, 1), true, &mut rng);
    // As many channels and tiles as Winograd's form asks for, in several groups.
    check(conv(20, (6, 7), 32, 35, 1), true, &mut rng);
    check(conv(7, (8, 5), 33, 48, 1), false, &mut rng);
}

#[test]
fn the_first_of_equal_numbers_has_the_gradient() {
    // A constant image with a constant filter in the middle only: all of a window's numbers are equal.
    let shape = BlockShape { conv: conv(2, (2, 2), 1, 1, 1), pool: true, eps: 0.1 };
    let x = [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0];
    let mut w = [0.0; 9];
    w[4] = 1.0;
    for gamma in [1.0, -1.0] {
        let operands = Operands { x: &x, w: &w, gamma: &[gamma], beta: &[5.0] };
        for level in Level::available() {
            let (_, grads) = run(level, &shape, &operands, &[1.0, 2.0]);
            // Only the first pixel of each image has a seed of its own; the others share what the statistics bring.
            assert!((grads.x[0] - grads.x[1]).abs() > 0.1, "{}: {:?}", level.name(), grads.x);
            assert!(grads.x[1] == grads.x[2] && grads.x[2] == grads.x[3], "{}: {:?}", level.name(), grads.x);
            assert_eq!(grads.x[5], grads.x[7]);
        }
    }
}

#[test]
fn a_nan_stays_one() {
    let shape = BlockShape { conv: conv(2, (4, 4), 1, 20, 1), pool: true, eps: 1e-3 };
    let (mut x, w) = (vec![0.5; 32], vec![0.5; 180]);
    x[5] = f32::NAN;
    let operands = Operands { x: &x, w: &w, gamma: &[1.0; 20], beta: &[0.0; 20] };
    for level in Level::available() {
        let (out, grads) = run(level, &shape, &operands, &[1.0; 160]);
        assert!(out.iter().chain(&grads.x).chain(&grads.w).chain(&grads.gamma).all(|x| x.is_nan()), "{}", level.name());
    }
}

#[test]
fn nothing_makes_nothing_or_zeros() {
    for at in 0..5 {
        let mut sizes = [2, 3, 4, 5, 6];
        sizes[at] = 0;
        let [images, height, width, inputs, outputs] = sizes;
        for pool in [true, false] {
            let shape = BlockShape { conv: conv(images, (height, width), inputs, outputs, 1), pool, eps: 1e-3 };
            let zeros = |sizes: &[usize]| vec![0.0; sizes.iter().product()];
            let (x, w) = (zeros(&shape.conv.input()), zeros(&shape.conv.weight()));
            let (gamma, beta) = (vec![1.0; outputs], vec![2.0; outputs]);
            let operands = Operands { x: &x, w: &w, gamma: &gamma, beta: &beta };
            for level in Level::available() {
                let u = zeros(&shape.output());
                let (out, grads) = run(level, &shape, &operands, &u);
                assert!(out.len() == u.len() && out.iter().all(|&x| x == 2.0));
                assert!(grads.x == x && grads.w == w && grads.beta.len() == outputs);
            }
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let shape = BlockShape { conv: conv(2, (4, 4), 3, 5, 1), pool: true, eps: 1e-3 };
    let (x, w, gamma, beta, u) = (vec![1.0; 96], vec![1.0; 135], vec![1.0; 5], vec![1.0; 5], vec![1.0; 40]);
    let right = Operands { x: &x, w: &w, gamma: &gamma, beta: &beta };
    let level = Level::current();
    let mut out = Vec::new();
    let saved = forward(level, &shape, &right, &mut out).unwrap();
    let wrong = [
        Operands { x: &x[1..], ..right },
        Operands { w: &w[1..], ..right },
        Operands { gamma: &gamma[1..], ..right },
        Operands { beta: &beta[1..], ..right },
    ];
    for operands in wrong {
        assert!(forward(level, &shape, &operands, &mut Vec::new()).is_err());
        assert!(backward(level, &shape, &operands, &saved, &out, &u, true).is_err());
    }
    assert!(forward(level, &BlockShape { eps: -1.0, ..shape }, &right, &mut Vec::new()).is_err());
    assert!(forward(level, &BlockShape { eps: f32::NAN, ..shape }, &right, &mut Vec::new()).is_err());
    assert!(backward(level, &shape, &right, &saved, &out[1..], &u, true).is_err());
    assert!(backward(level, &shape, &right, &saved, &out, &u[1..], true).is_err());
    // What another shape saved.
    let other = BlockShape { pool: false, ..shape };
    assert!(backward(level, &other, &right, &saved, &[0.0; 160], &[0.0; 160], true).is_err());
}
