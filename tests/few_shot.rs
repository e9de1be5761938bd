//! MAML on generated characters: images, tasks, model, inner loop, optimiser and trainer together.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle::meta::{EvalConfig, Maml, MamlConfig, MetaLearner, Runner, Setting, TrainConfig, Trainer, evaluate};
use rekindle::nn::{Conv4, Conv4Config};
use rekindle::optim::Adam;
use rekindle::tasks::{FewShot, FewShotSampler, Glyphs, InMemory, Subset};

/// Chance is 0.2 and the pixels' nearest neighbour gets 0.51 of the queries right; a short meta-training with a narrow
/// net must beat both clearly, on characters that it has not seen.
#[test]
fn maml_learns_to_tell_unseen_glyphs_apart() -> Result<()> {
    let glyphs = Arc::new(InMemory::copy_of(&Glyphs { n_classes: 300, ..Glyphs::default() })?);
    let episode = FewShot { ways: 5, shots: 1, queries: 1, rotate: false };
    let train = FewShotSampler::new(Subset::new(Arc::clone(&glyphs), (0..250).collect())?, episode.clone())?;
    let test = FewShotSampler::new(Subset::new(glyphs, (250..300).collect())?, episode)?;

    let model = Conv4::new(Conv4Config { channels: 16, ..Conv4Config::omniglot() }, 5)?;
    let learner = Maml::new(model, MamlConfig::omniglot())?;
    let initial = learner.init(&mut ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    let runner = Runner::with_threads(2);
    let config = TrainConfig { iterations: 250, meta_batch: 16, runner, ..TrainConfig::default() };
    let trainer = Trainer { learner: &learner, optimiser: &Adam::new(3e-3), config: &config };
    let trained = trainer.run(&initial, Arc::new(train), None, &mut ())?;

    let judge = |params, setting| {
        evaluate(&learner, params, &test, &EvalConfig { n_tasks: 200, setting, runner, ..EvalConfig::default() })
    };
    let before = judge(&initial, Setting::Transductive)?.mean;
    let after = judge(&trained.params, Setting::Transductive)?.mean;
    let inductive = judge(&trained.params, Setting::Inductive)?.mean;
    assert!(before < 0.65, "an untrained net gets {before:.3}: the test would prove nothing");
    assert!(after > 0.72, "after meta-training {after:.3}");
    assert!(inductive > 0.5, "without transduction {inductive:.3}");
    Ok(())
}
