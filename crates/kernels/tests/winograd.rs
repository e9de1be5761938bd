//! Winograd convolution and its adjoints, against direct sums in f64.

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::conv::{Form, conv_by, conv_t_by, conv_w_by};
use rekindle_kernels::{ConvShape, Error, Level, Result};

/// Rounding errors, relative to the largest sum of absolute products in the result.
///
/// Not relative to an element's own sum: a transform adds numbers that cancel later, so that an element's error is as
/// large as its neighbours in the tile make it.
const TOLERANCE: f64 = 1e-6;

fn conv(level: Level, x: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_by(Form::Winograd, level, x, w, shape, out)
}

fn conv_t(level: Level, u: &[f32], w: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_t_by(Form::Winograd, level, u, w, shape, out)
}

fn conv_w(level: Level, x: &[f32], u: &[f32], shape: &ConvShape, out: &mut Vec<f32>) -> Result<()> {
    conv_w_by(Form::Winograd, level, x, u, shape, out)
}

fn pays(level: Level, shape: &ConvShape) -> bool {
    Form::fastest(level, shape) == Form::Winograd
}

fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// A sum and the sum of its absolute values.
type Sum = (f64, f64);

struct Expected {
    conv: Vec<Sum>,
    conv_t: Vec<Sum>,
    conv_w: Vec<Sum>,
}

/// All three forms from one loop over the products `x w u`.
fn naive(shape: &ConvShape, x: &[f32], u: &[f32], w: &[f32]) -> Expected {
    let ConvShape { images, height, width, inputs, outputs, .. } = *shape;
    let mut expected = Expected {
        conv: vec![(0.0, 0.0); u.len()],
        conv_t: vec![(0.0, 0.0); x.len()],
        conv_w: vec![(0.0, 0.0); w.len()],
    };
    let add = |sum: &mut Sum, a: f32, b: f32| {
        let product = f64::from(a) * f64::from(b);
        *sum = (sum.0 + product, sum.1 + product.abs());
    };
    for at in 0..images * height * width {
        let (y, z) = (at / width % height, at % width);
        for tap in 0..9 {
            let (i, j) = (y + tap / 3, z + tap % 3);
            if i == 0 || i > height || j == 0 || j > width {
                continue;
            }
            let from = (at - at % (height * width)) + (i - 1) * width + (j - 1);
            for c in 0..inputs {
                for o in 0..outputs {
                    let (x_at, w_at, u_at) = (from * inputs + c, (tap * inputs + c) * outputs + o, at * outputs + o);
                    add(&mut expected.conv[u_at], x[x_at], w[w_at]);
                    add(&mut expected.conv_t[x_at], u[u_at], w[w_at]);
                    add(&mut expected.conv_w[w_at], x[x_at], u[u_at]);
                }
            }
        }
    }
    expected
}

fn assert_close(name: &str, found: &[f32], expected: &[Sum], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}: length");
    let scale = expected.iter().fold(0f64, |scale, sum| scale.max(sum.1));
    for (i, (&found, &(sum, _))) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - sum).abs();
        assert!(error <= tolerance * scale, "{name}[{i}]: {found} for {sum}, {:e} of the products", error / scale);
    }
}

fn check(shape: &ConvShape, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pixels = shape.images * shape.height * shape.width;
    let x = random(&mut rng, pixels * shape.inputs);
    let u = random(&mut rng, pixels * shape.outputs);
    let w = random(&mut rng, 9 * shape.inputs * shape.outputs);
    let expected = naive(shape, &x, &u, &w);
    for level in Level::available() {
        let named = |form: &str| format!("{form} at {} of {shape:?}", level.name());
        let mut out = vec![7.0];
        conv(level, &x, &w, shape, &mut out).unwrap();
        assert_close(&named("conv"), &out[1..], &expected.conv, TOLERANCE);
        out.truncate(1);
        conv_t(level, &u, &w, shape, &mut out).unwrap();
        assert_close(&named("conv_t"), &out[1..], &expected.conv_t, TOLERANCE);
        out.truncate(1);
        conv_w(level, &x, &u, shape, &mut out).unwrap();
        assert_close(&named("conv_w"), &out[1..], &expected.conv_w, TOLERANCE);
        assert_eq!(out[0], 7.0, "what was there before");
    }
}

