//! The fused block of a convolutional net, in `f32`, against its four operations in `f64`, at every order.

use candle_core::DType;
use rekindle_autodiff::{ComposedScope, ConvBlock, NormStats, Order, Result, Tensor, partial_vjp, vjp};

use crate::support::{f32s, packed, repeated, rng, spread, strided, uniform, windowed};

const BLOCK: ConvBlock = ConvBlock { stride: 1, padding: 1, eps: 1e-2, stats: NormStats::Batch, pool: true };

/// Images, weights, γ and β as `f32` values, γ of both signs.
fn inputs(x: [usize; 5], outputs: usize, shared: [bool; 4], seed: u64) -> [Tensor; 4] {
    let ([tasks, .., channels], mut rng) = (x, rng(seed));
    let of = |shared: bool| if shared { 1 } else { tasks };
    let mut draw = |dims: &[usize]| f32s(&uniform(dims, &mut rng));
    let images = draw(&[&[of(shared[0])], &x[1..]].concat());
    let weights = draw(&[of(shared[1]), 3, 3, channels, outputs]);
    [images, weights, draw(&[of(shared[2]), outputs]), draw(&[of(shared[3]), outputs])]
}

fn apply(x: &[Tensor], block: ConvBlock) -> Result<Tensor> {
    x[0].conv_block(&x[1], &x[2], &x[3], block)
}

/// Value and gradients of the first order, then those of `⟨∇, v⟩` order after order, with fixed seeds.
fn derivatives(xs: &[Tensor], block: ConvBlock, orders: usize) -> Result<Vec<Vec<Tensor>>> {
    let xs: Vec<Tensor> = xs.iter().map(Tensor::leaf).collect();
    let targets: Vec<&Tensor> = xs.iter().collect();
    let y = apply(&xs, block)?;
    let seed = |like: &Tensor, k: usize| spread(like.dims(), 40 + k as u64).to_dtype(like.dtype());
    let first = vjp(&[(&y, &seed(&y, 0)?)], &targets, Order::First)?;
    let mut all = vec![[y.clone()].into_iter().chain(first).collect()];
    let mut below = vec![y];
    for order in 1..=orders {
        let seeds: Vec<Tensor> = below.iter().enumerate().map(|(k, g)| seed(g, k)).collect::<Result<_>>()?;
        let pairs: Vec<_> = below.iter().zip(&seeds).collect();
        let last = if order == orders { Order::First } else { Order::Higher };
        let grads = partial_vjp(&pairs, &targets, last)?;
        below = grads.into_iter().zip(&xs).map(|(g, x)| g.map_or_else(|| x.zeros_like(), Ok)).collect::<Result<_>>()?;
        all.push(below.clone());
    }
    Ok(all)
}

/// Within a share of the largest element.
#[track_caller]
fn assert_near(what: &str, found: &Tensor, want: &Tensor, share: f64) {
    assert_eq!(found.shape(), want.shape(), "{what}");
    let (found, want) = (found.to_vec_f64().unwrap(), want.to_vec_f64().unwrap());
    let largest = want.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
    for (i, (found, want)) in found.iter().zip(&want).enumerate() {
        assert!((found - want).abs() <= share * largest, "{what}: {found} for {want} at {i}, largest {largest}");
    }
}

fn assert_agrees(what: &str, xs: &[Tensor; 4], block: ConvBlock, orders: usize) -> Result<()> {
    let wide: Vec<Tensor> = xs.iter().map(|x| x.to_dtype(DType::F64)).collect::<Result<_>>()?;
    let want = derivatives(&wide, block, orders)?;
    let fused = derivatives(xs, block, orders)?;
    let _scope = ComposedScope::new();
    let composed = derivatives(xs, block, orders)?;
    for (mode, found) in [("fused", fused), ("composed", composed)] {
        for (order, (found, want)) in found.iter().zip(&want).enumerate() {
            // Each order divides by the deviation, and multiplies the conditions, once more.
            let share = 2f64.powi(-14 + 2 * i32::try_from(order).expect("a small number"));
            for (k, (found, want)) in found.iter().zip(want).enumerate() {
                assert_near(&format!("{what}, {mode}, order {order}, {k}"), found, want, share);
            }
        }
    }
    Ok(())
}

#[test]
fn every_order_agrees_with_the_composite_in_f64() -> Result<()> {
    let own = [false; 4];
    assert_agrees("pooled", &inputs([2, 3, 6, 4, 2], 3, own, 1), BLOCK, 3)?;
    assert_agrees("odd sizes", &inputs([1, 4, 7, 5, 1], 5, own, 2), BLOCK, 3)?;
    assert_agrees("not pooled", &inputs([2, 3, 5, 4, 3], 2, own, 3), ConvBlock { pool: false, ..BLOCK }, 3)?;
    assert_agrees("stride 2", &inputs([1, 4, 7, 6, 2], 4, own, 4), ConvBlock { stride: 2, pool: false, ..BLOCK }, 3)?;
    assert_agrees("stride 2, pooled", &inputs([1, 4, 9, 8, 2], 4, own, 5), ConvBlock { stride: 2, ..BLOCK }, 2)?;
    // Many channels and pixels: Winograd's form of the convolution.
    assert_agrees("wide", &inputs([1, 4, 8, 7, 33], 34, own, 6), BLOCK, 2)
}

