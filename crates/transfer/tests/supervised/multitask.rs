//! Several tasks learned together.

use candle_core::{DType, Device};
use rekindle_autodiff::{Check, NormStats, Order, Params, Tensor, check_gradients};
use rekindle_meta::Loss;
use rekindle_nn::Model;
use rekindle_optim::{Adam, Select};
use rekindle_transfer::{
    Conditioned, Error, Fit, FitConfig, Freezing, GradNorm, GradNormConfig, Heads, UncertaintyWeights, gradient_norms,
    score,
};

use super::{Result, bits, close, init, normal, quadrants, rng, smooth};

fn heads() -> Result<Heads<rekindle_nn::Mlp>> {
    Ok(Heads::new(smooth(&[2, 6, 5]), 5, &[("a", 4), ("b", 3)])?)
}

/// Each head against the product by hand, on the trunk's features.
#[test]
fn heads_are_linear_in_the_trunks_features() -> Result<()> {
    let net = heads()?;
    let params = net.init(&mut rng(0), DType::F64, &Device::Cpu)?;
    let x = normal(&[1, 7, 2], 1);
    let h = smooth(&[2, 6, 5]).forward(&params.sub_params("trunk")?, &x, NormStats::Batch)?;
    let all = net.all(&params, &x, NormStats::Batch)?;
    for (output, name) in all.iter().zip(["a", "b"]) {
        let bias = params.get(&format!("heads.{name}.bias"))?.unsqueeze(1)?;
        let by_hand = h.matmul(params.get(&format!("heads.{name}.weight"))?)?.add(&bias)?.to_vec_f64()?;
        assert!(close(&output.to_vec_f64()?, &by_hand, 1e-12));
        let one = net.one(name)?.forward(&params, &x, NormStats::Batch)?;
        assert_eq!(one.to_vec_f64()?, output.to_vec_f64()?);
    }
    assert!(matches!(net.one("c"), Err(Error::Setting { .. })));
    for bad in [&[][..], &[("a", 2), ("a", 3)][..], &[("a.b", 2)][..]] {
        assert!(matches!(Heads::new(smooth(&[2, 5]), 5, bad), Err(Error::Setting { .. })));
    }
    Ok(())
}

/// The trunk and one head with the trainer; the other head stays to the bit.
#[test]
fn one_head_is_trained_alone() -> Result<()> {
    let net = heads()?;
    let start = net.init(&mut rng(0), DType::F32, &Device::Cpu)?;
    let freezing = Freezing::Always(Select::prefix(["heads.b"]));
    let config = FitConfig { epochs: 30, freezing, ..FitConfig::default() };
    let (model, data) = (net.one("a")?, quadrants(1, 200, 1, DType::F32));
    let tuned = Fit { model: &model, optimiser: &Adam::new(0.02), config: &config }.train(&start, &data)?;
    assert!(score(&model, &tuned, &data, config.loss)?[0] > 0.85);
    let same = bits(&start).into_iter().zip(bits(&tuned)).filter(|(a, b)| a == b).map(|(a, _)| a.0);
    assert_eq!(same.collect::<Vec<_>>(), ["heads.b.weight", "heads.b.bias"]);
    Ok(())
}

/// Against rows that are put together by hand, for features and for images, two tasks with contexts of their own.
#[test]
fn the_context_stands_after_every_examples_features() -> Result<()> {
    let (x, context) = (normal(&[2, 3, 2], 1), normal(&[2, 1], 2));
    let (xs, c) = (x.to_vec_f64()?, context.to_vec_f64()?);
    let rows: Vec<f64> = xs.chunks(2).enumerate().flat_map(|(i, row)| [row[0], row[1], c[i / 3]]).collect();
    let model = smooth(&[3, 4]);
    let params = init(&model, 0, DType::F64);
    let by_hand = model.forward(&params, &Tensor::from_vec(rows, (2, 3, 3))?, NormStats::Batch)?;
    let net = Conditioned::new(model);
    assert_eq!(net.forward(&params, &x, &context)?.to_vec_f64()?, by_hand.to_vec_f64()?);

    let images = Conditioned::new(smooth(&[2 * 2 * 3, 4]));
    let params = images.init(&mut rng(0), DType::F64, &Device::Cpu)?;
    assert_eq!(images.forward(&params, &normal(&[2, 3, 2, 2, 2], 1), &context)?.dims(), [2, 3, 4]);
    let wrong = images.forward(&params, &x, &normal(&[3, 1], 2));
    assert!(matches!(wrong, Err(Error::Shape { .. })));
    Ok(())
}

