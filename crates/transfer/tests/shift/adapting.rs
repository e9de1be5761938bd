//! Networks on two domains.

use candle_core::{DType, Device, Tensor as Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Check, Order, Params, Tensor, check_gradients};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig, Norm};
use rekindle_optim::Adam;
use rekindle_tasks::Batch;
use rekindle_transfer::Error;
use rekindle_transfer::domain::{
    AdaptConfig, Alignment, DomainLosses, DomainNet, GaussianKernel, adapt, annealed_rate,
};

use crate::common::{Result, assert_close, gaussian, normal, task};

fn mlp(sizes: &[usize]) -> Result<Box<Mlp>> {
    let (weight, bias) = (Init::GlorotUniform, Init::Zeros);
    let config =
        MlpConfig { sizes: sizes.to_vec(), activation: Activation::Tanh, weight, bias, ..MlpConfig::default() };
    Ok(Box::new(Mlp::new(&config)?))
}

fn net(alignment: Alignment) -> Result<DomainNet> {
    Ok(DomainNet::new(mlp(&[2, 8, 4])?, mlp(&[4, 2])?, alignment)?)
}

fn dann() -> Result<DomainNet> {
    net(Alignment::Adversarial(mlp(&[4, 8, 1])?))
}

/// Three problems of five source and four target examples.
fn problems() -> Result<(Batch, Value)> {
    let labels = Value::from_vec((0..15).map(|i| i % 2).collect::<Vec<u32>>(), (3, 5), &Device::Cpu)?;
    Ok((Batch { x: normal(&[3, 5, 2], 1).into_value(), y: labels }, normal(&[3, 4, 2], 2).into_value()))
}

/// Every alignment: the losses of three problems at once, with parameters of their own, are those of each alone.
#[test]
fn problems_do_not_see_each_other() -> Result {
    let (source, target) = problems()?;
    let kernel = GaussianKernel::default();
    for net in [net(Alignment::None)?, dann()?, net(Alignment::Coral(0.7))?, net(Alignment::Mmd(0.7, kernel))?] {
        let shared = net.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
        let params = shared.map(|leaf| {
            let mut dims = leaf.dims().to_vec();
            dims[0] = 3;
            leaf.broadcast_to(dims.clone())?.add_scaled(&normal(&dims, 9), 0.1)
        })?;
        let together = net.losses(&params, &source, &target, 0.5)?.total()?.to_vec_f64()?;
        for (m, loss) in together.iter().enumerate() {
            let params = params.map(|leaf| Ok(task(leaf, m)))?;
            let alone = net.losses(&params, &source.narrow(m, 1)?, &target.narrow(0, m, 1)?, 0.5)?.total()?;
            assert_close(&[*loss], &alone.to_vec_f64()?, 1e-12);
        }
    }
    Ok(())
}

/// An encoder that normalises batches takes each domain's own statistics: what the target holds changes the alignment and
/// not the features of the source.
#[test]
fn each_domain_is_normalised_by_itself() -> Result {
    let (source, target) = problems()?;
    let config = MlpConfig { sizes: vec![2, 8, 4], norm: Norm::Batch { eps: 1e-8 }, ..MlpConfig::default() };
    let config = MlpConfig { weight: Init::GlorotUniform, ..config };
    let net = DomainNet::new(Box::new(Mlp::new(&config)?), mlp(&[4, 2])?, Alignment::Coral(1.0))?;
    let params = net.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
    let losses = |target: &Value| net.losses(&params, &source, target, 0.0);
    let (here, there) = (losses(&target)?, losses(&target.affine(3.0, 5.0)?)?);
    assert_eq!(here.label.to_vec_f64()?, there.label.to_vec_f64()?);
    // Shifted and stretched, it is normalised to the same features but for ε.
    let alignment = |losses: DomainLosses| losses.alignment.expect("CORAL aligns").to_vec_f64();
    assert_close(&alignment(here)?, &alignment(there)?, 1e-6);
    let other = losses(&target.sqr()?)?;
    assert!(alignment(other)?.iter().zip(alignment(losses(&target)?)?).all(|(a, b)| (a - b).abs() > 1e-3));
    Ok(())
}

