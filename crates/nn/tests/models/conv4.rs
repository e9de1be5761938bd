//! The four-block convolutional net.

use candle_core::DType;
use rekindle_autodiff::{NormStats, Order, Params, Tensor, grad};
use rekindle_nn::{Conv4, Conv4Body, Conv4Config, Downsampling, Error, Model, Result};

use crate::common::{assert_close, assert_model, assert_parameter_gradients, fresh, per_task, random, rng};

fn config(downsampling: Downsampling, image: usize, in_channels: usize, channels: usize) -> Conv4Config {
    Conv4Config { downsampling, image: (image, image), in_channels, channels, ..Conv4Config::omniglot() }
}

/// Tiny nets; ε is large so that finite differences stay accurate with three examples in a batch. The images, by far the
/// most elements, are checked at first order only.
#[test]
fn tasks_are_independent_and_gradients_agree_with_finite_differences_to_second_order() -> Result<()> {
    for (downsampling, image) in [(Downsampling::Stride2, 5), (Downsampling::MaxPool, 16)] {
        for norm_eps in [None, Some(0.1)] {
            let net = Conv4::new(Conv4Config { norm_eps, ..config(downsampling, image, 1, 2) }, 2)?;
            let x = random(&mut rng(4), &[2, 3, image, image, 1]);
            assert_model(&net, &x, 1)?;
            assert_parameter_gradients(&|p, x| net.forward(p, x, NormStats::Batch), &fresh(&net, 1), &x, 2, 3)?;
        }
    }
    Ok(())
}

/// Oracle: the papers' order (convolution, normalisation, ReLU, then pooling) as scalar loops over one image batch.
#[test]
fn features_agree_with_scalar_loops_in_the_order_of_the_papers() -> Result<()> {
    let sizes =
        [(Downsampling::Stride2, (9, 6)), (Downsampling::MaxPool, (21, 16)), (Downsampling::MaxPoolTwice, (9, 12))];
    for (downsampling, (height, width)) in sizes {
        let config = Conv4Config { image: (height, width), ..config(downsampling, 16, 3, 4) };
        let body = Conv4Body::new(config)?;
        let params = per_task(&fresh(&body, 5), 1, &mut rng(6));
        let x = random(&mut rng(7), &[1, 3, height, width, 3]);
        let mut images = Images { b: 3, h: height, w: width, c: 3, data: x.to_vec_f64()? };
        for block in 1..=4 {
            let leaf = |name: &str| params.get(&format!("block{block}.{name}")).unwrap().to_vec_f64().unwrap();
            let stride = if downsampling == Downsampling::Stride2 { 2 } else { 1 };
            images = images.conv(&leaf("conv.weight"), 4, stride);
            images = images.norm_relu(&leaf("norm.gamma"), &leaf("norm.beta"), 1e-3);
            let pools = match downsampling {
                Downsampling::Stride2 => false,
                Downsampling::MaxPool => true,
                Downsampling::MaxPoolTwice => block <= 2,
            };
            if pools {
                images = images.pool();
            }
        }
        let expected = match downsampling {
            Downsampling::Stride2 => images.mean(),
            Downsampling::MaxPool | Downsampling::MaxPoolTwice => images.data,
        };
        let expected = Tensor::from_vec(expected, (1, 3, body.features()))?;
        assert_close(&body.forward(&params, &x, NormStats::Batch)?, &expected, 1e-11);
    }
    Ok(())
}

/// In `f32` a block is one operation; in `f64` it is four. Gradients are compared at first order and, through a step of
/// gradient descent that is recorded, at second.
#[test]
fn gradients_in_f32_agree_with_those_in_f64() -> Result<()> {
    for downsampling in [Downsampling::Stride2, Downsampling::MaxPool] {
        let net = Conv4::new(config(downsampling, 19, 2, 5), 3)?;
        let (params, x) = (per_task(&fresh(&net, 20), 2, &mut rng(21)), random(&mut rng(22), &[2, 4, 19, 19, 2]));
        // Adapted by one recorded step, and the gradient of what comes after it at where it started.
        let answer = |dtype: DType| -> Result<Vec<Tensor>> {
            let (leaves, x) = (params.map(|leaf| Ok(leaf.to_dtype(dtype)?.leaf()))?, x.to_dtype(dtype)?);
            let targets: Vec<&Tensor> = leaves.leaves().iter().collect();
            let loss = |params: &Params| Ok::<_, Error>(net.forward(params, &x, NormStats::Batch)?.sqr()?.mean_all()?);
            let first = grad(&loss(&leaves)?, &targets, Order::First)?;
            let steps = grad(&loss(&leaves)?, &targets, Order::Higher)?;
            let adapted = leaves.leaves().iter().zip(&steps).map(|(p, g)| p.add_scaled(g, -0.01));
            let adapted = leaves.with_leaves(adapted.collect::<Result<_, _>>()?)?;
            let second = grad(&loss(&adapted)?, &targets, Order::First)?;
            Ok(first.into_iter().chain(second).collect())
        };
        for (found, want) in answer(DType::F32)?.iter().zip(&answer(DType::F64)?) {
            let (found, want) = (found.to_vec_f64()?, want.to_vec_f64()?);
            let largest = want.iter().fold(1e-6, |a: f64, b| a.max(b.abs()));
            for (found, want) in found.iter().zip(&want) {
                assert!((found - want).abs() <= 2e-3 * largest, "{downsampling:?}: {found} for {want} of {largest}");
            }
        }
    }
    Ok(())
}

