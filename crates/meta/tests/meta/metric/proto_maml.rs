//! Proto-MAML: the suite, prototypical networks as its limit, its gradient and its step by hand.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{CgConfig, Params, Tensor};
use rekindle_meta::conformance::Suite;
use rekindle_meta::metric::{MetricLearner, Prototypical};
use rekindle_meta::{Adjoint, Error, MetaLearner, ProtoMaml, ProtoMamlConfig, Result, Setting, Stepwise};
use rekindle_nn::{Flatten, Norm};
use rekindle_tasks::{Batch, TaskBatch, TaskSampler};

use super::{glyphs, smooth_body};
use crate::{assert_close, elements};

const FEATURES: usize = 4;

fn config(n_steps: usize, adjoint: Adjoint) -> ProtoMamlConfig {
    ProtoMamlConfig { inner_lr: 0.1, n_steps, eval_steps: n_steps.max(1), adjoint }
}

/// Every rule; the exact adjoints against finite differences, with and without batch normalisation.
#[test]
fn the_suite() {
    let suite = Suite { any_order: true, any_names: true, iterations: vec![0], ..Suite::default() };
    for norm in [Norm::None, Norm::Batch { eps: 0.1 }] {
        let learner = |adjoint| ProtoMaml::new(smooth_body(FEATURES, norm), config(2, adjoint)).unwrap();
        suite.check(&learner(Adjoint::FirstOrder), &glyphs()).unwrap();
        for adjoint in [Adjoint::Unrolled, Adjoint::Checkpointed] {
            Suite { exact_gradient: true, ..suite.clone() }.check(&learner(adjoint), &glyphs()).unwrap();
        }
    }
}

fn tasks(n: usize) -> Result<TaskBatch> {
    Ok(glyphs().sample(&mut ChaCha8Rng::seed_from_u64(3), n)?.to_dtype(DType::F64)?)
}

fn fresh(learner: &dyn MetaLearner) -> Result<Params> {
    learner.init(&mut ChaCha8Rng::seed_from_u64(4), DType::F64, &Device::Cpu)
}

/// Without steps the predictions are those of a prototypical network with the same body, and so is the meta-gradient: the
/// logits differ by the query's squared length, which no class sees. With batch normalisation this holds where both
/// take the statistics of the support set.
#[test]
fn without_steps_it_is_a_prototypical_network() -> Result<()> {
    let tasks = tasks(3)?;
    for norm in [Norm::None, Norm::Batch { eps: 0.1 }] {
        let body = smooth_body(FEATURES, norm);
        let ours = ProtoMaml::new(body.clone(), config(0, Adjoint::FirstOrder))?;
        let theirs = MetricLearner::new(body, Prototypical::default())?;
        let meta = fresh(&ours)?;
        let softmax = |adapted: &Params, learner: &dyn MetaLearner| {
            let logits = learner.predict(adapted, &tasks.support, &tasks.query.x, Setting::Inductive)?;
            Ok::<_, Error>(logits.softmax()?.to_vec_f64()?)
        };
        let start = ours.trajectory(&meta, &tasks.support, 0)?.remove(0);
        let prototypes = theirs.adapt(&meta, &tasks.support)?;
        assert_close(&softmax(&start, &ours)?, &softmax(&prototypes, &theirs)?, 1e-12);
        if norm == Norm::None {
            let (ours, theirs) = (ours.meta_grad(&meta, &tasks, 0)?, theirs.meta_grad(&meta, &tasks, 0)?);
            assert_close(&ours.losses.to_vec_f64()?, &theirs.losses.to_vec_f64()?, 1e-12);
            assert_close(&elements(&ours.grads), &elements(&theirs.grads), 1e-12);
        }
    }
    Ok(())
}

