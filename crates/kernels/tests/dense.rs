//! Products at every level against plain `f64` loops, and what their results must not depend on.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_kernels::{After, Base, Level, Operand, Product, product};

/// A product's own data, drawn at random.
#[derive(Clone)]
struct Case {
    tasks: usize,
    rows: usize,
    inner: usize,
    cols: usize,
    /// Operands: values, task stride, row stride, column stride.
    a: (Vec<f32>, [usize; 3]),
    b: (Vec<f32>, [usize; 3]),
    base: Option<(Vec<f32>, [usize; 2])>,
    mask: Vec<f32>,
    after: u8,
    alpha: f32,
    sum: bool,
}

fn values(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1f32..1.)).collect()
}

fn operand(rng: &mut ChaCha8Rng, [tasks, rows, cols]: [usize; 3]) -> (Vec<f32>, [usize; 3]) {
    let task = if rng.random_bool(0.3) { 0 } else { rows * cols };
    let strides = if rng.random_bool(0.5) { [task, cols, 1] } else { [task, 1, rows] };
    (values(rng, if task == 0 { rows * cols } else { tasks * rows * cols }), strides)
}

impl Case {
    fn draw(rng: &mut ChaCha8Rng, most: usize) -> Self {
        let size = |rng: &mut ChaCha8Rng| if rng.random_bool(0.05) { 0 } else { rng.random_range(1..=most) };
        let [tasks, rows, inner, cols] = [rng.random_range(1..6), size(rng), size(rng), size(rng)];
        let base = rng.random_bool(0.5).then(|| {
            let row = if rng.random_bool(0.5) { 0 } else { cols };
            let task = if rng.random_bool(0.3) { 0 } else { if row == 0 { cols } else { rows * cols } };
            let len = if row == 0 { cols } else { rows * cols };
            (values(rng, if task == 0 { len } else { tasks * len }), [task, row])
        });
        Self {
            a: operand(rng, [tasks, rows, inner]),
            b: operand(rng, [tasks, inner, cols]),
            base,
            mask: values(rng, tasks * rows * cols),
            after: rng.random_range(0..3),
            alpha: rng.random_range(-2f32..2.),
            sum: rng.random_bool(0.3),
            tasks,
            rows,
            inner,
            cols,
        }
    }

    fn product(&self) -> Product<'_> {
        Product {
            tasks: self.tasks,
            rows: self.rows,
            inner: self.inner,
            cols: self.cols,
            a: Operand { data: &self.a.0, task: self.a.1[0], row: self.a.1[1], col: self.a.1[2] },
            b: Operand { data: &self.b.0, task: self.b.1[0], row: self.b.1[1], col: self.b.1[2] },
            base: self.base.as_ref().map(|(data, [task, row])| Base { data, task: *task, row: *row }),
            alpha: self.alpha,
            after: match self.after {
                0 => After::Keep,
                1 => After::Relu,
                _ => After::Mask(&self.mask),
            },
            sum: self.sum,
        }
    }

    fn run(&self, level: Level) -> Vec<f32> {
        let mut out = vec![7.0];
        product(level, &self.product(), &mut out).expect("the case fits");
        assert_eq!(out.remove(0), 7.0, "what was in the vector stays");
        out
    }

    /// The result in `f64`, and the sum of absolute values that a rounding error is measured against.
    fn reference(&self) -> (Vec<f64>, Vec<f64>) {
        let size = self.rows * self.cols;
        let results = if self.sum { 1 } else { self.tasks };
        let (mut out, mut scale) = (vec![0.0; results * size], vec![0.0; results * size]);
        for (m, i, j) in
            (0..self.tasks).flat_map(|m| (0..self.rows).flat_map(move |i| (0..self.cols).map(move |j| (m, i, j))))
        {
            let (mut value, mut total) = (0.0, 0.0);
            for k in 0..self.inner {
                let a = f64::from(self.a.0[m * self.a.1[0] + i * self.a.1[1] + k * self.a.1[2]]);
                let b = f64::from(self.b.0[m * self.b.1[0] + k * self.b.1[1] + j * self.b.1[2]]);
                value += a * b;
                total += (a * b).abs();
            }
            let base = self.base.as_ref().map_or(0.0, |(data, [t, r])| f64::from(data[m * t + i * r + j]));
            let alpha = f64::from(self.alpha);
            let y = match self.after {
                0 => base + alpha * value,
                1 => (base + alpha * value).max(0.0),
                _ if self.mask[(m * self.rows + i) * self.cols + j] > 0.0 => base + alpha * value,
                _ => 0.0,
            };
            let at = if self.sum { 0 } else { m * size } + i * self.cols + j;
            out[at] += y;
            scale[at] += base.abs() + alpha.abs() * total;
        }
        (out, scale)
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn every_level_agrees_with_plain_loops_in_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (round, most) in (0..600).map(|round| (round, if round < 500 { 24 } else { 150 })) {
        let case = Case::draw(&mut rng, most);
        let (expected, scale) = case.reference();
        for level in Level::available() {
            let found = case.run(level);
            assert_eq!(found.len(), expected.len());
            for (i, ((&f, &e), &s)) in found.iter().zip(&expected).zip(&scale).enumerate() {
                // Each of the additions in a chain rounds once, by at most half a unit of the sum of absolute values.
                let bound = (case.inner + case.tasks + 4) as f64 * f64::from(f32::EPSILON) * s;
                let error = (f64::from(f) - e).abs();
                assert!(error <= bound, "round {round}, {}, element {i}: {f} against {e}", level.name());
            }
        }
    }
}

