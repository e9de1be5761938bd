//! Zero-shot methods: against slow loops, their own optimality, and finite differences.

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Check, Order, Params, Tensor, check_gradients, grad};
use rekindle_nn::{Activation, Init, Mlp, MlpConfig};
use rekindle_transfer::Error;
use rekindle_transfer::zero_shot::{
    Compatibility, Dap, DescriptionPrototypes, Descriptions, Eszsl, EszslConfig, Generalised, Ranking, RankingLoss,
    best_class, per_class_accuracy,
};

use crate::common::{Result, assert_close, normal, task};

fn mlp(sizes: &[usize]) -> Result<Box<Mlp>> {
    let (weight, bias) = (Init::GlorotUniform, Init::Normal { std: 0.1 });
    let config =
        MlpConfig { sizes: sizes.to_vec(), activation: Activation::Tanh, weight, bias, ..MlpConfig::default() };
    Ok(Box::new(Mlp::new(&config)?))
}

fn labels(list: &[u32], shape: (usize, usize)) -> Result<Value> {
    Ok(Value::from_vec(list.to_vec(), shape, &Device::Cpu)?)
}

fn binary() -> Result<Descriptions> {
    Ok(Descriptions::new(vec![vec![1., 0., 1.], vec![0., 1., 1.], vec![1., 1., 0.], vec![0., 0., 1.]])?)
}

fn on_tape(result: rekindle_transfer::Result<Tensor>) -> rekindle_autodiff::Result<Tensor> {
    result.map_err(|error| match error {
        Error::Autodiff(error) => error,
        other => panic!("{other}"),
    })
}

/// The gradient of what ESZSL minimises, `‖X V Sᵀ − Y‖² + γ ‖V Sᵀ‖² + λ ‖X V‖² + γλ ‖V‖²`, vanishes at its answer. Two
/// tasks at once are each alone.
#[test]
fn eszsl_is_where_its_objective_is_least() -> Result {
    let config = EszslConfig { gamma: 0.7, lambda: 0.2 };
    let (x, y, classes) = (normal(&[2, 6, 5], 1), labels(&[0, 1, 2, 0, 1, 3, 3, 2, 1, 0, 0, 1], (2, 6))?, binary()?);
    let model = Eszsl::fit(&x, &y, &classes, config)?;
    let v = model.form().leaf();
    let s = classes.tensor(DType::F64, &Device::Cpu)?;
    let square = |x: &Tensor| x.sqr()?.sum_all();
    let scores = x.matmul(&v)?.matmul(&s.transpose(1, 2)?)?;
    let signs = Tensor::one_hot(&y, &scores)?.affine(2.0, -1.0)?;
    let by_classes = square(&v.matmul(&s.transpose(1, 2)?)?)?.scale(config.gamma)?;
    let by_features = square(&x.matmul(&v)?)?.scale(config.lambda)?;
    let objective = square(&scores.sub(&signs)?)?.add(&by_classes)?.add(&by_features)?;
    let objective = objective.add(&square(&v)?.scale(config.gamma * config.lambda)?)?;
    let slope = grad(&objective, &[&v], Order::First)?.remove(0).to_vec_f64()?;
    assert!(slope.iter().all(|g| g.abs() < 1e-10), "{slope:?}");
    assert_close(&model.scores(&x, &classes)?.to_vec_f64()?, &scores.to_vec_f64()?, 1e-12);
    for m in 0..2 {
        let alone = Eszsl::fit(&task(&x, m), &y.narrow(0, m, 1)?, &classes, config)?;
        assert_eq!(alone.form().to_vec_f64()?, task(model.form(), m).to_vec_f64()?);
    }
    Ok(())
}

/// Against logarithms of probabilities, class by class and attribute by attribute; three of four classes have attribute 2.
#[test]
fn attribute_prediction_follows_bayes_rule() -> Result {
    let (classes, x) = (binary()?, normal(&[1, 5, 2], 3));
    let dap = Dap::new(mlp(&[2, 3])?, &classes)?;
    let params = dap.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
    let logits = dap.attributes(&params, &x)?.to_vec_f64()?;
    let prior = [0.5, 0.5, 0.75];
    let expected: Vec<f64> = logits
        .chunks(3)
        .flat_map(|z| {
            (0..4).map(|class| {
                let of = |a: usize| {
                    let (present, p) = (1.0 / (1.0 + (-z[a]).exp()), prior[a]);
                    let row = classes.of(class).expect("described");
                    if row[a] == 1.0 { (present / p).ln() } else { ((1.0 - present) / (1.0 - p)).ln() }
                };
                (0..3).map(of).sum::<f64>()
            })
        })
        .collect();
    assert_close(&dap.scores(&params, &x, &classes)?.to_vec_f64()?, &expected, 1e-12);
    Ok(())
}

