//! The three forms of the 3×3 convolution against sums in f64 over every pixel, tap and channel.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::conv::{Form, conv_by, conv_t_by, conv_w_by};
use rekindle_kernels::{ConvShape, Level, conv, conv_t, conv_w};

type Call = fn(Form, Level, &[f32], &[f32], &ConvShape, &mut Vec<f32>) -> rekindle_kernels::Result<()>;

/// Those whose rounding errors stay within each element's own sum; Winograd's has tests of its own.
const FORMS: [Form; 2] = [Form::Direct, Form::Windows];

/// A result, and the sum of the absolute values of its products.
struct Sums {
    value: Vec<f64>,
    size: Vec<f64>,
}

impl Sums {
    fn zeros(sizes: [usize; 4]) -> Self {
        let len = sizes.iter().product();
        Self { value: vec![0.0; len], size: vec![0.0; len] }
    }

    fn add(&mut self, index: usize, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value[index] += product;
        self.size[index] += product.abs();
    }

    /// Each error is at most `terms · 2⁻²³` of the sum of absolute products: sums run in f32, one term after the other.
    fn check(&self, found: &[f32], terms: usize, what: &str) {
        assert_eq!(found.len(), self.value.len(), "{what}");
        let bound = (terms + 1) as f64 * 2f64.powi(-23);
        for (index, &found) in found.iter().enumerate() {
            let (value, size) = (self.value[index], self.size[index]);
            assert!((f64::from(found) - value).abs() <= bound * size, "{what}: {found} for {value} at {index}");
        }
    }
}

/// Calls `each(x, w, y)` with the places of every product.
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
                for c in 0..inputs {
                    for o in 0..outputs {
                        let w = ((dy * 3 + dx) * inputs + c) * outputs + o;
                        each(pixel * inputs + c, w, ((n * rows + y) * columns + x) * outputs + o);
                    }
                }
            }
        }
    }
}

fn random(rng: &mut ChaCha8Rng, sizes: [usize; 4]) -> Vec<f32> {
    (0..sizes.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn check(shape: &ConvShape, rng: &mut ChaCha8Rng) {
    let (x, w, u) = (random(rng, shape.input()), random(rng, shape.weight()), random(rng, shape.output()));
    let (mut y, mut dx, mut dw) =
        (Sums::zeros(shape.output()), Sums::zeros(shape.input()), Sums::zeros(shape.weight()));
    products(shape, |i, j, k| {
        y.add(k, x[i], w[j]);
        dx.add(i, u[k], w[j]);
        dw.add(j, x[i], u[k]);
    });
    let pixels = shape.images * shape.out_height() * shape.out_width();
    for (level, form) in Level::available().into_iter().flat_map(|level| FORMS.map(|form| (level, form))) {
        let what = |name| format!("{name} of {shape:?} by {form:?} on {}", level.name());
        // What was in the vector before stays.
        let run = |call: Call, a: &[f32], b: &[f32]| {
            let mut out = vec![7.0];
            call(form, level, a, b, shape, &mut out).unwrap();
            assert_eq!(out[0], 7.0);
            out.split_off(1)
        };
        y.check(&run(conv_by, &x, &w), 9 * shape.inputs, &what("conv"));
        dx.check(&run(conv_t_by, &u, &w), 9 * shape.outputs, &what("conv_t"));
        dw.check(&run(conv_w_by, &x, &u), pixels, &what("conv_w"));
    }
}

fn shape(images: usize, (height, width): (usize, usize), inputs: usize, outputs: usize, stride: usize) -> ConvShape {
    ConvShape { images, height, width, inputs, outputs, stride }
}

#[test]
fn agree_with_sums_in_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..120 {
        let (height, width) = (rng.random_range(1..12), rng.random_range(1..32));
        let (inputs, outputs) = (rng.random_range(1..40), rng.random_range(1..40));
        let inputs = if rng.random_bool(0.3) { rng.random_range(1..5) } else { inputs };
        let stride = rng.random_range(1..3);
        check(&shape(rng.random_range(1..4), (height, width), inputs, outputs, stride), &mut rng);
    }
}

#[test]
fn every_tile_agrees() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for width in 1..=16 {
        for height in 1..=4 {
            let images = rng.random_range(1..3);
            check(&shape(images, (height, width), 17, 33, 1), &mut rng);
            check(&shape(images, (2 * height, 2 * width), 2, 16, 2), &mut rng);
        }
    }
}

#[test]
fn many_small_images_fill_several_groups() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    check(&shape(70, (3, 3), 6, 18, 1), &mut rng);
    check(&shape(37, (5, 4), 3, 8, 2), &mut rng);
}

