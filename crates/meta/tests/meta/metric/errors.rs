//! What is refused, and what is said about it.

use candle_core::{DType, Device, Tensor as Value};
use rekindle_autodiff::Params;
use rekindle_meta::metric::{
    Classifier, Distance, FullContext, Head, LogisticRegression, Matching, MetricLearner, NearestNeighbour, PairLoss,
    Pretrained, Prototypical, Relation, RelationConfig, Ridge, Siamese, SoftKMeans, Svm,
};
use rekindle_meta::{Error, MetaLearner, Result};
use rekindle_nn::{Flatten, Norm};
use rekindle_tasks::{Batch, TaskBatch, UNLABELLED};

use super::{episode, fresh, smooth_body};

/// Two tasks with two queries each, of which only labels matter.
fn tasks(support: [&[u32]; 2], query: [u32; 2]) -> Result<TaskBatch> {
    let batch = |labels: [&[u32]; 2]| -> Result<Batch> {
        let n = labels[0].len();
        let x = Value::zeros((2, n, 3), DType::F64, &Device::Cpu)?;
        Ok(Batch { x, y: Value::from_vec(labels.concat(), (2, n), &Device::Cpu)? })
    };
    Ok(TaskBatch { support: batch(support)?, query: batch([&query, &query])? })
}

fn refused(tasks: &TaskBatch) -> Result<Error> {
    let learner = MetricLearner::new(Flatten, Prototypical::default())?;
    Ok(learner.meta_grad(&Params::new([])?, tasks, 0).unwrap_err())
}

#[test]
fn labels_are_numbered_from_zero() -> Result<()> {
    let error = refused(&tasks([&[0, 1, 1], &[0, 2, 0]], [0, 1])?)?;
    // Three labels in all, but the first task has no example of the third.
    assert!(matches!(error, Error::EmptyClass { task: 0, class: 2, ways: 3 }), "{error}");
    let error = refused(&tasks([&[0, 2, 2], &[0, 2, 0]], [0, 1])?)?;
    assert!(matches!(error, Error::Label { set: "support", task: 0, label: 2, ways: 2 }), "{error}");
    assert!(error.to_string().contains("task 0 has the label 2 in its support set"), "{error}");
    let error = refused(&tasks([&[0, 1, 2], &[1, 1, 2]], [0, 1])?)?;
    assert!(matches!(error, Error::EmptyClass { task: 1, class: 0, ways: 3 }), "{error}");
    assert!(error.to_string().contains("task 1 has no support example of class 0"), "{error}");
    let error = refused(&tasks([&[0, 1, 1], &[0, 1, 0]], [0, 2])?)?;
    assert!(matches!(error, Error::Label { set: "query", task: 0, label: 2, ways: 2 }), "{error}");
    Ok(())
}

/// Adaptation refuses what training refuses.
#[test]
fn adaptation_checks_the_support_set() -> Result<()> {
    let learner = MetricLearner::new(Flatten, Prototypical::default())?;
    let tasks = tasks([&[0, 1, 1], &[0, 0, 0]], [0, 1])?;
    assert!(matches!(learner.adapt(&Params::new([])?, &tasks.support), Err(Error::EmptyClass { task: 1, .. })));
    Ok(())
}

#[test]
fn unlabelled_examples_are_for_soft_k_means_alone() -> Result<()> {
    let hidden = tasks([&[0, 1, UNLABELLED], &[1, UNLABELLED, 0]], [0, 1])?;
    let error = refused(&hidden)?.to_string();
    assert!(error.contains("task 0 has an unlabelled support example"), "{error}");
    let learner = MetricLearner::new(Flatten, SoftKMeans::default())?;
    learner.meta_grad(&Params::new([])?, &hidden, 0)?;
    let none = tasks([&[UNLABELLED], &[UNLABELLED]], [0, 0])?;
    let error = learner.meta_grad(&Params::new([])?, &none, 0).unwrap_err().to_string();
    assert!(error.contains("needs a labelled example"), "{error}");
    Ok(())
}

