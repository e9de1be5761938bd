//! A candle-nn model from a safetensors file, with a new head, two frozen layers and rates by layer, on a new task.
#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{VarBuilder, VarMap, linear, seq};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_nn::{CandleModel, Model};
use rekindle_optim::{Adam, Chain, Select};
use rekindle_tasks::{Batch, Glyphs};
use rekindle_transfer::{Fit, FitConfig, Freezing, LayerGroups, adopt, examples, score, with_task_axis};

/// Three hidden layers and a head, in plain candle-nn: it knows nothing of rekindle.
fn net(vb: VarBuilder<'_>, classes: usize) -> candle_core::Result<Box<dyn Module>> {
    let body = seq().add_fn(|x| x.flatten_from(1)).add(linear(784, 128, vb.pp("fc1"))?).add_fn(Tensor::relu);
    let body = body.add(linear(128, 64, vb.pp("fc2"))?).add_fn(Tensor::relu);
    let body = body.add(linear(64, 64, vb.pp("fc3"))?).add_fn(Tensor::relu);
    Ok(Box::new(body.add(linear(64, classes, vb.pp("head"))?)))
}

fn main() -> anyhow::Result<()> {
    // Somebody else's work: a candle-nn model, stored as candle stores it.
    let file = std::env::temp_dir().join(format!("finetune_candle_model-{}.safetensors", std::process::id()));
    let variables = VarMap::new();
    net(VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu), 26)?;
    variables.save(&file)?;

    // Ours: the same layers for 10 characters; all weights but the head's come from the file.
    let model = CandleModel::new("mlp", |vb| net(vb, 10));
    let fresh = model.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let source = with_task_axis(&Params::load(&file, &Device::Cpu)?)?;
    let start = adopt(&source, &fresh, Some(&Select::prefix(["head"])))?;
    std::fs::remove_file(&file)?;

    // 20 drawings of each character to learn from, 20 others for the test.
    let glyphs = Glyphs { n_classes: 10, n_examples: 40, ..Glyphs::default() };
    let (train, test): (Batch, Batch) = (examples(&glyphs, 0..20)?, examples(&glyphs, 20..40)?);

    // The lowest two layers stay; each of the others learns 2.6 times slower than the one above it.
    let layers = LayerGroups::of(&start);
    let optimiser = Chain::new().then(Adam::new(3e-3)).then(layers.discriminative(LayerGroups::ULMFIT_FACTOR)?);
    let config = FitConfig { epochs: 100, freezing: Freezing::bottom(&layers, 2)?, ..FitConfig::default() };
    let tuned = Fit { model: &model, optimiser: &optimiser, config: &config }.train(&start, &train)?;

    for (when, params) in [("before", &start), ("after", &tuned)] {
        println!("accuracy {when} fine-tuning: {:.2}", score(&model, params, &test, config.loss)?[0]);
    }
    Ok(())
}