#[test]
fn nothing_makes_nothing_or_zeros() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for stride in [1, 2] {
        for at in 0..5 {
            let mut sizes = [2, 3, 4, 5, 6];
            sizes[at] = 0;
            let [images, height, width, inputs, outputs] = sizes;
            check(&shape(images, (height, width), inputs, outputs, stride), &mut rng);
        }
    }
}

#[test]
fn an_image_has_the_same_bits_alone_and_among_others() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for stride in [1, 2] {
        let many = shape(40, (5, 6), 7, 20, stride);
        let one = ConvShape { images: 1, ..many };
        let (x, w, u) =
            (random(&mut rng, many.input()), random(&mut rng, many.weight()), random(&mut rng, many.output()));
        for (level, form) in Level::available().into_iter().flat_map(|level| FORMS.map(|form| (level, form))) {
            for (call, a) in [(conv_by as Call, &x), (conv_t_by, &u)] {
                let (mut together, mut alone) = (Vec::new(), Vec::new());
                call(form, level, a, &w, &many, &mut together).unwrap();
                for image in a.chunks(a.len() / 40) {
                    call(form, level, image, &w, &one, &mut alone).unwrap();
                }
                let same = together.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{form:?} on {}", level.name());
            }
        }
    }
}

#[test]
fn a_nan_reaches_its_neighbours() {
    for (level, form) in Level::available().into_iter().flat_map(|level| FORMS.map(|form| (level, form))) {
        let shape = shape(1, (5, 5), 3, 4, 1);
        let (mut x, w) = (vec![1.0; 75], vec![1.0; 108]);
        x[(2 * 5 + 2) * 3] = f32::NAN;
        let mut y = Vec::new();
        conv_by(form, level, &x, &w, &shape, &mut y).unwrap();
        let nan = (0..25).filter(|pixel| y[pixel * 4].is_nan()).collect::<Vec<_>>();
        assert_eq!(nan, [6, 7, 8, 11, 12, 13, 16, 17, 18], "{}", level.name());
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let mut out = vec![];
    let right = shape(2, (3, 4), 5, 6, 1);
    let (x, w, u) = (vec![0.0; 120], vec![0.0; 270], vec![0.0; 144]);
    for (call, a, b) in [(conv_by as Call, &x, &w), (conv_t_by, &u, &w), (conv_w_by, &x, &u)] {
        for form in FORMS {
            assert!(call(form, Level::current(), a, b, &right, &mut out).is_ok());
            assert!(call(form, Level::current(), &a[1..], b, &right, &mut out).is_err());
            assert!(call(form, Level::current(), a, &b[1..], &right, &mut out).is_err());
            for stride in [0, 3] {
                assert!(call(form, Level::current(), a, b, &ConvShape { stride, ..right }, &mut out).is_err());
            }
            let huge = [
                shape(0, (usize::MAX, 2), 1, 1, 1),
                shape(1, (usize::MAX, usize::MAX), 0, 1, 1),
                shape(1, (1, 1), usize::MAX, 0, 1),
                shape(1, (1, 1), 0, usize::MAX / 2, 2),
                shape(usize::MAX, (2, 1), 1, 1, 2),
            ];
            for shape in huge {
                assert!(call(form, Level::current(), &[], &[], &shape, &mut out).is_err(), "{shape:?}");
            }
        }
    }
}

#[test]
fn the_sizes_choose_the_form() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let cases = [
        (shape(4, (9, 8), 40, 33, 1), Form::Winograd),
        (shape(4, (9, 8), 64, 65, 2), Form::Windows),
        (shape(4, (9, 9), 64, 65, 2), Form::Direct),
        (shape(1, (4, 4), 40, 33, 1), Form::Windows),
        (shape(4, (9, 8), 4, 33, 2), Form::Direct),
    ];
    for (shape, fastest) in cases {
        let (x, w, u) =
            (random(&mut rng, shape.input()), random(&mut rng, shape.weight()), random(&mut rng, shape.output()));
        for level in Level::available() {
            let form = Form::fastest(level, &shape);
            assert_eq!(form, if level == Level::PORTABLE { Form::Direct } else { fastest });
            let calls: [Call; 3] = [conv_by, conv_t_by, conv_w_by];
            for ((entry, call), (a, b)) in
                [conv, conv_t, conv_w].into_iter().zip(calls).zip([(&x, &w), (&u, &w), (&x, &u)])
            {
                let (mut found, mut expected) = (Vec::new(), Vec::new());
                entry(level, a, b, &shape, &mut found).unwrap();
                call(form, level, a, b, &shape, &mut expected).unwrap();
                assert!(found == expected && !found.is_empty(), "{shape:?} on {}", level.name());
            }
        }
    }
}