struct Images {
    b: usize,
    h: usize,
    w: usize,
    c: usize,
    data: Vec<f64>,
}

impl Images {
    fn at(&self, b: usize, y: usize, x: usize, c: usize) -> f64 {
        self.data[((b * self.h + y) * self.w + x) * self.c + c]
    }

    fn build(b: usize, h: usize, w: usize, c: usize, f: impl Fn(usize, usize, usize, usize) -> f64) -> Self {
        let mut data = Vec::new();
        for b in 0..b {
            for y in 0..h {
                for x in 0..w {
                    data.extend((0..c).map(|c| f(b, y, x, c)));
                }
            }
        }
        Self { b, h, w, c, data }
    }

    /// 3×3 with one row and column of zeros on every side.
    fn conv(&self, weight: &[f64], outputs: usize, stride: usize) -> Self {
        let (h, w) = ((self.h - 1) / stride + 1, (self.w - 1) / stride + 1);
        Self::build(self.b, h, w, outputs, |b, y, x, o| {
            let mut sum = 0.0;
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                let (row, column) = (y * stride + ky, x * stride + kx); // shifted by the padding
                if (1..=self.h).contains(&row) && (1..=self.w).contains(&column) {
                    let tap =
                        |c| self.at(b, row - 1, column - 1, c) * weight[((ky * 3 + kx) * self.c + c) * outputs + o];
                    sum += (0..self.c).map(tap).sum::<f64>();
                }
            }
            sum
        })
    }

    fn norm_relu(&self, gamma: &[f64], beta: &[f64], eps: f64) -> Self {
        let n = (self.b * self.h * self.w) as f64;
        let moments: Vec<(f64, f64)> = (0..self.c)
            .map(|c| {
                let channel = || self.data.iter().skip(c).step_by(self.c);
                let mean = channel().sum::<f64>() / n;
                (mean, channel().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
            })
            .collect();
        Self::build(self.b, self.h, self.w, self.c, |b, y, x, c| {
            let (mean, var) = moments[c];
            (gamma[c] * (self.at(b, y, x, c) - mean) / (var + eps).sqrt() + beta[c]).max(0.0)
        })
    }

    fn pool(&self) -> Self {
        Self::build(self.b, self.h / 2, self.w / 2, self.c, |b, y, x, c| {
            let at = |dy, dx| self.at(b, 2 * y + dy, 2 * x + dx, c);
            at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1))
        })
    }

    fn mean(&self) -> Vec<f64> {
        let n = (self.h * self.w) as f64;
        let pixels = |b, c| (0..self.h).flat_map(move |y| (0..self.w).map(move |x| self.at(b, y, x, c)));
        (0..self.b).flat_map(|b| (0..self.c).map(move |c| pixels(b, c).sum::<f64>() / n)).collect()
    }
}

/// Relation networks' body on Omniglot: 28 → 14 → 7, and stays there.
#[test]
fn two_blocks_that_pool_leave_a_grid() -> Result<()> {
    let config = body_config();
    assert_eq!((config.grid(), config.features()), ((7, 7), 196));
    let body = Conv4Body::new(config)?;
    let x = random(&mut rng(9), &[1, 2, 28, 28, 1]);
    assert_eq!(body.forward(&fresh(&body, 8), &x, NormStats::Batch)?.dims(), [1, 2, 196]);
    assert!(Conv4Body::new(Conv4Config { image: (3, 28), ..body_config() }).is_err());
    Ok(())
}

fn body_config() -> Conv4Config {
    config(Downsampling::MaxPoolTwice, 28, 1, 4)
}

/// Widths by hand: 28 → 14 → 7 → 3 → 1, 32 → … → 2, 84 → 42 → 21 → 10 → 5.
#[test]
fn shapes_for_the_image_sizes_of_the_benchmarks() -> Result<()> {
    for (image, grid) in [(28, 1), (32, 2), (84, 5)] {
        for in_channels in [1, 3] {
            for (downsampling, features) in [(Downsampling::MaxPool, grid * grid * 8), (Downsampling::Stride2, 8)] {
                let net = Conv4::new(config(downsampling, image, in_channels, 8), 5)?;
                let (params, x) = (fresh(&net, 8), random(&mut rng(9), &[1, 2, image, image, in_channels]));
                assert_eq!(net.embed(&params, &x, NormStats::Batch)?.dims(), [1, 2, features]);
                assert_eq!(net.body().features(), features);
                assert_eq!(net.forward(&params, &x, NormStats::Batch)?.dims(), [1, 2, 5]);
            }
        }
    }
    Ok(())
}

