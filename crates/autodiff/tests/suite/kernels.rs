//! The direct kernels in `f32` against loops in `f64` that do what the definition says, and against stock candle
//! operations, over random sizes.
//!
//! A sum of n products in `f32` may be wrong by `n ε Σ|a b|` (Higham, *Accuracy and Stability of Numerical Algorithms*,
//! §3.1), ε = 2⁻²⁴; the bounds below are that with a little room: `(n + 8) 2⁻²³ Σ|a b|`.

use candle_core::{DType, Tensor as Value};
use proptest::prelude::*;
use rekindle_autodiff::{AdamStep, ComposedScope, NormStats, Order, Result, Tensor, Transpose, adam, vjp};

use crate::support::{assert_close, f32s, packed, random_cases, rng, strided, uniform, windowed};

/// Runs on the direct kernels and on stock operations.
fn both(f: impl Fn() -> Result<Tensor>) -> [(&'static str, Tensor); 2] {
    let direct = f().expect("the kernel answers");
    let _scope = ComposedScope::new();
    [("direct", direct), ("composed", f().expect("candle answers"))]
}

/// What a loop in `f64` gives: sums of products, and the sums of their sizes.
struct Sums {
    value: Vec<f64>,
    size: Vec<f64>,
    terms: usize,
}

impl Sums {
    fn new(len: usize, terms: usize) -> Self {
        Self { value: vec![0.0; len], size: vec![0.0; len], terms }
    }

    fn add(&mut self, at: usize, v: f64) {
        self.value[at] += v;
        self.size[at] += v.abs();
    }

    fn assert_near(&self, what: &str, got: &Tensor, dims: &[usize]) {
        assert_eq!(got.dims(), dims, "{what}");
        let unit = (self.terms + 8) as f64 * 2f64.powi(-23);
        for (i, got) in got.to_vec_f64().expect("on the host").into_iter().enumerate() {
            let (want, bound) = (self.value[i], unit * self.size[i]);
            assert!((got - want).abs() <= bound, "{what}: element {i} is {got:e}, expected {want:e} ± {bound:e}");
        }
    }
}

/// Random `f32` values, packed or as one of two kinds of view.
fn input(dims: &[usize], seed: u64) -> Tensor {
    let x = f32s(&uniform(dims, &mut rng(seed)));
    match seed % 3 {
        _ if x.elem_count() == 0 => x,
        0 => x,
        1 => strided(&x),
        _ => windowed(&x),
    }
}

proptest! {
    #![proptest_config(random_cases(40))]

    #[test]
    fn product_is_the_loop(
        m in 0usize..4, i in 1usize..20, k in 1usize..40, j in 1usize..20, turns in 0u8..4, share in 0u8..3, seed: u64,
    ) {
        let (ta, tb) = (turns & 1 > 0, turns & 2 > 0);
        let (am, bm) = (if share == 1 { 1 } else { m }, if share == 2 { 1 } else { m });
        let a = input(&if ta { [am, k, i] } else { [am, i, k] }, seed);
        let b = input(&if tb { [bm, j, k] } else { [bm, k, j] }, seed / 3);
        let (av, bv) = (a.to_vec_f64()?, b.to_vec_f64()?);
        let mut want = Sums::new(m * i * j, k);
        for (t, r, c, q) in grid([m, i, j, k]) {
            let left = av[if am == 1 { 0 } else { t } * i * k + if ta { q * i + r } else { r * k + q }];
            let right = bv[if bm == 1 { 0 } else { t } * j * k + if tb { c * k + q } else { q * j + c }];
            want.add((t * i + r) * j + c, left * right);
        }
        let flag = |t: bool| if t { Transpose::Yes } else { Transpose::No };
        for (mode, y) in both(|| a.product(flag(ta), &b, flag(tb))) {
            want.assert_near(mode, &y, &[m, i, j]);
        }
    }

    #[test]
    fn linear_is_the_loop(
        m in 1usize..4, rows in 0usize..9, d in 1usize..30, o in 1usize..12, share in 0u8..3, seed: u64,
    ) {
        let (xm, wm) = (if share == 1 { 1 } else { m }, if share == 2 { 1 } else { m });
        let (x, w, b) = (input(&[xm, rows, d], seed), input(&[wm, d, o], seed / 3), input(&[wm, o], seed / 9));
        let (xv, wv, bv) = (x.to_vec_f64()?, w.to_vec_f64()?, b.to_vec_f64()?);
        let mut want = Sums::new(m * rows * o, d + 1);
        for (t, r, c, q) in grid([m, rows, o, d + 1]) {
            let (tx, tw) = (if xm == 1 { 0 } else { t }, if wm == 1 { 0 } else { t });
            let term = if q == d { bv[tw * o + c] } else { xv[(tx * rows + r) * d + q] * wv[(tw * d + q) * o + c] };
            want.add((t * rows + r) * o + c, term);
        }
        for (mode, y) in both(|| x.linear(&w, Some(&b))) {
            want.assert_near(mode, &y, &[m, rows, o]);
        }
    }

    /// The convolution and both of its adjoints, which gradients from a random seed reach.
    #[test]
    fn convolutions_are_the_loop(
        m in 1usize..3, b in 0usize..4, (h, w) in (1usize..9, 1usize..9), (kh, kw) in (1usize..4, 1usize..4),
        c in 1usize..5, o in 1usize..5, stride in 1usize..4, padding in 0usize..3, seed: u64,
    ) {
        let (kh, kw) = (kh.min(h + 2 * padding), kw.min(w + 2 * padding));
        let (oh, ow) = ((h + 2 * padding - kh) / stride + 1, (w + 2 * padding - kw) / stride + 1);
        let (x, k) = (input(&[m, b, h, w, c], seed), input(&[m, kh, kw, c, o], seed / 3));
        let u = input(&[m, b, oh, ow, o], seed / 9);
        let (xv, kv, uv) = (x.to_vec_f64()?, k.to_vec_f64()?, u.to_vec_f64()?);
        let mut y = Sums::new(m * b * oh * ow * o, kh * kw * c);
        let mut gx = Sums::new(xv.len(), kh * kw * o);
        let mut gk = Sums::new(kv.len(), b * oh * ow);
        for (t, image, oy, ox) in grid([m, b, oh, ow]) {
            for (ky, kx, ch, f) in grid([kh, kw, c, o]) {
                let (iy, ix) = (oy * stride + ky, ox * stride + kx);
                if iy < padding || ix < padding || iy >= h + padding || ix >= w + padding {
                    continue;
                }
                let at_x = (((t * b + image) * h + iy - padding) * w + ix - padding) * c + ch;
                let at_k = (((t * kh + ky) * kw + kx) * c + ch) * o + f;
                let at_y = (((t * b + image) * oh + oy) * ow + ox) * o + f;
                y.add(at_y, xv[at_x] * kv[at_k]);
                gx.add(at_x, uv[at_y] * kv[at_k]);
                gk.add(at_k, uv[at_y] * xv[at_x]);
            }
        }
        for (mode, got) in both(|| x.conv2d(&k, stride, padding)) {
            y.assert_near(mode, &got, &[m, b, oh, ow, o]);
        }
        let pulled = |which: usize| {
            let (x, k) = (x.leaf(), k.leaf());
            let y = x.conv2d(&k, stride, padding)?;
            Ok(vjp(&[(&y, &u)], &[&x, &k], Order::First)?.swap_remove(which))
        };
        for (mode, got) in both(|| pulled(0)) {
            gx.assert_near(&format!("{mode}, at the images"), &got, x.dims());
        }
        for (mode, got) in both(|| pulled(1)) {
            gk.assert_near(&format!("{mode}, at the kernel"), &got, k.dims());
        }
    }

    #[test]
    fn sums_are_the_loop(dims in prop::collection::vec(1usize..7, 1..5), axes in 0u32..16, seed: u64) {
        let axes: Vec<usize> = (0..dims.len()).filter(|a| axes >> a & 1 > 0).collect();
        let kept: Vec<usize> = dims.iter().enumerate().map(|(a, &d)| if axes.contains(&a) { 1 } else { d }).collect();
        let x = input(&dims, seed);
        let terms = dims.iter().product::<usize>() / kept.iter().product::<usize>();
        let mut want = Sums::new(kept.iter().product(), terms);
        for (flat, v) in x.to_vec_f64()?.into_iter().enumerate() {
            let (mut rest, mut at, mut stride) = (flat, 0, 1);
            for (&d, &k) in dims.iter().zip(&kept).rev() {
                at += if k == 1 { 0 } else { rest % d * stride };
                stride *= k;
                rest /= d;
            }
            want.add(at, v);
        }
        for (mode, y) in both(|| x.sum_keepdim(&axes)) {
            want.assert_near(mode, &y, &kept);
        }
    }

    #[test]
    fn max_pool_is_the_loop(
        m in 1usize..3, b in 0usize..3, (h, w) in (1usize..9, 1usize..9), c in 1usize..4, size in 1usize..4,
        stride in 1usize..4, seed: u64,
    ) {
        let size = size.min(h).min(w);
        let (oh, ow) = ((h - size) / stride + 1, (w - size) / stride + 1);
        let x = input(&[m, b, h, w, c], seed);
        let v = x.to_vec_f64()?;
        let mut want = Vec::new();
        for (image, oy, ox, ch) in grid([m * b, oh, ow, c]) {
            let pixel = |(ky, kx)| v[((image * h + oy * stride + ky) * w + ox * stride + kx) * c + ch];
            want.push((0..size).flat_map(|ky| (0..size).map(move |kx| (ky, kx))).map(pixel).fold(f64::MIN, f64::max));
        }
        let want = Tensor::from_vec(want, (m, b, oh, ow, c))?;
        for (mode, y) in both(|| x.max_pool2d(size, stride)) {
            assert_close(mode, &y, &want, 0.0);
        }
    }

    /// Rounding of a row's largest value, and of the few operations after it: 4 ε of `|x| + |log Σ|`.
    #[test]
    fn log_softmax_is_the_loop(rows in 0usize..6, n in 1usize..40, scale in 0.1f64..40.0, seed: u64) {
        let x = f32s(&uniform(&[rows, n], &mut rng(seed)).scale(scale)?);
        let v = x.to_vec_f64()?;
        let mut want = Vec::new();
        for row in v.chunks(n) {
            let max = row.iter().copied().fold(f64::MIN, f64::max);
            let log = max + row.iter().map(|v| (v - max).exp()).sum::<f64>().ln();
            want.extend(row.iter().map(|v| v - log));
        }
        for (mode, y) in both(|| x.log_softmax()) {
            for (got, want) in y.to_vec_f64()?.into_iter().zip(&want) {
                let bound = 4.0 * 2f64.powi(-24) * (scale + want.abs() + n as f64);
                prop_assert!((got - want).abs() <= bound, "{}: {} and {}", mode, got, want);
            }
        }
    }

    /// Values and all three gradients, with a mean far from zero and more rows than one block of the kernel.
    #[test]
    fn batch_norm_is_the_loop(
        m in 1usize..3, (b, h) in (8usize..40, 1usize..20), c in 1usize..9, offset in -50f64..50.0, seed: u64,
    ) {
        let eps = 1e-3;
        let x = f32s(&uniform(&[m, b, h, c], &mut rng(seed)).affine(2.0, offset)?);
        let (gamma, beta) = (input(&[m, c], seed / 3), input(&[m, c], seed / 9));
        let u = input(&[m, b, h, c], seed / 27);
        let want = norm_loop(&x, &gamma, &beta, &u, eps)?;
        // The mean is rounded to f32 before it is taken away: an error of 2⁻²⁴ |mean| / σ in x̂, which the gradient at x
        // divides by σ again and every sum over n rows may collect n times. σ is near 1, and above ¼ from 8 rows on.
        let unit = 16.0 * 2f64.powi(-24) * (offset.abs() + 8.0);
        let bounds = [unit, unit, unit * (b * h) as f64, unit * (b * h) as f64];
        let answer = |which: usize| {
            let (x, gamma, beta) = (x.leaf(), gamma.leaf(), beta.leaf());
            let y = x.batch_norm(&gamma, &beta, eps, NormStats::Batch)?;
            let grads = vjp(&[(&y, &u)], &[&x, &gamma, &beta], Order::First)?;
            Ok([y].into_iter().chain(grads).nth(which).expect("four answers"))
        };
        for (which, (want, bound)) in want.iter().zip(bounds).enumerate() {
            for (mode, got) in both(|| answer(which)) {
                assert_close(&format!("{mode}, {which}"), &got, want, bound);
            }
        }
    }

    /// Layer normalisation and softmax, values and gradients, with more rows than a block of the kernel. Oracle: stock
    /// operations in `f64`.
    #[test]
    fn rows_are_those_of_stock_operations(m in 1usize..3, b in 1usize..300, c in 1usize..40, shared: bool, seed: u64) {
        let (x, u) = (input(&[m, b, c], seed), input(&[m, b, c], seed / 3));
        let tasks = if shared { 1 } else { m };
        let (gamma, beta) = (input(&[tasks, c], seed / 9), input(&[tasks, c], seed / 27));
        let answers = |dtype: DType| -> Result<Vec<Tensor>> {
            let of = |t: &Tensor| Ok::<_, rekindle_autodiff::Error>(t.to_dtype(dtype)?.detach().leaf());
            let (x, u, gamma, beta) = (of(&x)?, of(&u)?, of(&gamma)?, of(&beta)?);
            let (norm, soft) = (x.layer_norm(&gamma, &beta, 0.1)?, x.softmax()?);
            let mut all = vjp(&[(&norm, &u)], &[&x, &gamma, &beta], Order::First)?;
            all.extend(vjp(&[(&soft, &u)], &[&x], Order::First)?);
            all.extend([norm, soft]);
            all.iter().map(|t| t.to_dtype(DType::F64)).collect()
        };
        let direct = [answers(DType::F32)?, answers(DType::F64)?];
        let scope = ComposedScope::new();
        let want = answers(DType::F64)?;
        drop(scope);
        for (got, tolerance) in direct.iter().zip([2e-5, 1e-12]) {
            for (which, (got, want)) in got.iter().zip(&want).enumerate() {
                assert_close(&format!("answer {which}"), got, want, tolerance);
            }
        }
    }

    #[test]
    fn adam_is_the_loop(n in 0usize..50, t in 1i32..100, seed: u64) {
        let (g, m, v) = (input(&[n], seed), input(&[n], seed / 3), f32s(&uniform(&[n], &mut rng(seed)).sqr()?));
        let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
        let step = AdamStep { beta1, beta2, eps, correction1: 1.0 - beta1.powi(t), correction2: 1.0 - beta2.powi(t), factor: -0.1 };
        let (gv, mv, vv) = (g.to_vec_f64()?, m.to_vec_f64()?, v.to_vec_f64()?);
        let mut want = [vec![0.0; n], vec![0.0; n], vec![0.0; n]];
        for i in 0..n {
            want[0][i] = beta1 * mv[i] + (1.0 - beta1) * gv[i];
            want[1][i] = beta2 * vv[i] + (1.0 - beta2) * gv[i] * gv[i];
            want[2][i] = want[0][i] / step.correction1 / ((want[1][i] / step.correction2).sqrt() + eps) * step.factor;
        }
        for which in 0..3 {
            let want = Tensor::from_vec(want[which].clone(), n)?;
            for (mode, got) in both(|| Ok(Tensor::new(adam(g.value(), m.value(), v.value(), step)?[which].clone()))) {
                // ε for each of about ten operations; the first moment may cancel, relative to sizes up to 1.
                let size = want.value().abs()?.max_all().and_then(|v| v.to_scalar::<f64>()).unwrap_or(0.0).max(1.0);
                let scaled = |t: &Tensor| t.to_dtype(DType::F64)?.scale(1.0 / size);
                assert_close(&format!("{mode}, {which}"), &scaled(&got)?, &scaled(&want)?, 1e-6);
            }
        }
    }
}

fn grid(n: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let total = n.iter().product::<usize>();
    (0..total).map(move |i| (i / n[3] / n[2] / n[1], i / n[3] / n[2] % n[1], i / n[3] % n[2], i % n[3]))
}

/// Batch normalisation by its definition: value, and the gradients at x, gamma and beta (Ioffe & Szegedy 2015, §3).
fn norm_loop(x: &Tensor, gamma: &Tensor, beta: &Tensor, u: &Tensor, eps: f64) -> Result<[Tensor; 4]> {
    let (&[m, b, h, c], n) = (x.dims(), (x.dims()[1] * x.dims()[2]) as f64) else { unreachable!("four axes") };
    let (xv, gv, bv, uv) = (x.to_vec_f64()?, gamma.to_vec_f64()?, beta.to_vec_f64()?, u.to_vec_f64()?);
    let (mut y, mut dx) = (vec![0.0; xv.len()], vec![0.0; xv.len()]);
    let (mut dgamma, mut dbeta) = (vec![0.0; m * c], vec![0.0; m * c]);
    for (t, ch) in (0..m).flat_map(|t| (0..c).map(move |ch| (t, ch))) {
        let rows: Vec<usize> = (0..b * h).map(|r| (t * b * h + r) * c + ch).collect();
        let mean = rows.iter().map(|&i| xv[i]).sum::<f64>() / n;
        let var = rows.iter().map(|&i| (xv[i] - mean).powi(2)).sum::<f64>() / n;
        let s = 1.0 / (var + eps).sqrt();
        let hat = |i: usize| (xv[i] - mean) * s;
        let (at, su) = (t * c + ch, rows.iter().map(|&i| uv[i]).sum::<f64>());
        let sux = rows.iter().map(|&i| uv[i] * hat(i)).sum::<f64>();
        (dgamma[at], dbeta[at]) = (sux, su);
        for &i in &rows {
            y[i] = gv[at] * hat(i) + bv[at];
            dx[i] = gv[at] * s * (uv[i] - su / n - hat(i) * sux / n);
        }
    }
    let tensor = |v: Vec<f64>, like: &Tensor| Tensor::from_vec(v, like.shape());
    Ok([tensor(y, x)?, tensor(dx, x)?, tensor(dgamma, gamma)?, tensor(dbeta, beta)?])
}

/// Heads of an attention with one example a task, `[M, 1, T, heads, D]` with T and the heads exchanged: tasks and heads do not
/// follow each other in memory, and the axis of size 1 between them must not hide that. Oracle: packed operands.
#[test]
fn an_axis_of_size_one_does_not_join_its_neighbours() -> Result<()> {
    let split = |seed| f32s(&uniform(&[3, 1, 5, 2, 4], &mut rng(seed))).transpose(2, 3);
    let (q, k) = (split(1)?, split(2)?);
    let (packed_q, packed_k) = (q.contiguous()?, k.contiguous()?);
    let expected = packed_q.product(Transpose::No, &packed_k, Transpose::Yes)?.to_vec_f64()?;
    for (mode, y) in both(|| q.product(Transpose::No, &k, Transpose::Yes)) {
        let close = |(a, b): (f64, &f64)| (a - b).abs() < 1e-6;
        assert!(y.to_vec_f64()?.into_iter().zip(&expected).all(close), "{mode}");
    }
    Ok(())
}

/// One example has no spread: what is left is β, and no gradient comes back to the example.
#[test]
fn batch_norm_of_one_row_is_its_beta() -> Result<()> {
    let (x, gamma, beta) = (input(&[2, 1, 3], 0).leaf(), input(&[2, 3], 3), input(&[2, 3], 6));
    for (mode, y) in both(|| x.batch_norm(&gamma, &beta, 1e-5, NormStats::Batch)) {
        assert_eq!(y.to_vec_f64()?, beta.to_vec_f64()?, "{mode}");
        assert_eq!(vjp(&[(&y, &input(&[2, 1, 3], 9))], &[&x], Order::First)?[0].to_vec_f64()?, [0.0; 6], "{mode}");
    }
    Ok(())
}

#[test]
fn batch_norm_of_no_rows_is_refused() {
    let (x, c) = (input(&[2, 0, 3], 0), input(&[2, 3], 3));
    let error = x.batch_norm(&c, &c, 1e-5, NormStats::Batch).expect_err("nothing has no mean");
    assert!(error.to_string().contains("no examples"), "{error}");
}

#[test]
fn long_sums_keep_their_digits() -> Result<()> {
    // A plain running sum of 10⁶ values near 0.1 in f32 is off by about 1 %.
    let x = Tensor::new(Value::full(0.1f32, (1_000_000, 3), &candle_core::Device::Cpu)?);
    for (what, y) in [("columns", x.sum(&[0])?), ("rows", x.transpose(0, 1)?.contiguous()?.sum(&[1])?)] {
        for got in y.to_vec_f64()? {
            assert!((got - 1e5).abs() < 10.0, "{what}: {got}");
        }
    }
    Ok(())
}

#[test]
fn a_nan_is_never_swallowed() -> Result<()> {
    let nan = |dims: &[usize], at: usize| -> Result<Tensor> {
        let mut data = uniform(dims, &mut rng(1)).to_vec_f64()?;
        data[at] = f64::NAN;
        Ok(f32s(&Tensor::from_vec(data, dims)?))
    };
    let nans = |t: &Tensor| t.to_vec_f64().expect("on the host").iter().filter(|v| v.is_nan()).count();
    for at in 0..4 {
        // Wherever it stands in its window, its row or its vector lane.
        let image = nan(&[1, 1, 2, 2, 1], at)?;
        let row = nan(&[1, 4], at)?;
        let long = nan(&[40, 3], at * 31)?;
        type Op = fn(&Tensor) -> Result<Tensor>;
        let checks: [(&str, &Tensor, Op); 7] = [
            ("relu", &row, Tensor::relu),
            ("max_pool2d", &image, |x| x.max_pool2d(2, 2)),
            ("max_pool2d overlapping", &image, |x| x.max_pool2d(2, 1)),
            ("sum rows", &row, |x| x.sum(&[1])),
            ("sum columns", &long, |x| x.sum(&[0])),
            ("log_softmax", &row, |x| x.log_softmax()?.sum(&[1])),
            ("clamp", &row, |x| x.clamp(-0.5, 0.5)),
        ];
        for (what, x, f) in checks {
            for (mode, y) in both(|| f(x)) {
                assert_eq!(nans(&y), 1, "{what}, {mode}, at {at}: {:?}", y.to_vec_f64()?);
            }
        }
        let step = AdamStep { beta1: 0.9, beta2: 0.999, eps: 1e-8, correction1: 0.1, correction2: 0.001, factor: 1.0 };
        let zeros = row.zeros_like()?;
        for which in 0..3 {
            let of = |g: &Tensor| Ok(Tensor::new(adam(g.value(), zeros.value(), zeros.value(), step)?[which].clone()));
            for (mode, y) in both(|| of(&row)) {
                assert_eq!(nans(&y), 1, "adam, {mode}, {which}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_infinity_beside_the_winner_does_not_become_a_nan() -> Result<()> {
    let x = Tensor::from_vec(vec![f32::NEG_INFINITY, 1., 2., f32::NEG_INFINITY], (1, 1, 2, 2, 1))?;
    for (mode, y) in both(|| x.max_pool2d(2, 2)) {
        assert_eq!(y.to_vec_f64()?, [2.0], "{mode}");
    }
    Ok(())
}

#[test]
fn moments_that_fade_become_zero_and_not_denormal() -> Result<()> {
    let tiny = Tensor::from_vec(vec![1e-38f32, -1e-38], 2)?;
    let zeros = tiny.zeros_like()?;
    let step = AdamStep { beta1: 0.9, beta2: 0.999, eps: 1e-8, correction1: 0.1, correction2: 0.001, factor: 1.0 };
    let [m, v, u] = adam(zeros.value(), tiny.value(), zeros.value(), step)?;
    for t in [m, v, u] {
        assert_eq!(packed(&Tensor::new(t)).to_vec_f64()?, [0.0, 0.0]);
    }
    Ok(())
}
