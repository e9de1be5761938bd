//! Fine-tuning: the suite, one step by hand, prototypical networks as a limit, and what is refused.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor as Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_meta::conformance::Suite;
use rekindle_meta::metric::{Classifier, FineTune, FineTuneConfig, MetricLearner, NewHead, Pretrained, Prototypical};
use rekindle_meta::{Error, MetaLearner, Result, Setting};
use rekindle_nn::{Flatten, Mlp, Norm};
use rekindle_optim::{Adam, Sgd};
use rekindle_tasks::{Batch, TaskSampler};

use super::{glyphs, smooth_body};
use crate::{assert_close, assert_same, elements};

const FEATURES: usize = 4;
const HEADS: [NewHead; 3] = [NewHead::Zeros, NewHead::Prototypes, NewHead::Cosine { scale: 4.0 }];

fn classifier() -> Classifier {
    Classifier { classes: 5, features: FEATURES, cosine: None }
}

fn learner(norm: Norm, head: NewHead, whole: bool, steps: usize) -> Result<FineTune<Mlp>> {
    let config = FineTuneConfig { steps, optimiser: Arc::new(Adam::new(0.02)), head, whole };
    FineTune::new(smooth_body(FEATURES, norm), classifier(), config)
}

/// Every rule but that of renamed classes: the pretrained classifier has an output for each.
#[test]
fn the_suite() {
    let suite = Suite { exact_gradient: true, any_order: true, iterations: vec![0], ..Suite::default() };
    for (head, norm) in HEADS.into_iter().zip([Norm::None, Norm::Batch { eps: 0.1 }, Norm::None]) {
        for whole in [false, true] {
            suite.check(&learner(norm, head, whole, 5).unwrap(), &glyphs()).unwrap();
        }
    }
}

/// From zeros the probabilities are 1/N, so that one step of size α makes of the head `α/B Σ_i (y_in − 1/N) x_i`, on raw
/// features.
#[test]
fn a_step_from_zeros_by_hand() -> Result<()> {
    let (x, labels, alpha) = ([[0.2, -0.4], [1.0, 0.3], [-0.5, 0.8]], [0u32, 1, 0], 0.7);
    let support = Batch { x: Value::new(&x, &Device::Cpu)?.unsqueeze(0)?, y: Value::new(&[labels], &Device::Cpu)? };
    let config = FineTuneConfig { steps: 1, optimiser: Arc::new(Sgd::new(alpha)), ..FineTuneConfig::default() };
    for whole in [false, true] {
        let config = FineTuneConfig { whole, ..config.clone() };
        let learner = FineTune::new(Flatten, Classifier { features: 2, ..classifier() }, config)?;
        let meta = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
        let adapted = learner.adapt(&meta, &support)?;
        let (mut w, mut b) = ([0.0; 4], [0.0; 2]); // [F, N], [N]
        for (row, &label) in x.iter().zip(&labels) {
            for n in 0..2 {
                let rest = f64::from(u8::from(label as usize == n)) - 0.5;
                (0..2).for_each(|j| w[2 * j + n] += alpha / 3.0 * rest * row[j]);
                b[n] += alpha / 3.0 * rest;
            }
        }
        assert_close(&adapted.get("head.weight")?.to_vec_f64()?, &w, 1e-12);
        assert_close(&adapted.get("head.bias")?.to_vec_f64()?, &b, 1e-12);
    }
    Ok(())
}

/// With the prototypes' head and no steps it predicts as a prototypical network on the pretrained features does.
#[test]
fn without_steps_the_head_of_prototypes_is_a_prototypical_network() -> Result<()> {
    let tasks = glyphs().sample(&mut ChaCha8Rng::seed_from_u64(1), 2)?.to_dtype(DType::F64)?;
    let ours = learner(Norm::Batch { eps: 0.1 }, NewHead::Prototypes, true, 0)?;
    let theirs = MetricLearner::new(smooth_body(FEATURES, Norm::Batch { eps: 0.1 }), Prototypical::default())?;
    let meta = ours.init(&mut ChaCha8Rng::seed_from_u64(2), DType::F64, &Device::Cpu)?;
    let (_, body) = meta.partition(|name| name.starts_with("classifier"));
    let outputs = |learner: &dyn MetaLearner, meta: &Params| -> Result<Vec<f64>> {
        let adapted = learner.adapt(meta, &tasks.support)?;
        let logits = learner.predict(&adapted, &tasks.support, &tasks.query.x, Setting::Inductive)?;
        Ok(logits.softmax()?.to_vec_f64()?)
    };
    assert_close(&outputs(&ours, &meta)?, &outputs(&theirs, &body)?, 1e-12);
    Ok(())
}

/// Only where the settings say so does the body move; either way more steps fit the support set better. What was
/// pretrained is what [`Pretrained`] has.
#[test]
fn the_body_moves_where_it_should_and_the_support_set_is_fitted() -> Result<()> {
    let tasks = glyphs().sample(&mut ChaCha8Rng::seed_from_u64(5), 2)?.to_dtype(DType::F64)?;
    for head in HEADS {
        for whole in [false, true] {
            let adapted = |steps| -> Result<(Params, f64)> {
                let learner = learner(Norm::None, head, whole, steps)?;
                let meta = learner.init(&mut ChaCha8Rng::seed_from_u64(6), DType::F64, &Device::Cpu)?;
                let adapted = learner.adapt(&meta, &tasks.support)?;
                let logits = learner.predict(&adapted, &tasks.support, &tasks.support.x, Setting::Transductive)?;
                let loss = logits.cross_entropy(&tasks.support.y)?.to_vec_f64()?;
                Ok((adapted.sub_params("body")?.expand_tasks(2)?, loss.iter().sum()))
            };
            let ((before, first), (after, last)) = (adapted(0)?, adapted(60)?);
            assert!(last < 0.8 * first, "{head:?}, {whole}: {first} to {last}");
            assert_eq!(elements(&before) != elements(&after), whole, "{head:?}");
        }
    }
    let (ours, theirs) = (
        learner(Norm::None, NewHead::Zeros, true, 1)?,
        Pretrained::new(smooth_body(FEATURES, Norm::None), classifier(), Prototypical::default())?,
    );
    let meta = ours.init(&mut ChaCha8Rng::seed_from_u64(7), DType::F64, &Device::Cpu)?;
    let theirs = theirs.meta_grad(&meta, &tasks, 0)?.grads;
    assert_same(&ours.meta_grad(&meta, &tasks, 0)?.grads, &theirs);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let error = learner(Norm::None, NewHead::Cosine { scale: 0.0 }, true, 1).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "scale", .. }), "{error}");
    let nothing = Classifier { classes: 0, ..classifier() };
    let error = FineTune::new(smooth_body(FEATURES, Norm::None), nothing, FineTuneConfig::default()).unwrap_err();
    assert!(error.to_string().contains("classes, features = 0, 4"), "{error}");
    let learner = learner(Norm::None, NewHead::Zeros, true, 1)?;
    let meta = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F64, &Device::Cpu)?;
    let mut tasks = glyphs().sample(&mut ChaCha8Rng::seed_from_u64(1), 1)?.to_dtype(DType::F64)?;
    tasks.support.y = Value::new(&[[0u32, 0, 1, 1, 3, 3]], &Device::Cpu)?;
    let error = learner.adapt(&meta, &tasks.support).unwrap_err();
    assert!(matches!(error, Error::Label { set: "support", label: 3, ways: 3, .. }), "{error}");
    Ok(())
}