/// Against loops over classes, written out from the formulas of the papers.
#[test]
fn ranking_losses_agree_with_loops() -> Result {
    let (scores, y) = (normal(&[2, 4, 6], 5), [0, 3, 5, 1, 2, 2, 4, 0u32]);
    let truth = labels(&y, (2, 4))?;
    let values = scores.to_vec_f64()?;
    for loss in [RankingLoss::DEVISE, RankingLoss::SJE, RankingLoss::ALE] {
        let each = |(i, row): (usize, &[f64])| {
            let own = y[i] as usize;
            let violations: Vec<f64> =
                (0..6).filter(|&c| c != own).map(|c| (loss.margin + row[c] - row[own]).max(0.0)).collect();
            let (sum, r) = (violations.iter().sum::<f64>(), violations.iter().filter(|v| **v > 0.0).count());
            match loss.ranking {
                Ranking::Sum => sum,
                Ranking::Worst => violations.iter().copied().fold(0.0, f64::max),
                Ranking::Weighted if r == 0 => 0.0,
                Ranking::Weighted => sum * (1..=r).map(|k| 1.0 / k as f64).sum::<f64>() / r as f64,
            }
        };
        let all: Vec<f64> = values.chunks(6).enumerate().map(each).collect();
        let expected: Vec<f64> = all.chunks(4).map(|task| task.iter().sum::<f64>() / 4.0).collect();
        assert_close(&loss.of(&scores, &truth)?.to_vec_f64()?, &expected, 1e-12);
        check_gradients(|s| on_tape(loss.of(&s[0], &truth)), std::slice::from_ref(&scores), Check::default())?;
    }
    Ok(())
}