fn shape([images, height, width]: [usize; 3], [inputs, outputs]: [usize; 2]) -> ConvShape {
    ConvShape { images, height, width, inputs, outputs, stride: 1 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn all_forms_match_direct_sums(
        images in 0usize..4, height in 0usize..10, width in 0usize..10,
        inputs in 0usize..40, outputs in 0usize..40, seed: u64,
    ) {
        check(&shape([images, height, width], [inputs, outputs]), seed);
    }
}

#[test]
fn the_sizes_of_conv4_match_direct_sums() {
    for (sizes, channels) in [
        ([1, 28, 28], [1, 64]),
        ([1, 28, 28], [3, 64]),
        ([2, 28, 28], [64, 64]),
        ([5, 14, 14], [64, 64]),
        ([6, 7, 7], [64, 64]),
        ([5, 3, 3], [64, 64]),
        ([1, 1, 1], [64, 48]),
        ([1, 1, 33], [17, 97]),
        ([1, 33, 1], [97, 17]),
        ([1, 4, 4], [200, 300]),
    ] {
        check(&shape(sizes, channels), 1);
    }
}

#[test]
fn an_images_bits_do_not_depend_on_the_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (all, one) = (shape([21, 7, 6], [37, 41]), shape([1, 7, 6], [37, 41]));
    let (x, u) = (random(&mut rng, 21 * 42 * 37), random(&mut rng, 21 * 42 * 41));
    let w = random(&mut rng, 9 * 37 * 41);
    for level in Level::available() {
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        conv(level, &x, &w, &all, &mut whole).unwrap();
        conv_t(level, &u, &w, &all, &mut whole).unwrap();
        for x in x.chunks(42 * 37) {
            conv(level, x, &w, &one, &mut parts).unwrap();
        }
        for u in u.chunks(42 * 41) {
            conv_t(level, u, &w, &one, &mut parts).unwrap();
        }
        assert!(whole.iter().zip(&parts).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", level.name());
    }
}

#[test]
fn nan_in_gives_nan_out() {
    let shape = shape([1, 3, 3], [2, 2]);
    let (x, ones) = ([f32::NAN; 18], [1.0; 36]);
    for level in Level::available() {
        let mut out = Vec::new();
        conv(level, &x, &ones, &shape, &mut out).unwrap();
        conv_t(level, &x, &ones, &shape, &mut out).unwrap();
        conv_w(level, &x, &ones[..18], &shape, &mut out).unwrap();
        assert_eq!(out.len(), 18 + 18 + 36);
        assert!(out.iter().all(|value| value.is_nan()), "{}", level.name());
    }
}

#[test]
fn wrong_sizes_are_errors_and_append_nothing() {
    let right = shape([1, 2, 2], [2, 3]);
    let (x, u, w) = ([0.0; 8], [0.0; 12], [0.0; 54]);
    let huge = ConvShape { height: usize::MAX, inputs: 0, ..right };
    for level in Level::available() {
        let mut out = Vec::new();
        let results = [
            conv(level, &x[1..], &w, &right, &mut out),
            conv(level, &x, &w[1..], &right, &mut out),
            conv(level, &x, &w, &ConvShape { stride: 2, ..right }, &mut out),
            conv(level, &[], &[], &huge, &mut out),
            conv_t(level, &u[1..], &w, &right, &mut out),
            conv_t(level, &u, &w[1..], &right, &mut out),
            conv_w(level, &x[1..], &u, &right, &mut out),
            conv_w(level, &x, &u[1..], &right, &mut out),
            conv_w(level, &x, &u, &ConvShape { stride: 2, ..right }, &mut out),
        ];
        assert!(results.iter().all(|result| matches!(result, Err(Error::Shape { .. }))), "{results:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn an_empty_sum_is_zero() {
    for level in Level::available() {
        let mut out = Vec::new();
        conv(level, &[], &[], &shape([1, 2, 2], [0, 3]), &mut out).unwrap();
        conv_t(level, &[], &[], &shape([1, 2, 2], [3, 0]), &mut out).unwrap();
        conv_w(level, &[], &[], &shape([0, 2, 2], [1, 1]), &mut out).unwrap();
        assert_eq!(out, [0.0; 12 + 12 + 9]);
    }
}

#[test]
fn a_transform_pays_for_many_tiles_of_many_channels() {
    let best = *Level::available().last().unwrap();
    let block = shape([5, 14, 14], [64, 64]);
    assert_eq!(pays(best, &block), best != Level::PORTABLE);
    assert!(!pays(Level::PORTABLE, &block));
    assert!(!pays(best, &ConvShape { inputs: 3, ..block }));
    assert!(!pays(best, &ConvShape { stride: 2, ..block }));
    assert!(!pays(best, &shape([1, 7, 7], [64, 64])));
}
