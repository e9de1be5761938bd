//! The same seed gives the same bits, for any number of threads and any chunk of tasks.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle::autodiff::Params;
use rekindle::meta::{Maml, MamlConfig, MetaLearner, Runner, TrainConfig, Trainer};
use rekindle::nn::{Conv4, Conv4Config};
use rekindle::optim::Adam;
use rekindle::tasks::{FewShot, FewShotSampler, Glyphs};

fn train(runner: Runner) -> Result<Params> {
    let tasks = FewShotSampler::new(Glyphs::default(), FewShot::default())?;
    let model = Conv4::new(Conv4Config { channels: 8, ..Conv4Config::omniglot() }, 5)?;
    let learner = Maml::new(model, MamlConfig::omniglot())?;
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(3), DType::F32, &Device::Cpu)?;
    let config = TrainConfig { iterations: 5, meta_batch: 7, seed: 11, runner, ..TrainConfig::default() };
    let trainer = Trainer { learner: &learner, optimiser: &Adam::new(1e-3), config: &config };
    Ok(trainer.run(&initial, Arc::new(tasks), None, &mut ())?.params)
}

fn bits(params: &Params) -> Result<Vec<u64>> {
    let values = params.leaves().iter().map(|leaf| leaf.to_vec_f64()).collect::<Result<Vec<_>, _>>()?;
    Ok(values.concat().into_iter().map(f64::to_bits).collect())
}

#[test]
fn threads_and_chunks_change_no_bit() -> Result<()> {
    let reference = bits(&train(Runner { chunk: Some(7), threads: 1 })?)?;
    for (chunk, threads) in [(Some(1), 1), (Some(1), 2), (Some(3), 2), (None, 2)] {
        let other = bits(&train(Runner { chunk, threads })?)?;
        assert!(reference == other, "chunk {chunk:?} on {threads} threads gives other bits");
    }
    Ok(())
}
