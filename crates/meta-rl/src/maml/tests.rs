//! The meta-gradient against finite differences in f64, and tasks side by side against one after the other.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Order, Params};
use rekindle_envs::{ClipActions, Env, EnvFamily, PointFamily, PointFlavour, Space};
use rekindle_nn::Activation;
use rekindle_rl::{
    ActionHead, Deviation, Estimator, FeedForward, HessianProduct, Objective, Piece, Policy, TrustRegionConfig,
    policy_step, ratio_loss,
};

use super::outer::Chunk;
use super::{Adapts, Batch, MamlRl, MamlRlConfig};
use crate::{At, Learner};

fn family() -> impl EnvFamily<Task = [f32; 2], Env = impl Env + Send> {
    PointFamily { horizon: 5, ..PointFamily::new(PointFlavour::Maml) }.wrap(|env| ClipActions::scaled(env, 1.0))
}

fn learner(config: MamlRlConfig) -> MamlRl<impl EnvFamily<Task = [f32; 2], Env = impl Env + Send>> {
    let head = ActionHead::new(&Space::unbounded(2), Deviation::default()).unwrap();
    let policy = Policy::new(FeedForward::mlp(&[2, 4, 2], Activation::Tanh).unwrap(), head).unwrap();
    MamlRl::new(family(), policy, MamlRlConfig { horizon: 5, ..config }).unwrap()
}

const TASKS: [[f32; 2]; 3] = [[0.4, -0.1], [-0.3, 0.2], [0.05, 0.45]];

/// Parameters and the batches that two inner steps and the last policy played.
fn played<F: EnvFamily<Task = [f32; 2]>>(learner: &MamlRl<F>, tasks: &[[f32; 2]]) -> (Params, Vec<Batch>, Batch) {
    let meta = learner.init(&mut ChaCha8Rng::seed_from_u64(2), DType::F64, &Device::Cpu).unwrap();
    // The last layer starts near zero; larger weights make second derivatives worth testing.
    let meta = meta.map(|leaf| leaf.scale(3.0)).unwrap();
    let mut player = learner.player(tasks, 6).unwrap();
    let mut theta = learner.adapter.start(&meta, tasks.len()).unwrap();
    let mut inner = Vec::new();
    for seed in 0..2 {
        let batch = learner.play(&mut player, &theta, seed).unwrap();
        theta = learner.adapter.adapt(&meta, &theta, &batch, learner.adapter.config.inner_lr).unwrap();
        inner.push(batch);
    }
    let after = learner.play(&mut player, &theta, 2).unwrap();
    (meta, inner, after)
}

/// What TRPO improves and limits, over all chunks.
fn objective<F: EnvFamily>(learner: &MamlRl<F>, meta: &Params, inner: &[Batch], after: &Batch) -> Objective {
    let chunks = Chunk::split(inner, after).unwrap();
    let parts = chunks.iter().map(|chunk| learner.adapter.part(chunk).objective(meta).unwrap());
    let add =
        |a: Objective, b: Objective| Objective { loss: a.loss.add(&b.loss).unwrap(), kl: a.kl.add(&b.kl).unwrap() };
    parts.reduce(add).unwrap()
}

/// Compares a gradient along a direction with central differences of `value`.
fn check(gradient: &Params, meta: &Params, value: impl Fn(&Params) -> f64) {
    let direction = gradient.map(|g| g.shift(0.02)).unwrap();
    let h = 1e-5;
    let at = |s: f64| value(&meta.add_scaled(&direction, s).unwrap());
    let (found, expected) = (gradient.dot(&direction).unwrap().to_f64().unwrap(), (at(h) - at(-h)) / (2.0 * h));
    assert!((found - expected).abs() < 1e-7 * expected.abs().max(1.0), "{found} for {expected}");
}

#[test]
fn meta_gradients_match_finite_differences() {
    for adapts in [Adapts::All, Adapts::Below("actor.fc2".into()), Adapts::LearnedRates(0.3)] {
        let learner = learner(MamlRlConfig { inner_lr: 0.3, adapts, ..MamlRlConfig::default() });
        let (meta, inner, after) = played(&learner, &TASKS);
        // The divergence is flat at the parameters that played: look at it from beside them.
        let meta = meta.map(|leaf| leaf.shift(0.01)).unwrap();
        let value = |meta: &Params| {
            let objective = objective(&learner, meta, &inner, &after);
            objective.loss.add(&objective.kl).unwrap().sum_all().unwrap()
        };
        let point = meta.leaf();
        let gradient = point.grad(&value(&point), Order::First).unwrap();
        check(&gradient, &meta, |meta| value(meta).to_f64().unwrap());
    }
}

