//! The suite on every head, and on heads that break its rules about classes.

use std::sync::Arc;

use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Params, Tensor};
use rekindle_meta::conformance::Suite;
use rekindle_meta::metric::{
    Classifier, Distance, Episode, FullContext, Head, LogisticRegression, Matching, MetricLearner, NearestNeighbour,
    PairLoss, Pretrained, Prototypical, Relation, RelationConfig, Ridge, Siamese, SoftKMeans, Svm,
};
use rekindle_meta::{Error, MetaLearner, Result, TrainConfig, Trainer};
use rekindle_nn::{Conv4Body, Conv4Config, Downsampling, Flatten, Model, Norm};
use rekindle_optim::Adam;

use super::{SIDE, glyphs, smooth_body};

const FEATURES: usize = 4;

fn suite() -> Suite {
    Suite { exact_gradient: true, any_order: true, any_names: true, iterations: vec![0], ..Suite::default() }
}

/// Every rule, finite differences of the meta-gradient among them, with and without batch normalisation in the body.
#[track_caller]
fn passes(suite: &Suite, head: &(impl Head + Clone)) {
    for norm in [Norm::None, Norm::Batch { eps: 0.1 }] {
        suite.check(&MetricLearner::new(smooth_body(FEATURES, norm), head.clone()).unwrap(), &glyphs()).unwrap();
    }
}

#[test]
fn prototypical_networks() {
    for distance in [Distance::SquaredEuclidean, Distance::Cosine { scale: 2.0 }] {
        passes(&suite(), &Prototypical { distance });
        passes(&suite(), &SoftKMeans { distance, steps: 2 });
    }
}

#[test]
fn matching_networks() {
    for distance in [Distance::SquaredEuclidean, Distance::Cosine { scale: 1.0 }] {
        passes(&suite(), &Matching { distance, context: None });
    }
    // A support set that is read one by one has an order.
    let context = Some(FullContext::new(FEATURES, 2).unwrap());
    passes(&Suite { any_order: false, ..suite() }, &Matching { context, ..Matching::default() });
}

#[test]
fn siamese_networks() {
    passes(&suite(), &Siamese { loss: PairLoss::Verification { features: FEATURES } });
    for squared in [true, false] {
        passes(&suite(), &Siamese { loss: PairLoss::Contrastive { margin: 2.0, squared } });
    }
}

#[test]
fn closed_form_heads() {
    // Six examples: more than features, where a system of features is solved, and fewer.
    for features in [FEATURES, 9] {
        let learner = MetricLearner::new(smooth_body(features, Norm::None), Ridge::default()).unwrap();
        suite().check(&learner, &glyphs()).unwrap();
    }
    passes(&suite(), &Svm { c: 0.5, steps: 10 });
}

#[test]
fn baselines() {
    // A maximum has kinks, which the suite's finite differences may cross; `heads.rs` keeps away from them.
    let kinked = Suite { exact_gradient: false, ..suite() };
    passes(&kinked, &NearestNeighbour::default());
    passes(&suite(), &LogisticRegression { steps: 10, ..LogisticRegression::default() });
    kinked.check(&MetricLearner::new(Flatten, NearestNeighbour::default()).unwrap(), &glyphs()).unwrap();
}

/// The classifier has an output for each class of the training data, so there names mean something.
#[test]
fn pretrained_networks() {
    for cosine in [None, Some(2.0)] {
        let classifier = Classifier { classes: 5, features: FEATURES, cosine };
        for norm in [Norm::None, Norm::Batch { eps: 0.1 }] {
            let learner =
                Pretrained::new(smooth_body(FEATURES, norm), classifier, NearestNeighbour::default()).unwrap();
            Suite { any_names: false, ..suite() }.check(&learner, &glyphs()).unwrap();
        }
    }
}

/// Before it has learned, a relation module does not prefer the class of a query, so the suite starts where a short
/// training ends. It has kinks, as the nearest neighbour.
#[test]
fn relation_networks() -> anyhow::Result<()> {
    let config = RelationConfig { grid: (4, 4), channels: 2, hidden: 4, eps: 1e-3 };
    let learner = MetricLearner::new(smooth_body(4 * 4 * 2, Norm::None), Relation::new(config)?)?;
    let suite = Suite { exact_gradient: false, meta: Some(trained(&learner)?), ..suite() };
    suite.check(&learner, &glyphs())?;
    Ok(())
}

fn trained(learner: &dyn MetaLearner) -> Result<Params> {
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations: 150, meta_batch: 4, ..TrainConfig::default() };
    let trainer = Trainer { learner, optimiser: &Adam::new(1e-2), config: &config };
    Ok(trainer.run(&initial, Arc::new(glyphs()), None, &mut ())?.params)
}

/// Convolutions, on the kernels of single precision: whatever the split, the bits are the same.
#[test]
fn convolutional_bodies() -> anyhow::Result<()> {
    let config = Conv4Config { image: (SIDE, SIDE), channels: 5, ..Conv4Config::omniglot() };
    let suite = Suite { exact_gradient: false, ..suite() };
    for downsampling in [Downsampling::MaxPool, Downsampling::Stride2] {
        let body = Conv4Body::new(Conv4Config { downsampling, ..config.clone() })?;
        suite.check(&MetricLearner::new(&body, Prototypical::default())?, &glyphs())?;
        suite.check(&MetricLearner::new(&body, Ridge::default())?, &glyphs())?;
    }
    let config = Conv4Config { downsampling: Downsampling::MaxPoolTwice, ..config };
    let learner = MetricLearner::new(Conv4Body::new(config.clone())?, Relation::new(RelationConfig::after(&config))?)?;
    Suite { meta: Some(trained(&learner)?), ..suite }.check(&learner, &glyphs())?;
    Ok(())
}

/// What is wrong with a head that is otherwise that of prototypical networks.
#[derive(Clone, Copy, Debug)]
enum Fault {
    PrefersTheFirstExample,
    PrefersTheFirstClass,
}

#[derive(Clone, Debug)]
struct Faulty(Fault);

impl Head for Faulty {
    fn logits(&self, params: &Params, episode: &Episode) -> Result<Tensor> {
        let logits = Prototypical::default().logits(params, episode)?;
        let like = episode.one_hot.narrow(1, 0, 1)?; // [M, 1, N]
        match self.0 {
            Fault::PrefersTheFirstExample => Ok(logits.add(&like.scale(0.1)?)?),
            Fault::PrefersTheFirstClass => {
                let first = Tensor::from_vec(vec![0.1, 0.0, 0.0], (1, 1, 3))?.to_dtype(logits.dtype())?;
                Ok(logits.add(&first)?)
            }
        }
    }
}

#[test]
fn rules_about_classes_that_are_broken_are_noticed_and_named() -> Result<()> {
    for (fault, expected) in [
        (Fault::PrefersTheFirstExample, "the order of the support set does not matter"),
        (Fault::PrefersTheFirstClass, "renamed classes rename the outputs"),
    ] {
        let body: Box<dyn Model> = Box::new(smooth_body(FEATURES, Norm::None));
        match suite().check(&MetricLearner::new(body, Faulty(fault))?, &glyphs()) {
            Err(Error::Conformance { rule, .. }) => assert_eq!(rule, expected, "{fault:?}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
    Ok(())
}