/// With λ = −1 the reversal is the identity, so finite differences see the gradient `∇L_y + ∇L_d`. Any other λ is the same
/// two gradients, put together otherwise for the encoder and alike for the classifier of domains.
#[test]
fn the_encoder_ascends_where_the_domain_classifier_descends() -> Result {
    let (source, target) = problems()?;
    let net = dann()?;
    let params = net.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
    let loss = |params: &Params, lambda: f64| -> rekindle_autodiff::Result<Tensor> {
        let total = net.losses(params, &source, &target, lambda).and_then(|losses| losses.total());
        total.map_err(|error| panic!("{error}"))
    };
    let with = |leaves: &[Tensor]| loss(&params.with_leaves(leaves.to_vec())?, -1.0);
    check_gradients(with, params.leaves(), Check { order: 1, ..Check::default() })?;

    let gradient = |lambda: f64| -> Result<Params> {
        let leaves = params.leaf();
        Ok(leaves.grad(&loss(&leaves, lambda)?.sum_all()?, Order::First)?)
    };
    let (plain, label, reversed) = (gradient(-1.0)?, gradient(0.0)?, gradient(0.3)?);
    for (name, found) in reversed.iter() {
        let [plain, label] = [plain.get(name)?, label.get(name)?].map(|g| g.to_vec_f64());
        let together = |(both, label): (&f64, f64)| {
            if name.starts_with("encoder") { label - 0.3 * (both - label) } else { *both }
        };
        let expected: Vec<f64> = plain?.iter().zip(label?).map(together).collect();
        assert_close(&found.to_vec_f64()?, &expected, 1e-12);
    }
    Ok(())
}

/// Two classes told apart by a noisy first input everywhere, and by a clear second one in the source alone: in the target
/// that is always that of class 1.
fn misleading(rng: &mut ChaCha8Rng, n: usize, target: bool) -> Result<Batch> {
    let (mut x, mut y) = (Vec::with_capacity(2 * n), Vec::with_capacity(n));
    for _ in 0..n {
        let class = u32::from(rng.random::<bool>());
        let side = if class == 1 { 1.0 } else { -1.0 };
        let clear = if target { 1.0 } else { side };
        x.extend([side + 0.4 * gaussian(rng), 3.0 * clear + 0.3 * gaussian(rng)].map(|v| v as f32));
        y.push(class);
    }
    Ok(Batch { x: Value::from_vec(x, (1, n, 2), &Device::Cpu)?, y: Value::from_vec(y, (1, n), &Device::Cpu)? })
}

fn accuracy(net: &DomainNet, params: &Params, batch: &Batch) -> Result<f64> {
    let guesses = net.predict(params, &Tensor::new(batch.x.clone()))?.value().argmax(2)?;
    Ok(guesses.eq(&batch.y)?.to_dtype(DType::F64)?.mean_all()?.to_scalar()?)
}