#[test]
fn what_tasks_share_gets_the_sum_of_their_gradients() -> Result<()> {
    for (seed, shared) in
        [[true, false, false, false], [false, true, true, true], [true, true, false, true]].iter().enumerate()
    {
        assert_agrees("shared", &inputs([3, 2, 5, 6, 2], 3, *shared, 10 + seed as u64), BLOCK, 2)?;
    }
    Ok(())
}

#[test]
fn statistics_of_the_first_rows_and_other_kernels_run_on_the_composite() -> Result<()> {
    let xs = inputs([2, 4, 6, 6, 2], 3, [false; 4], 20);
    assert_agrees("first rows", &xs, ConvBlock { stats: NormStats::FirstRows(2), ..BLOCK }, 2)?;
    assert_agrees("no padding", &xs, ConvBlock { padding: 0, ..BLOCK }, 2)
}

fn bits(t: &Tensor) -> Vec<u64> {
    t.to_vec_f64().unwrap().iter().map(|v| v.to_bits()).collect()
}

#[test]
fn bits_depend_neither_on_the_layout_nor_on_the_other_tasks() -> Result<()> {
    let xs = inputs([3, 4, 8, 7, 33], 34, [false; 4], 30);
    let want = derivatives(&xs, BLOCK, 2)?;
    let same = |what: &str, xs: &[Tensor], of: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<()> {
        for (found, want) in derivatives(xs, BLOCK, 2)?[0].iter().zip(&want[0]) {
            assert_eq!(bits(found), bits(&of(want)?), "{what}");
        }
        Ok(())
    };
    same("strided", &xs.each_ref().map(strided), &|t| Ok(t.clone()))?;
    for (task, seed) in (0..3).zip([0, 1, 2]) {
        let alone = xs.iter().map(|x| x.narrow(0, task, 1)).collect::<Result<Vec<_>>>()?;
        let y = apply(&alone, BLOCK)?;
        assert_eq!(bits(&y), bits(&want[0][0].narrow(0, task, 1)?), "task {seed} alone");
    }
    same("windowed", &xs.each_ref().map(windowed), &|t| Ok(t.clone()))?;
    let views = xs.each_ref().map(|x| repeated(x, 0));
    let copies = views.each_ref().map(packed);
    for (a, b) in derivatives(&views, BLOCK, 2)?.iter().flatten().zip(derivatives(&copies, BLOCK, 2)?.iter().flatten())
    {
        assert_eq!(bits(a), bits(b), "repeated without a copy");
    }
    Ok(())
}

#[test]
fn convolutions_have_the_same_bits_for_every_number_of_tasks() -> Result<()> {
    // 28 tiles a task: too few for Winograd's form, though those of all tasks together would be enough.
    let [x, w, ..] = inputs([6, 1, 14, 8, 40], 40, [false, true, true, true], 31);
    let u = f32s(&uniform(&[6, 1, 14, 8, 40], &mut rng(32)));
    let answer = |x: &Tensor, u: &Tensor| -> Result<[Tensor; 2]> {
        let x = x.leaf();
        let y = x.conv2d(&w, 1, 1)?;
        let dx = vjp(&[(&y, u)], &[&x], Order::First)?.remove(0);
        Ok([y, dx])
    };
    let together = answer(&x, &u)?;
    for task in 0..6 {
        let alone = answer(&x.narrow(0, task, 1)?, &u.narrow(0, task, 1)?)?;
        for (together, alone) in together.iter().zip(&alone) {
            assert_eq!(bits(&together.narrow(0, task, 1)?), bits(alone), "task {task}");
        }
    }
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_refused() -> Result<()> {
    let [x, w, gamma, beta] = inputs([2, 3, 6, 6, 2], 3, [false; 4], 21);
    let three = |t: &Tensor| t.narrow(0, 0, 1).and_then(|t| t.broadcast_to([&[3], &t.dims()[1..]].concat()));
    assert!(x.conv_block(&w.narrow(3, 0, 1)?, &gamma, &beta, BLOCK).is_err());
    assert!(x.conv_block(&three(&w)?, &gamma, &beta, BLOCK).is_err());
    assert!(x.conv_block(&w, &three(&gamma)?, &beta, BLOCK).is_err());
    assert!(x.conv_block(&w, &gamma, &beta.narrow(1, 0, 2)?, BLOCK).is_err());
    assert!(x.conv_block(&w, &gamma, &beta, ConvBlock { stride: 0, ..BLOCK }).is_err());
    assert!(x.narrow(2, 0, 1)?.conv_block(&w, &gamma, &beta, BLOCK).is_err(), "one row has no window to pool");
    assert!(x.narrow(1, 0, 0)?.conv_block(&w, &gamma, &beta, BLOCK).is_err(), "no images, no statistics");
    Ok(())
}