/// Distances to prototypes of unit length, written out.
#[test]
fn descriptions_are_embedded_as_prototypes_of_unit_length() -> Result {
    let (classes, x) = (binary()?, normal(&[1, 3, 2], 3));
    let net = DescriptionPrototypes::new(mlp(&[2, 4])?, mlp(&[3, 4])?);
    let params = net.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
    let prototypes = net.prototypes(&params, &classes.tensor(DType::F64, &Device::Cpu)?)?.to_vec_f64()?;
    for v in prototypes.chunks(4) {
        assert!((v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
    }
    let weight = |name: &str| params.get(name)?.to_vec_f64();
    let (w, b) = (weight("image.fc1.weight")?, weight("image.fc1.bias")?);
    let embed = |x: &[f64]| -> Vec<f64> { (0..4).map(|o| b[o] + x[0] * w[o] + x[1] * w[4 + o]).collect() };
    let distance = |a: &[f64], b: &[f64]| -a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let expected: Vec<f64> = x
        .to_vec_f64()?
        .chunks(2)
        .flat_map(|x| prototypes.chunks(4).map(|v| distance(&embed(x), v)).collect::<Vec<_>>())
        .collect();
    assert_close(&net.scores(&params, &x, &classes)?.to_vec_f64()?, &expected, 1e-9);
    Ok(())
}

/// Finite differences in `f64`, through models and descriptions; two tasks with shared parameters.
#[test]
fn losses_on_descriptions_have_the_right_gradients() -> Result {
    let (classes, x, y) = (binary()?, normal(&[2, 4, 2], 3), labels(&[0, 1, 2, 3, 3, 3, 1, 0], (2, 4))?);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let check = |params: &Params, loss: &dyn Fn(&Params) -> rekindle_transfer::Result<Tensor>| -> Result {
        let of = |leaves: &[Tensor]| on_tape(loss(&params.with_leaves(leaves.to_vec())?));
        Ok(check_gradients(of, params.leaves(), Check::default())?)
    };
    let dap = Dap::new(mlp(&[2, 3])?, &classes)?;
    check(&dap.init(&mut rng, DType::F64, &Device::Cpu)?, &|p| dap.loss(p, &x, &y, &classes))?;
    let form = Compatibility::new(Some(mlp(&[2, 4])?), 4, 3, RankingLoss::SJE)?;
    check(&form.init(&mut rng, DType::F64, &Device::Cpu)?, &|p| form.loss(p, &x, &y, &classes))?;
    let net = DescriptionPrototypes::new(mlp(&[2, 4])?, mlp(&[3, 4])?);
    check(&net.init(&mut rng, DType::F64, &Device::Cpu)?, &|p| net.loss(p, &x, &y, &classes))
}

#[test]
fn accuracies_by_hand() -> Result {
    let scores = Tensor::from_vec(vec![0.1f64, 0.9, 0.5, 0.7, 0.2, 0.7], (1, 2, 3))?;
    assert_eq!(best_class(&scores, &[0, 1, 2])?, [1, 0]);
    assert_eq!(best_class(&scores, &[2, 0])?, [2, 2]); // of equals the first that was named
    // Class 1 does not occur, so two classes count: 1/3 and 1.
    assert!((per_class_accuracy(&[0, 1, 1, 2], &[0, 0, 0, 2])? - (1.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
    assert!((Generalised { seen: 0.8, unseen: 0.2 }.harmonic() - 0.32).abs() < 1e-12);
    assert_eq!(Generalised { seen: 0.0, unseen: 0.0 }.harmonic(), 0.0);
    Ok(())
}

/// (1, 0) and (3, 4) have the mean (2, 2); what is centred about it is (−1, −2) and (1, 2), and (3, −4) has the length 5.
#[test]
fn descriptions_are_centred_and_brought_to_unit_length() -> Result {
    let seen = Descriptions::new(vec![vec![1., 0.], vec![3., 4.]])?;
    let centred = seen.centred(&seen)?;
    assert_eq!((centred.of(0)?, centred.of(1)?), (&[-1., -2.][..], &[1., 2.][..]));
    let unit = Descriptions::new(vec![vec![3., -4.], vec![0., 0.]])?.normalised();
    assert_eq!((unit.of(0)?, unit.of(1)?), (&[0.6, -0.8][..], &[0., 0.][..]));
    Ok(())
}

#[test]
fn descriptions_that_do_not_fit_are_refused() -> Result {
    let uneven = Descriptions::new(vec![vec![1., 0.], vec![1.]]);
    assert!(matches!(uneven, Err(Error::DescriptionLength { class: 1, found: 1, expected: 2 })));
    let missing = Descriptions::new(vec![vec![1., 0.], vec![]]);
    assert!(matches!(missing, Err(Error::Undescribed { class: 1, described: 1 })));
    assert!(matches!(Descriptions::new(vec![]), Err(Error::Undescribed { .. })));
    assert!(Descriptions::new(vec![vec![f64::NAN]]).is_err());
    let classes = binary()?;
    assert!(matches!(classes.of(4), Err(Error::Undescribed { class: 4, described: 4 })));
    let other = Descriptions::new(vec![vec![1., 0.]])?;
    assert!(matches!(classes.centred(&other), Err(Error::Attributes { found: 2, expected: 3 })));
    assert!(matches!(classes.select(&[0, 9]), Err(Error::Undescribed { class: 9, .. })));

    let (x, stray) = (normal(&[1, 2, 2], 0), labels(&[0, 4], (1, 2))?);
    let undescribed = |result: rekindle_transfer::Result<Tensor>| {
        assert!(matches!(result, Err(Error::Undescribed { class: 4, described: 4 })));
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let wrong_length = |result: rekindle_transfer::Result<Tensor>| {
        assert!(matches!(result, Err(Error::Attributes { found: 2, expected: 3 })));
    };

    let dap = Dap::new(mlp(&[2, 3])?, &classes)?;
    let params = dap.init(&mut rng, DType::F64, &Device::Cpu)?;
    undescribed(dap.loss(&params, &x, &stray, &classes));
    wrong_length(dap.scores(&params, &x, &other));
    assert!(matches!(Dap::new(mlp(&[2, 1])?, &Descriptions::new(vec![vec![0.5]])?), Err(Error::Setting { .. })));

    let form = Compatibility::new(None, 2, 3, RankingLoss::ALE)?;
    let params = form.init(&mut rng, DType::F64, &Device::Cpu)?;
    undescribed(form.loss(&params, &x, &stray, &classes));
    wrong_length(form.scores(&params, &x, &other));

    let net = DescriptionPrototypes::new(mlp(&[2, 4])?, mlp(&[3, 4])?);
    let params = net.init(&mut rng, DType::F64, &Device::Cpu)?;
    undescribed(net.loss(&params, &x, &stray, &classes));
    assert!(net.scores(&params, &x, &other).is_err());

    let config = EszslConfig::default();
    assert!(matches!(Eszsl::fit(&x, &stray, &classes, config), Err(Error::Undescribed { class: 4, .. })));
    let y = labels(&[0, 1], (1, 2))?;
    wrong_length(Eszsl::fit(&x, &y, &classes, config)?.scores(&x, &other));
    let zero = EszslConfig { gamma: 0.0, lambda: 1.0 };
    assert!(matches!(Eszsl::fit(&x, &y, &classes, zero), Err(Error::Setting { name: "gamma", .. })));
    assert!(matches!(Eszsl::fit(&x, &y.narrow(1, 0, 1)?, &classes, config), Err(Error::Shape { .. })));
    let none = normal(&[1, 0, 2], 0);
    assert!(matches!(Eszsl::fit(&none, &y.narrow(1, 0, 0)?, &classes, config), Err(Error::Shape { .. })));
    assert!(best_class(&normal(&[1, 1, 3], 0), &[3]).is_err() && best_class(&normal(&[1, 1, 3], 0), &[]).is_err());
    assert!(per_class_accuracy(&[0], &[0, 1]).is_err() && per_class_accuracy(&[], &[]).is_err());
    let margin = RankingLoss { margin: -1.0, ..RankingLoss::SJE };
    assert!(matches!(margin.of(&normal(&[1, 2, 4], 0), &y), Err(Error::Setting { name: "margin", .. })));
    Ok(())
}
