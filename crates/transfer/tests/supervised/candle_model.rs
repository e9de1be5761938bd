//! A candle-nn model through a safetensors file.

use candle_core::{DType, Device, Module};
use candle_nn::{VarBuilder, VarMap};
use rekindle_autodiff::{NormStats, Params, Tensor};
use rekindle_nn::{CandleModel, Model};
use rekindle_optim::{Adam, Chain, Select};
use rekindle_transfer::{Fit, FitConfig, Freezing, LayerGroups, Lora, LoraConfig, adopt, score, with_task_axis};

use super::{Result, bits, close, init, quadrants, rng};

fn net(vb: &VarBuilder<'_>, classes: usize) -> candle_core::Result<Box<dyn Module>> {
    let body = candle_nn::seq().add(candle_nn::linear(2, 16, vb.pp("fc1"))?).add(candle_nn::Activation::Relu);
    let body = body.add(candle_nn::linear(16, 16, vb.pp("fc2"))?).add(candle_nn::Activation::Relu);
    Ok(Box::new(body.add(candle_nn::linear(16, classes, vb.pp("head"))?)))
}

/// What candle wrote: its weights, and its answers to some inputs.
fn stored(folder: &std::path::Path, x: &candle_core::Tensor) -> Result<(std::path::PathBuf, candle_core::Tensor)> {
    let path = folder.join("source.safetensors");
    let variables = VarMap::new();
    let module = net(&VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu), 7)?;
    variables.save(&path)?;
    Ok((path, module.forward(x)?))
}

#[test]
fn the_file_gives_candles_own_answers_and_is_fine_tuned() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = quadrants(1, 200, 1, DType::F32);
    let (path, answers) = stored(folder.path(), &data.x.squeeze(0)?)?;
    let source = with_task_axis(&Params::load(&path, &Device::Cpu)?)?;
    let x = Tensor::new(data.x.clone());
    let ours = CandleModel::new("seven", |vb| net(&vb, 7)).forward(&source, &x, NormStats::Batch)?;
    assert!(close(&ours.to_vec_f64()?, &Tensor::new(answers).to_vec_f64()?, 1e-6));

    let model = CandleModel::new("four", |vb| net(&vb, 4));
    let start = adopt(&source, &init(&model, 1, DType::F32), Some(&Select::prefix(["head"])))?;
    let layers = LayerGroups::of(&start);
    let config = FitConfig { epochs: 20, freezing: Freezing::bottom(&layers, 1)?, ..FitConfig::default() };
    let optimiser = Chain::new().then(Adam::new(0.02)).then(layers.discriminative(2.6)?);
    let tuned = Fit { model: &model, optimiser: &optimiser, config: &config }.train(&start, &data)?;
    let same = bits(&start).into_iter().zip(bits(&tuned)).filter(|(a, b)| a == b).map(|(a, _)| a.0);
    assert_eq!(same.collect::<Vec<_>>(), ["fc1.bias", "fc1.weight"]);
    let accuracy = score(&model, &tuned, &data, config.loss)?[0];
    assert!(accuracy > 0.85, "{accuracy}");
    Ok(())
}

/// The foreign node passes derivatives on to A and B.
#[test]
fn low_rank_differences_train_on_a_candle_model() -> Result<()> {
    let model = CandleModel::new("four", |vb| net(&vb, 4));
    let base = init(&model, 0, DType::F32);
    let lora = Lora::new(model, LoraConfig::default())?;
    let start = lora.attach(&base, &mut rng(1))?;
    let config = FitConfig { epochs: 20, freezing: Freezing::Always(lora.frozen()), ..FitConfig::default() };
    let data = quadrants(1, 200, 1, DType::F32);
    let tuned = Fit { model: &lora, optimiser: &Adam::new(0.02), config: &config }.train(&start, &data)?;
    let accuracy = score(&lora, &tuned, &data, config.loss)?[0];
    assert!(accuracy > 0.85, "{accuracy}");
    Ok(())
}