#[test]
fn targets_of_a_regression_are_refused() -> Result<()> {
    let mut tasks = tasks([&[0, 1], &[0, 1]], [0, 1])?;
    tasks.support.y = Value::zeros((2, 2, 1), DType::F64, &Device::Cpu)?;
    let error = refused(&tasks)?.to_string();
    assert!(error.contains("labels are u32 [M, B], not F64"), "{error}");
    Ok(())
}

/// A classifier of five classes has no output for a sixth.
#[test]
fn classes_beyond_a_classifiers_are_refused() -> Result<()> {
    let body = smooth_body(3, Norm::None);
    let classifier = Classifier { classes: 2, features: 3, cosine: None };
    let learner = Pretrained::new(body, classifier, NearestNeighbour::default())?;
    let tasks = tasks([&[0, 1], &[0, 2]], [0, 1])?;
    let meta = learner.init(&mut rekindle_tasks::batch_rng(0, 0), DType::F64, &Device::Cpu)?;
    assert!(matches!(learner.meta_grad(&meta, &tasks, 0), Err(Error::Label { task: 1, label: 2, ways: 2, .. })));
    Ok(())
}

#[test]
fn maps_of_another_size_are_refused() -> Result<()> {
    let head = Relation::new(RelationConfig { grid: (4, 4), channels: 2, hidden: 3, eps: 1e-3 })?;
    let error = head.logits(&fresh(&head), &episode(&[0, 1], 31, 1, 0)).unwrap_err().to_string();
    assert!(error.contains("[1, 1, 31] are no maps of 4×4×2"), "{error}");
    Ok(())
}

#[test]
fn settings_out_of_their_range_are_named() {
    let scale = Distance::Cosine { scale: 0.0 };
    let relation = RelationConfig { grid: (4, 4), channels: 2, hidden: 3, eps: 1e-3 };
    let classifier = Classifier { classes: 2, features: 3, cosine: None };
    let pretrained = |classifier| Pretrained::new(Flatten, classifier, NearestNeighbour::default()).map(drop);
    let head = |head: &dyn Head| head.validate();
    let cases: Vec<(&str, Result<()>)> = vec![
        ("scale", head(&Prototypical { distance: scale })),
        ("scale", head(&SoftKMeans { distance: scale, steps: 1 })),
        ("steps", head(&SoftKMeans { steps: 0, ..SoftKMeans::default() })),
        ("scale", head(&Matching { distance: Distance::Cosine { scale: f64::NAN }, context: None })),
        ("steps", FullContext::new(3, 0).map(drop)),
        ("grid", Relation::new(RelationConfig { grid: (3, 4), ..relation.clone() }).map(drop)),
        ("channels, hidden", Relation::new(RelationConfig { hidden: 0, ..relation }).map(drop)),
        ("features", head(&Siamese { loss: PairLoss::Verification { features: 0 } })),
        ("margin", head(&Siamese { loss: PairLoss::Contrastive { margin: 0.0, squared: true } })),
        ("lambda", head(&Ridge { lambda: 0.0, ..Ridge::default() })),
        ("scale", head(&Ridge { scale: f64::INFINITY, ..Ridge::default() })),
        ("c", head(&Svm { c: 0.0, ..Svm::default() })),
        ("steps", head(&Svm { steps: 0, ..Svm::default() })),
        ("scale", head(&NearestNeighbour { distance: scale })),
        ("c", head(&LogisticRegression { c: -1.0, ..LogisticRegression::default() })),
        ("steps", head(&LogisticRegression { steps: 0, ..LogisticRegression::default() })),
        ("classes, features", pretrained(Classifier { classes: 0, ..classifier })),
        ("scale", pretrained(Classifier { cosine: Some(0.0), ..classifier })),
    ];
    for (expected, outcome) in cases {
        match outcome {
            Err(Error::Setting { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(FullContext::new(0, 1).is_err());
    // A learner checks its head when it is made.
    assert!(MetricLearner::new(Flatten, Prototypical { distance: scale }).is_err());
}
