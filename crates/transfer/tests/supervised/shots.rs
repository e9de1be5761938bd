//! Few labels of a target domain.

use candle_core::DType;
use rekindle_nn::{Init, Mlp, MlpConfig};
use rekindle_optim::{Adam, Chain, Schedule, Select};
use rekindle_tasks::{ClassDataset, Glyphs};
use rekindle_transfer::{Error, Fit, FitConfig, Freezing, LayerGroups, adopt, draw_shots, examples, k_shot};

use super::{Result, init, rng};

fn glyphs(n_classes: usize, seed: u64) -> Glyphs {
    Glyphs { n_classes, n_examples: 20, size: 14, seed }
}

fn net(classes: usize) -> Result<Mlp> {
    let config = MlpConfig { sizes: vec![196, 64, 32, classes], weight: Init::HeNormal, ..MlpConfig::default() };
    Ok(Mlp::new(&config)?)
}

fn deep(classes: usize) -> Result<Mlp> {
    let config = MlpConfig { sizes: vec![196, 64, 64, 64, classes], weight: Init::HeNormal, ..MlpConfig::default() };
    Ok(Mlp::new(&config)?)
}

/// Each drawn image is one of its class's own, all within the numbers, and no two of a draw are the same.
#[test]
fn shots_are_distinct_examples_of_their_class() -> Result<()> {
    let data = glyphs(3, 0);
    let drawn = draw_shots(&data, 5..9, 2, 4, &mut rng(0))?;
    assert_eq!((drawn.x.dims(), drawn.y.dims()), (&[4, 6, 14, 14, 1][..], &[4, 6][..]));
    assert!(drawn.y.to_vec2::<u32>()?.iter().all(|row| row == &[0, 0, 1, 1, 2, 2]));
    let images = drawn.x.reshape((4, 3, 2, 196))?;
    for (task, class) in [(0, 0), (1, 2), (3, 1)] {
        let pair = images.get(task)?.get(class)?.to_vec2::<f32>()?;
        let place = |image: &Vec<f32>| {
            let mut out = vec![0.0; 196];
            (0..20).find(|&i| data.write_example(class, i, &mut out).is_ok() && &out == image)
        };
        let places = [place(&pair[0]), place(&pair[1])];
        assert!(places[0] != places[1] && places.iter().all(|p| p.is_some_and(|i| (5..9).contains(&i))), "{places:?}");
    }
    assert_eq!(examples(&data, 0..20)?.x.dims(), [1, 60, 14, 14, 1]);
    assert!(matches!(draw_shots(&data, 15..20, 6, 1, &mut rng(0)), Err(Error::TooFew { available: 5, shots: 6, .. })));
    assert!(matches!(examples(&data, 10..21), Err(Error::TooFew { .. })));
    assert!(matches!(draw_shots(&glyphs(0, 0), 0..5, 1, 1, &mut rng(0)), Err(Error::Empty { .. })));
    Ok(())
}

/// What the source knows helps from the first label on: with no label the new head guesses, and more labels are better.
#[test]
fn accuracy_grows_with_the_labels() -> Result<()> {
    let source_net = net(20)?;
    let config = FitConfig { epochs: 10, ..FitConfig::default() };
    let fit = Fit { model: &source_net, optimiser: &Adam::new(2e-3), config: &config };
    let source = fit.train(&init(&source_net, 0, DType::F32), &examples(&glyphs(20, 1), 0..20)?)?;

    let (target, model, head) = (glyphs(5, 2), net(5)?, Select::prefix(["fc3"]));
    let start = adopt(&source, &init(&model, 1, DType::F32), Some(&head))?;
    let config = FitConfig { epochs: 40, freezing: Freezing::Always(head.negate()), ..FitConfig::default() };
    let fit = Fit { model: &model, optimiser: &Adam::new(1e-2), config: &config };
    let test = examples(&target, 10..20)?;
    let mean = |shots| -> Result<f64> {
        let scores = k_shot(&fit, &start, (&target, 0..10), &test, shots, 4, &mut rng(3))?;
        assert_eq!(scores.len(), if shots == 0 { 1 } else { 4 });
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    };
    let accuracies = [mean(0)?, mean(1)?, mean(8)?];
    assert!(accuracies[0] < 0.5 && accuracies[1] > accuracies[0] + 0.1, "{accuracies:?}");
    assert!(accuracies[2] > accuracies[1] + 0.05 && accuracies[2] > 0.75, "{accuracies:?}");

    let wrong = k_shot(&fit, &start, (&glyphs(6, 2), 0..10), &test, 1, 1, &mut rng(3));
    assert!(matches!(wrong, Err(Error::Classes { outputs: 5, classes: 6 })));
    let empty = examples(&target, 0..0)?;
    assert!(matches!(k_shot(&fit, &start, (&target, 0..10), &empty, 1, 1, &mut rng(3)), Err(Error::Empty { .. })));
    Ok(())
}