/// Counts by hand. With a bias in each convolution, which batch normalisation makes idle, the bodies have 4·C more:
/// 111,936 (grey, C = 64) and 113,088 (colour, C = 64), the figures that stand in the literature.
#[test]
fn parameter_counts() -> Result<()> {
    let count = |config, ways| -> Result<usize> { Ok(fresh(&Conv4::new(config, ways)?, 0).count()) };
    // 9·1·64 + 3·(9·64·64) + 4·(2·64), and a head of 64·5 + 5.
    let body = 576 + 110_592 + 512;
    assert_eq!(body, 111_936 - 4 * 64);
    assert_eq!(count(config(Downsampling::MaxPool, 28, 1, 64), 5)?, body + 325);
    assert_eq!(count(Conv4Config::omniglot(), 5)?, body + 325);
    // 9·3·64 + …, and a head of 5·5·64·5 + 5.
    let colour = 1_728 + 110_592 + 512;
    assert_eq!(colour, 113_088 - 4 * 64);
    assert_eq!(count(config(Downsampling::MaxPool, 84, 3, 64), 5)?, colour + 8_005);
    // MAML's miniImageNet net: 9·3·32 + 3·(9·32·32) + 4·(2·32), and a head of 5·5·32·5 + 5.
    assert_eq!(count(Conv4Config::mini_imagenet(), 5)?, 864 + 27_648 + 256 + 4_005);
    Ok(())
}

#[test]
fn without_normalisation_convolutions_have_biases() -> Result<()> {
    let net = Conv4::new(Conv4Config { norm_eps: None, ..config(Downsampling::MaxPool, 16, 1, 2) }, 3)?;
    let names: Vec<String> = fresh(&net, 0).names().map(str::to_owned).collect();
    assert_eq!(names[..4], ["block1.conv.weight", "block1.conv.bias", "block2.conv.weight", "block2.conv.bias"]);
    assert_eq!(names[8..], ["head.weight", "head.bias"]);
    Ok(())
}

/// The reason for leaving conv biases out under batch normalisation: a constant added to a channel changes nothing.
#[test]
fn batch_normalisation_takes_a_convolution_bias_away_again() -> Result<()> {
    let norm = rekindle_nn::BatchNorm::new("norm", 2, 1e-3)?;
    let leaf = |v: &[f64]| Tensor::from_vec(v.to_vec(), (1, 2));
    let params = Params::new([("norm.gamma".into(), leaf(&[0.5, 2.0])?), ("norm.beta".into(), leaf(&[1.0, -1.0])?)])?;
    let x = random(&mut rng(10), &[1, 5, 4, 4, 2]);
    for stats in [NormStats::Batch, NormStats::FirstRows(2)] {
        let shifted = norm.forward(&params, &x.add(&leaf(&[3.0, -7.0])?)?, stats)?;
        assert_close(&shifted, &norm.forward(&params, &x, stats)?, 1e-12);
    }
    Ok(())
}

#[test]
fn a_body_takes_the_parameters_of_the_classifier_and_the_head_is_known_by_name() -> Result<()> {
    let net = Conv4::new(config(Downsampling::MaxPool, 16, 1, 4), 3)?;
    let params = fresh(&net, 11);
    let (head, body) = params.partition(|name| net.is_head(name));
    assert_eq!(head.names().collect::<Vec<_>>(), ["head.weight", "head.bias"]);
    let x = random(&mut rng(12), &[2, 3, 16, 16, 1]);
    let features = net.body().forward(&body, &x, NormStats::Batch)?;
    assert_close(&net.classify(&head, &features)?, &net.forward(&params, &x, NormStats::Batch)?, 0.0);
    Ok(())
}

#[test]
fn images_that_do_not_survive_and_images_of_another_shape_are_refused() -> Result<()> {
    let error = Conv4::new(Conv4Config { image: (84, 15), ..Conv4Config::mini_imagenet() }, 5).unwrap_err();
    assert!(matches!(error, Error::ImageTooSmall { height: 84, width: 15 }), "{error}");
    assert!(Conv4::new(Conv4Config { image: (1, 1), ..Conv4Config::omniglot() }, 5).is_ok());
    assert!(matches!(Conv4::new(Conv4Config::omniglot(), 0), Err(Error::Config { field: "ways", .. })));
    let none = Conv4Config { channels: 0, ..Conv4Config::omniglot() };
    assert!(matches!(Conv4::new(none, 5), Err(Error::Config { .. })));

    let net = Conv4::new(Conv4Config::omniglot(), 5)?;
    let colour = random(&mut rng(13), &[1, 2, 28, 28, 3]);
    let error = net.forward(&fresh(&net, 0), &colour, NormStats::Batch).unwrap_err();
    assert!(error.to_string().contains("[1, 2, 28, 28, 3], expected [M, B, 28, 28, 1]"), "{error}");
    Ok(())
}