#[test]
fn a_task_has_the_same_bits_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..200 {
        let case = Case { sum: false, ..Case::draw(&mut rng, 40) };
        for level in Level::available() {
            let all = case.run(level);
            let (p, size) = (case.product(), case.rows * case.cols);
            for m in 0..case.tasks {
                let of = |data, stride| <[f32]>::get(data, m * stride..).unwrap_or(&[]);
                let one = Product {
                    tasks: 1,
                    a: Operand { data: of(p.a.data, p.a.task), ..p.a },
                    b: Operand { data: of(p.b.data, p.b.task), ..p.b },
                    base: p.base.map(|base| Base { data: of(base.data, base.task), ..base }),
                    after: match p.after {
                        After::Mask(mask) => After::Mask(&mask[m * size..][..size]),
                        other => other,
                    },
                    ..p
                };
                let mut out = Vec::new();
                product(level, &one, &mut out).expect("a task of a case that fits");
                assert_eq!(bits(&out), bits(&all[m * size..][..size]), "{} task {m}", level.name());
            }
        }
    }
}

#[test]
fn the_sum_has_the_bits_of_adding_tasks_in_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..200 {
        let case = Case::draw(&mut rng, 40);
        for level in Level::available() {
            let apart = Case { sum: false, ..case.clone() }.run(level);
            let sum = Case { sum: true, ..case.clone() }.run(level);
            let size = case.rows * case.cols;
            for (j, &found) in sum.iter().enumerate() {
                let tasks = (1..case.tasks).map(|m| apart[m * size + j]);
                let expected = tasks.fold(apart[j], |sum, v| sum + v);
                assert_eq!(found.to_bits(), expected.to_bits(), "{} element {j}", level.name());
            }
        }
    }
}

#[test]
fn a_nan_stays_one() {
    let p = Product {
        tasks: 1,
        rows: 1,
        inner: 1,
        cols: 3,
        a: Operand { data: &[1.0], task: 0, row: 1, col: 1 },
        b: Operand { data: &[f32::NAN, -1.0, 2.0], task: 0, row: 3, col: 1 },
        base: None,
        alpha: 1.0,
        after: After::Relu,
        sum: false,
    };
    for level in Level::available() {
        let mut out = Vec::new();
        product(level, &p, &mut out).unwrap();
        assert!(out[0].is_nan() && out[1] == 0.0 && out[2] == 2.0, "{}: {out:?}", level.name());
    }
}

#[test]
fn what_reaches_out_of_bounds_is_refused() {
    let data = [0f32; 12];
    let side = Operand { data: &data, task: 0, row: 4, col: 1 };
    let fits = Product {
        tasks: 1,
        rows: 3,
        inner: 4,
        cols: 3,
        a: side,
        b: Operand { row: 3, ..side },
        base: None,
        alpha: 1.0,
        after: After::Keep,
        sum: false,
    };
    let wrong = [
        Product { rows: 4, ..fits },
        Product { inner: 5, ..fits },
        Product { cols: 4, ..fits },
        Product { tasks: 2, a: Operand { task: 1, ..side }, ..fits },
        Product { base: Some(Base { data: &data[..8], task: 0, row: 3 }), ..fits },
        Product { after: After::Mask(&data[..8]), ..fits },
        Product { rows: usize::MAX, cols: 2, ..fits },
        Product { a: Operand { row: usize::MAX, ..side }, ..fits },
    ];
    for level in Level::available() {
        let mut out = Vec::new();
        product(level, &fits, &mut out).unwrap();
        assert_eq!(out.len(), 9);
        for p in &wrong {
            let error = product(level, p, &mut out).expect_err("reaches out of bounds").to_string();
            assert!(error.starts_with("product: "), "{error}");
        }
        assert_eq!(out.len(), 9, "nothing was written");
    }
}
