//! A model written for candle-nn, in the hands of rekindle's learners.

use anyhow::Result;
use candle_core::{DType, Device};
use candle_nn::{Module, VarBuilder, seq};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle::autodiff::{Error as TapeError, NormStats, Order, Tensor};
use rekindle::meta::{EvalConfig, Maml, MamlConfig, MetaLearner, TrainConfig, Trainer, evaluate};
use rekindle::nn::{CandleModel, Model};
use rekindle::optim::Adam;
use rekindle::tasks::{Sinusoid, TaskSampler, batch_rng};
use std::sync::Arc;

/// 1-20-20-1 with ReLU, as anyone would write it with candle-nn.
fn regressor() -> CandleModel {
    CandleModel::new("regressor", |vb: VarBuilder<'_>| {
        let layer = |i, o, name: &str| candle_nn::linear(i, o, vb.pp(name));
        let net = seq().add(layer(1, 20, "fc1")?).add_fn(|x| x.relu()).add(layer(20, 20, "fc2")?).add_fn(|x| x.relu());
        Ok(Box::new(net.add(layer(20, 1, "fc3")?)) as Box<dyn Module>)
    })
}

/// The gradient at two weights against central differences in f64, with weights that differ from task to task.
#[test]
fn its_gradients_are_each_tasks_own() -> Result<()> {
    let model = regressor();
    let params = model.init(&mut ChaCha8Rng::seed_from_u64(1), DType::F64, &Device::Cpu)?;
    let tasks = Sinusoid::maml(4).sample(&mut batch_rng(0, 0), 3)?.to_dtype(DType::F64)?;
    let x = Tensor::new(tasks.support.x);
    let params = params.expand_tasks(3)?;
    let loss = |p: &_| -> Result<Tensor> { Ok(model.forward(p, &x, NormStats::Batch)?.sqr()?.sum_all()?) };
    let at = params.leaf();
    let gradient = at.grad(&loss(&at)?, Order::First)?;
    for (name, element) in [("fc1.weight", 25), ("fc3.bias", 2)] {
        let moved = |by: f64| -> Result<f64> {
            let shifted = params.map_named(|n, leaf| {
                let mut values = leaf.to_vec_f64()?;
                if n == name {
                    values[element] += by;
                }
                Tensor::from_vec(values, leaf.shape())
            })?;
            Ok(loss(&shifted)?.to_f64()?)
        };
        let numeric = (moved(1e-5)? - moved(-1e-5)?) / 2e-5;
        let analytic = gradient.get(name)?.to_vec_f64()?[element];
        assert!((numeric - analytic).abs() <= 1e-7 * numeric.abs().max(1.0), "{name}: {analytic} and {numeric}");
    }
    Ok(())
}

/// First-order MAML runs through it and learns: predicting zero gives 4.25. The second-order form is refused with the way out.
#[test]
fn first_order_maml_learns_with_it() -> Result<()> {
    let initial = regressor().init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = MamlConfig { inner_lr: 0.01, eval_steps: 1, ..MamlConfig::sinusoid() };
    let exact = Maml::new(regressor(), config.clone())?;
    let tasks = Sinusoid::maml(10).sample(&mut batch_rng(0, 0), 2)?;
    let refused = exact.meta_grad(&initial, &tasks, 0);
    let once = TapeError::OnceDifferentiable { op: "foreign" }.to_string();
    assert_eq!(refused.map(|_| ()).map_err(|e| e.to_string()), Err(once));

    let learner = Maml::first_order(regressor(), config)?;
    let config = TrainConfig { iterations: 200, meta_batch: 8, ..TrainConfig::default() };
    let trainer = Trainer { learner: &learner, optimiser: &Adam::new(5e-3), config: &config };
    let trained = trainer.run(&initial, Arc::new(Sinusoid::maml(10)), None, &mut ())?;
    let judge =
        |params| evaluate(&learner, params, &Sinusoid::maml(10), &EvalConfig { n_tasks: 100, ..EvalConfig::default() });
    let (before, after) = (judge(&initial)?.mean, judge(&trained.params)?.mean);
    assert!(after < 0.6 * before && after < 3.8, "mean squared error {before:.2}, after meta-training {after:.2}");
    Ok(())
}