/// From the labels of the source alone a network believes the clear input, which fails in the target; each alignment makes
/// it look at the other one. Bounds from seed 0: half by chance, and the noisy input alone is right in 99 %. DANN depends
/// on where it starts: with λ = 3 three seeds of three arrived, with smaller factors and larger rates not all.
#[test]
fn every_alignment_helps_where_the_source_misleads() -> Result {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let (source, target) = (misleading(&mut rng, 400, false)?, misleading(&mut rng, 400, true)?);
    let kernel = GaussianKernel { scales: vec![0.5, 1.0, 2.0], ..GaussianKernel::default() };
    let cases = [
        (net(Alignment::None)?, 600, 0.0..0.7),
        (net(Alignment::Adversarial(mlp(&[4, 16, 1])?))?, 1500, 0.9..1.01),
        (net(Alignment::Coral(10.0))?, 600, 0.9..1.01),
        (net(Alignment::Mmd(2.0, kernel))?, 600, 0.9..1.01),
    ];
    for (net, steps, bounds) in cases {
        let mut rng = rng.clone();
        let params = net.init(&mut rng, DType::F32, &Device::Cpu)?;
        let config = AdaptConfig { steps, batch: 64, lambda: 3.0, ..AdaptConfig::default() };
        let mut seen = 0;
        let optimiser = Adam::new(3e-3);
        let adapted = adapt(&net, &params, (&source, &target.x), &optimiser, &config, &mut rng, &mut |at| {
            seen = at.step;
            Ok(true)
        })?;
        assert_eq!(seen, steps);
        let found = accuracy(&net, &adapted, &target)?;
        assert!(bounds.contains(&found), "{net:?}: {found}");
    }
    Ok(())
}

/// The same seed gives the same bits, and training stops when it is told to.
#[test]
fn training_depends_on_its_seed_and_stops() -> Result {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (source, target) = (misleading(&mut rng, 30, false)?, misleading(&mut rng, 20, true)?);
    let net = dann()?;
    let params = net.init(&mut rng, DType::F32, &Device::Cpu)?;
    let config = AdaptConfig { steps: 9, batch: 16, ..AdaptConfig::default() };
    let optimiser = rekindle_optim::Momentum::new(annealed_rate(0.01, 9));
    let run = |seed: u64, last: u64| -> Result<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut seen = 0;
        let adapted = adapt(&net, &params, (&source, &target.x), &optimiser, &config, &mut rng, &mut |at| {
            seen = at.step;
            Ok(at.step < last)
        })?;
        assert_eq!(seen, last.min(9));
        Ok(adapted.leaves().iter().map(Tensor::to_vec_f64).collect::<Result<Vec<_>, _>>()?.concat())
    };
    assert_eq!(run(5, 100)?, run(5, 100)?);
    assert_ne!(run(5, 100)?, run(6, 100)?);
    assert_ne!(run(5, 100)?, run(5, 4)?);
    Ok(())
}

#[test]
fn what_cannot_be_adapted_is_refused() -> Result {
    let (source, target) = problems()?;
    let net = dann()?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let params = net.init(&mut rng, DType::F64, &Device::Cpu)?;
    let empty = target.narrow(1, 0, 0)?;
    assert!(matches!(net.losses(&params, &source, &empty, 1.0), Err(Error::Empty { what: "target domain" })));
    let config = AdaptConfig { steps: 1, batch: 4, ..AdaptConfig::default() };
    let mut go = |config: &AdaptConfig, target: &Value| {
        adapt(&net, &params, (&source, target), &Adam::default(), config, &mut rng, &mut |_| Ok(true))
    };
    assert!(matches!(go(&config, &empty), Err(Error::Empty { what: "target domain" })));
    // A NaN must not train on.
    let broken = target.affine(f64::NAN, 0.0)?;
    assert!(matches!(go(&config, &broken), Err(Error::NotFinite { .. })));
    for (name, bad) in [
        ("steps", AdaptConfig { steps: 0, ..config.clone() }),
        ("batch", AdaptConfig { batch: 3, ..config.clone() }),
        ("gamma", AdaptConfig { gamma: 0.0, ..config.clone() }),
        ("lambda", AdaptConfig { lambda: -1.0, ..config.clone() }),
    ] {
        assert!(matches!(go(&bad, &target), Err(Error::Setting { name: found, .. }) if found == name), "{name}");
    }
    let negative = DomainNet::new(mlp(&[2, 4])?, mlp(&[4, 2])?, Alignment::Coral(-1.0));
    assert!(matches!(negative, Err(Error::Setting { name: "weight", .. })));
    Ok(())
}
