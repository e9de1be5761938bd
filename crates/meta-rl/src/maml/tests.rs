//! The meta-gradient against finite differences in f64, and tasks side by side against one after the other.

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Order, Params};
use rekindle_envs::{ClipActions, Env, EnvFamily, PointFamily, PointFlavour, Space};
use rekindle_nn::Activation;
use rekindle_rl::{ActionHead, Deviation, Estimator, FeedForward, Objective, Policy, ratio_loss};

use super::outer::Chunk;
use super::{Adapts, Batch, MamlRl, MamlRlConfig};
use crate::Learner;

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