/// The low-variance estimator differentiates importance weights against the policy that played. Written out with that
/// policy's own probabilities, the inner loop is an ordinary function of the start.
#[test]
fn low_variance_curvature_is_the_derivative_of_importance_weights() {
    let estimator = Estimator::LowVarianceCurvature;
    let learner = learner(MamlRlConfig { inner_lr: 0.3, estimator, ..MamlRlConfig::default() });
    let (meta, inner, after) = played(&learner, &TASKS);
    let point = meta.leaf();
    let loss = objective(&learner, &point, &inner, &after).loss;
    let gradient = point.grad(&loss.sum_all().unwrap(), Order::First).unwrap();
    check(&gradient, &meta, |meta| {
        let mut theta = learner.adapter.start(meta, TASKS.len()).unwrap();
        for batch in &inner {
            let loss =
                |theta: &Params| ratio_loss(&learner.adapter.policy, theta, &batch.experience, &batch.advantages);
            theta = rekindle_meta::inner_step(&theta, Order::First, -0.3, loss).unwrap();
        }
        let losses = ratio_loss(&learner.adapter.policy, &theta, &after.experience, &after.advantages).unwrap();
        losses.mean_all().unwrap().to_f64().unwrap()
    });
}

#[test]
fn tasks_side_by_side_are_the_mean_of_tasks_alone() {
    let learner = learner(MamlRlConfig::default());
    let (meta, inner, after) = played(&learner, &TASKS);
    let gradient = |inner: &[Batch], after: &Batch| {
        let point = meta.leaf();
        point.grad(&objective(&learner, &point, inner, after).loss.sum_all().unwrap(), Order::First).unwrap()
    };
    let together = gradient(&inner, &after);
    let one = |batch: &Batch, task: usize| batch.tasks(task, 1).unwrap();
    let mut sum = together.zeros_like().unwrap();
    for task in 0..TASKS.len() {
        let inner: Vec<Batch> = inner.iter().map(|batch| one(batch, task)).collect();
        sum = sum.add_scaled(&gradient(&inner, &one(&after, task)), 1.0 / TASKS.len() as f64).unwrap();
    }
    let distance = together.sub(&sum).unwrap();
    let distance = distance.dot(&distance).unwrap().to_f64().unwrap().sqrt();
    assert!(distance < 1e-12, "{distance}");
}

/// The chain of first derivatives is the whole Hessian of the divergence, also through two inner steps: the same step as
/// with differences of gradients, in f64, for every way to adapt. (Of the estimators, differences see the values of the
/// inner gradients alone, which are those of the score function.)
#[test]
fn products_through_adaptation_are_those_of_differences() {
    for adapts in [Adapts::All, Adapts::Below("actor.fc2".into()), Adapts::LearnedRates(0.3)] {
        let learner = learner(MamlRlConfig { inner_lr: 0.3, adapts, ..MamlRlConfig::default() });
        let (meta, inner, after) = played(&learner, &TASKS);
        let chunks = Chunk::split(&inner, &after).unwrap();
        let parts: Vec<_> = chunks.iter().map(|chunk| learner.adapter.part(chunk)).collect();
        let step = |hessian| {
            let config = TrustRegionConfig { hessian, damping: 1e-2, cg_iterations: 5, ..TrustRegionConfig::default() };
            policy_step(&meta, &config, &parts, 1).unwrap().params.sub(&meta).unwrap()
        };
        let (exact, differences) = (step(HessianProduct::Exact), step(HessianProduct::Differences { step: 1e-6 }));
        let length = |x: &Params| x.dot(x).unwrap().to_f64().unwrap().sqrt();
        let apart = length(&exact.sub(&differences).unwrap());
        assert!(apart < 1e-5 * length(&exact), "{apart} of {}", length(&exact));
    }
}

#[test]
fn neither_threads_nor_pieces_change_a_result() {
    let config = MamlRlConfig { tasks: 3, trajectories: 6, ..MamlRlConfig::default() };
    let at = At { seed: 1, iteration: 2 };
    let next = |threads: usize| {
        let learner = learner(config.clone()).threads(threads);
        let meta = learner.init(&mut ChaCha8Rng::seed_from_u64(2), DType::F32, &Device::Cpu).unwrap();
        let params = learner.iterate(at, &meta, &learner.state(&meta).unwrap()).unwrap().params;
        params.leaves().iter().flat_map(|leaf| leaf.to_vec_f64().unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(next(1), next(3));

    let learner = learner(MamlRlConfig { inner_lr: 0.3, ..config.clone() });
    let (meta, inner, after) = played(&learner, &TASKS);
    let value = |steps: usize| {
        let split = |batch: &Batch| Piece::split(&batch.experience, &batch.advantages, steps).unwrap();
        let inner: Vec<_> = inner.iter().map(split).collect();
        let theta = learner.adapter.adapted(&meta, &inner, TASKS.len()).unwrap();
        theta.leaves().iter().flat_map(|leaf| leaf.to_vec_f64().unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(split_sizes(&after), [1, 2, 6]);
    for (whole, parts) in value(usize::MAX).into_iter().zip(value(30)) {
        assert!((whole - parts).abs() < 1e-12, "{whole}, {parts}");
    }
}

/// Pieces of the three tasks' trajectories of five steps, for pieces of all, of 45 and of a single step.
fn split_sizes(batch: &Batch) -> Vec<usize> {
    let sizes = [usize::MAX, 45, 1].into_iter();
    sizes.map(|steps| Piece::split(&batch.experience, &batch.advantages, steps).unwrap().len()).collect()
}