/// The optimum of `c e^{−s} L + s/2` is at `e^s = 2 c L`; and finite differences by s and by the losses.
#[test]
fn uncertainties_settle_where_the_equation_says() -> Result<()> {
    let weights = UncertaintyWeights::new(vec![Loss::MeanSquaredError, Loss::CrossEntropy])?;
    let losses = [Tensor::from_vec(vec![3f64], 1)?, Tensor::from_vec(vec![0.25f64], 1)?];
    let mut params = weights.init(DType::F64, &Device::Cpu)?;
    for _ in 0..500 {
        let leaf = params.leaf();
        let total = weights.total(&leaf, &losses)?.sum_all()?;
        params = params.add_scaled(&leaf.grad(&total, Order::First)?, -0.2)?;
    }
    let s = params.get("log_variance")?.to_vec_f64()?;
    assert!((s[0] - 3f64.ln()).abs() < 1e-6 && (s[1] - 0.5f64.ln()).abs() < 1e-6, "{s:?}");

    let f = |t: &[Tensor]| {
        let params = Params::new([("log_variance".to_owned(), t[0].clone())])?;
        Ok(weights.total(&params, &t[1..]).expect("the shapes fit"))
    };
    let point = Tensor::from_vec(vec![0.3f64, -0.4], (1, 2))?;
    check_gradients(f, &[point, losses[0].clone(), losses[1].clone()], Check::default())?;
    assert!(weights.total(&params, &losses[..1]).is_err() && UncertaintyWeights::new(vec![]).is_err());
    Ok(())
}

/// One step by hand with α = 1: losses halved and unchanged give ratios 2/3 and 4/3; w ‖∇L‖ = 2 and 6 have the mean 4, the
/// targets are 8/3 and 16/3, so the first weight rises by η·2/4 and the second falls by η·6/4.
#[test]
fn a_step_of_grad_norm_by_hand() -> Result<()> {
    let config = GradNormConfig { alpha: 1.0, rate: 0.1, ..GradNormConfig::default() };
    let first = GradNorm::new(2, config)?.step(&[1.0, 1.0], &[1.0, 1.0])?;
    assert_eq!(first.weights(), [1.0, 1.0]);
    let second = first.step(&[0.5, 1.0], &[2.0, 6.0])?;
    let (a, b) = (1.0 + 0.1 * 0.5, 1.0 - 0.1 * 1.5);
    assert!(close(second.weights(), &[2.0 * a / (a + b), 2.0 * b / (a + b)], 1e-12), "{:?}", second.weights());
    let total = second.total(&[Tensor::from_vec(vec![1f64], 1)?, Tensor::from_vec(vec![10f64], 1)?])?;
    assert!(close(&total.to_vec_f64()?, &[(2.0 * a + 20.0 * b) / (a + b)], 1e-12));
    assert!(second.step(&[0.5, 0.0], &[1.0, 1.0]).is_err() && second.step(&[0.5], &[1.0, 1.0]).is_err());
    assert!(GradNorm::new(0, config).is_err());
    assert!(GradNorm::new(2, GradNormConfig { rate: 0.0, ..config }).is_err());
    assert!(GradNorm::new(2, GradNormConfig { alpha: -1.0, ..config }).is_err());
    assert!(GradNorm::new(2, GradNormConfig { floor: 1.0, ..config }).is_err());
    Ok(())
}

/// The slope of a weight that `step` uses, against finite differences of `|w ‖∇L‖ − target|` with the target held, and the
/// norms against those of gradients by hand: `‖∇ ½c‖W‖²‖ = c‖W‖`.
#[test]
fn gradient_norms_are_those_of_the_shared_weights() -> Result<()> {
    let w = normal(&[1, 3, 2], 1).leaf();
    let norm = w.sqr()?.sum_all()?.to_f64()?.sqrt();
    let losses = [1.0, 7.0].map(|c| w.sqr().and_then(|s| s.sum_all()).and_then(|s| s.scale(0.5 * c)?.reshape(1)));
    let losses = losses.into_iter().collect::<rekindle_autodiff::Result<Vec<_>>>()?;
    assert!(close(&gradient_norms(&losses, &[&w])?, &[norm, 7.0 * norm], 1e-12));
    Ok(())
}

/// Two objectives whose gradients differ by a factor of ten: with α = 0 the weights end where both are equally long, at
/// 20/11 and 2/11.
#[test]
fn grad_norm_balances_the_gradients() -> Result<()> {
    let mut balance = GradNorm::new(2, GradNormConfig { alpha: 0.0, rate: 0.01, ..GradNormConfig::default() })?;
    for _ in 0..1000 {
        balance = balance.step(&[1.0, 1.0], &[1.0, 10.0])?;
    }
    let w = balance.weights();
    assert!((w[0] - 20.0 / 11.0).abs() < 0.03 && (w[1] - 2.0 / 11.0).abs() < 0.03, "{w:?}");
    Ok(())
}