/// Five seeds, each a source of its own: with one label a class freezing the body is better than fine-tuning it, with 100 it
/// is not; and rates by layer with gradual unfreezing are with the better one on both ends. By more than two standard errors
/// of the seeds' differences, or within them.
#[test]
fn freezing_wins_with_few_labels_and_loses_with_many() -> Result<()> {
    let (source, target) = (Glyphs { n_examples: 40, ..glyphs(50, 1) }, Glyphs { n_examples: 150, ..glyphs(10, 2) });
    let test = examples(&target, 100..150)?;
    let (source_net, model, head) = (deep(50)?, deep(10)?, Select::prefix(["fc4"]));
    let source_data = examples(&source, 0..40)?;
    let mut all = vec![[[0.0; 3]; 2]; 5]; // seed, number of labels, regime
    for (seed, cells) in (0..).zip(&mut all) {
        let config = FitConfig { epochs: 10, seed, ..FitConfig::default() };
        let fit = Fit { model: &source_net, optimiser: &Adam::new(3e-3), config: &config };
        let trained = fit.train(&init(&source_net, seed, DType::F32), &source_data)?;
        let start = adopt(&trained, &init(&model, 100 + seed, DType::F32), Some(&head))?;
        let layers = LayerGroups::of(&start);
        for (cell, (shots, epochs)) in cells.iter_mut().zip([(1, 200), (100, 10)]) {
            let gradual = Freezing::Gradual { layers: layers.clone(), every: (epochs / 10).max(1) };
            let regimes: [(f64, Freezing, f64); 3] = [
                (0.02, Freezing::all_but_top(&layers, 1)?, 1.0),
                (0.003, Freezing::Nothing, 1.0),
                (0.02, gradual, LayerGroups::ULMFIT_FACTOR),
            ];
            for (accuracy, (rate, freezing, factor)) in cell.iter_mut().zip(regimes) {
                let steps = epochs * if shots == 1 { 1 } else { 32 };
                let optimiser =
                    Chain::new().then(Adam::new(Schedule::cosine(rate, steps))).then(layers.discriminative(factor)?);
                let config = FitConfig { epochs, freezing, seed, ..FitConfig::default() };
                let fit = Fit { model: &model, optimiser: &optimiser, config: &config };
                let scores = k_shot(&fit, &start, (&target, 0..100), &test, shots, 2, &mut rng(seed))?;
                *accuracy = scores.iter().sum::<f64>() / 2.0;
            }
        }
    }
    // The mean over seeds of one regime's accuracy less another's, and its standard error.
    let gain = |n: usize, a: usize, b: usize| {
        let d: Vec<f64> = all.iter().map(|cells| cells[n][a] - cells[n][b]).collect();
        let mean = d.iter().sum::<f64>() / 5.0;
        (mean, (d.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0 / 5.0).sqrt())
    };
    let (few, many) = (gain(0, 0, 1), gain(1, 0, 1));
    assert!(few.0 > 2.0 * few.1 && many.0 < -2.0 * many.1, "{few:?}, {many:?}");
    for (mean, error) in [gain(0, 2, 0), gain(1, 2, 1)] {
        assert!(mean > -2.0 * error.max(0.01), "{mean} ± {error}: {all:?}");
    }
    Ok(())
}
