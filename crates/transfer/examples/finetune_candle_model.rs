//! A candle-nn model from a safetensors file, with a new head, two frozen layers and rates by layer, on a new task.
#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{VarBuilder, linear, seq};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_nn::{CandleModel, Model};
use rekindle_optim::{Adam, Chain, Select};
use rekindle_tasks::Glyphs;
use rekindle_transfer::{Fit, FitConfig, Freezing, LayerGroups, adopt, examples, score, with_task_axis};

/// Three hidden layers and a head, in plain candle-nn: it knows nothing of rekindle.
fn net(vb: &VarBuilder<'_>, classes: usize) -> candle_core::Result<Box<dyn Module>> {
    let body = seq().add_fn(|x| x.flatten_from(1)).add(linear(784, 128, vb.pp("fc1"))?).add_fn(Tensor::relu);
    let body = body.add(linear(128, 64, vb.pp("fc2"))?).add_fn(Tensor::relu);
    let body = body.add(linear(64, 64, vb.pp("fc3"))?).add_fn(Tensor::relu);
    Ok(Box::new(body.add(linear(64, classes, vb.pp("head"))?)))
}

fn main() -> anyhow::Result<()> {
    let (mut rng, cpu) = (ChaCha8Rng::seed_from_u64(0), Device::Cpu);
    let glyphs = |n_classes, seed| Glyphs { n_classes, n_examples: 40, size: 28, seed };

    // A source model, trained on 50 characters and stored as candle stores models: no task axis, sorted by name.
    let model = CandleModel::new("source", |vb| net(&vb, 50));
    let fit =
        Fit { model: &model, optimiser: &Adam::new(2e-3), config: &FitConfig { epochs: 5, ..FitConfig::default() } };
    let trained = fit.train(&model.init(&mut rng, DType::F32, &cpu)?, &examples(&glyphs(50, 1), 0..40)?)?;
    let file = std::env::temp_dir().join(format!("finetune_candle_model-{}.safetensors", std::process::id()));
    trained.map(|leaf| leaf.squeeze(0))?.save(&file)?;

    // The target model: the same layers for 10 other characters. All weights but the head's come from the file.
    let model = CandleModel::new("target", |vb| net(&vb, 10));
    let fresh = model.init(&mut rng, DType::F32, &cpu)?;
    let start = adopt(&with_task_axis(&Params::load(&file, &cpu)?)?, &fresh, Some(&Select::prefix(["head"])))?;
    std::fs::remove_file(&file)?;

    // The lowest two layers stay; each of the others learns 2.6 times slower than the one above it.
    let layers = LayerGroups::of(&start);
    let optimiser = Chain::new().then(Adam::new(5e-3)).then(layers.discriminative(LayerGroups::ULMFIT_FACTOR)?);
    let config = FitConfig { epochs: 60, freezing: Freezing::bottom(&layers, 2)?, ..FitConfig::default() };

    // 10 drawings of each character to learn from, 30 others for the test.
    let (train, test) = (examples(&glyphs(10, 2), 0..10)?, examples(&glyphs(10, 2), 10..40)?);
    let tuned = Fit { model: &model, optimiser: &optimiser, config: &config }.train(&start, &train)?;
    for (when, params) in [("before", &start), ("after", &tuned)] {
        println!("accuracy {when} fine-tuning: {:.2}", score(&model, params, &test, config.loss)?[0]);
    }
    Ok(())
}