/// The first-order meta-gradient is the derivative of `L_query(θ₀(φ) + Δ)`, where Δ, the sum of the steps, stays as it is
/// at φ: what flows through the prototypes is in it. Central differences along the gradient itself.
#[test]
fn the_first_order_gradient_flows_through_the_prototypes() -> Result<()> {
    let tasks = tasks(1)?;
    let learner = ProtoMaml::new(smooth_body(FEATURES, Norm::Batch { eps: 0.1 }), config(3, Adjoint::FirstOrder))?;
    let meta = fresh(&learner)?;
    let steps = learner.trajectory(&meta, &tasks.support, 3)?;
    let moved = steps[3].sub(&steps[0])?;
    let grads = learner.meta_grad(&meta, &tasks, 0)?.grads;
    let loss = |h: f64| -> Result<f64> {
        let start = learner.trajectory(&meta.add_scaled(&grads, h)?, &tasks.support, 0)?.remove(0);
        let adapted = start.add(&moved)?;
        let logits = learner.predict(&adapted, &tasks.support, &tasks.query.x, Setting::Transductive)?;
        Ok(logits.cross_entropy(&tasks.query.y)?.to_vec_f64()?[0])
    };
    let slope = grads.dot_tasks(&grads)?.to_vec_f64()?[0];
    let difference = (loss(1e-5)? - loss(-1e-5)?) / 2e-5;
    assert!(slope > 1e-3 && (slope - difference).abs() < 1e-7 * slope.max(1.0), "{slope} and {difference}");
    Ok(())
}

/// On raw features, one step against the formula of a softmax regression: `w_n + α/B Σ_i (y_in − p_in) x_i`, from
/// `w_n = 2 c_n`, `b_n = −‖c_n‖²`.
#[test]
fn a_step_by_hand() -> Result<()> {
    let (x, labels) = ([[0.2, -0.4], [1.0, 0.3], [-0.5, 0.8], [0.6, 0.1]], [0u32, 1, 0, 1]);
    let values = candle_core::Tensor::new(&x, &Device::Cpu)?.unsqueeze(0)?;
    let support = Batch { x: values, y: candle_core::Tensor::new(&[labels], &Device::Cpu)? };
    let config = ProtoMamlConfig { inner_lr: 0.3, eval_steps: 1, ..ProtoMamlConfig::default() };
    let adapted = ProtoMaml::new(Flatten, config)?.adapt(&Params::new([])?, &support)?;

    let mut means = [[0.0; 2]; 2];
    for (row, &label) in x.iter().zip(&labels) {
        (0..2).for_each(|j| means[label as usize][j] += row[j] / 2.0);
    }
    let (w, b) = (means.map(|c| c.map(|v| 2.0 * v)), means.map(|c| -(c[0] * c[0] + c[1] * c[1])));
    let (mut new_w, mut new_b) = (w, b);
    for (row, &label) in x.iter().zip(&labels) {
        let logits: [f64; 2] = std::array::from_fn(|n| w[n][0] * row[0] + w[n][1] * row[1] + b[n]);
        let total: f64 = logits.iter().map(|v| v.exp()).sum();
        for n in 0..2 {
            let rest = f64::from(u8::from(label as usize == n)) - logits[n].exp() / total;
            (0..2).for_each(|j| new_w[n][j] += 0.3 / 4.0 * rest * row[j]);
            new_b[n] += 0.3 / 4.0 * rest;
        }
    }
    let by_feature = [new_w[0][0], new_w[1][0], new_w[0][1], new_w[1][1]]; // [F, N]
    assert_close(&adapted.get("head.weight")?.to_vec_f64()?, &by_feature, 1e-12);
    assert_close(&adapted.get("head.bias")?.to_vec_f64()?, &new_b, 1e-12);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let refused = |config| ProtoMaml::new(Flatten, config).unwrap_err().to_string();
    let implicit = Adjoint::Implicit(CgConfig::default());
    let error = refused(ProtoMamlConfig { adjoint: implicit, ..ProtoMamlConfig::default() });
    assert!(error.contains("adjoint = Implicit"), "{error}");
    let error = refused(ProtoMamlConfig { inner_lr: 0.0, ..ProtoMamlConfig::default() });
    assert!(error.contains("inner_lr = 0"), "{error}");
    let learner = ProtoMaml::new(Flatten, ProtoMamlConfig::default())?;
    let x = Tensor::zeros((2, 3, 2), DType::F64, &Device::Cpu)?.value().clone();
    let y = candle_core::Tensor::new(&[[0u32, 1, 1], [0, 0, 0]], &Device::Cpu)?;
    let error = learner.adapt(&Params::new([])?, &Batch { x, y }).unwrap_err();
    assert!(matches!(error, Error::EmptyClass { task: 1, class: 1, ways: 2 }), "{error}");
    Ok(())
}
