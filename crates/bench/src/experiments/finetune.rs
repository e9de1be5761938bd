//! Freezing, fine-tuning and rates by layer against the number of target labels.

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use candle_core::DType;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_nn::{Init, Mlp, MlpConfig, Model};
use rekindle_optim::{Adam, Chain, Schedule, Select};
use rekindle_tasks::{Batch, ClassDataset, Glyphs, InMemory, Subset, sets};
use rekindle_transfer::{Fit, FitConfig, Freezing, LayerGroups, adopt, examples, k_shot};

use super::finetune_report::report;
use crate::{Context, Experiment};

pub(super) struct Finetune;

pub(super) struct FinetuneGlyphs;

impl Experiment for Finetune {
    fn id(&self) -> &'static str {
        "transfer/finetune"
    }

    fn title(&self) -> &'static str {
        "Freezing and fine-tuning against the number of labels"
    }

    fn about(&self) -> &'static str {
        "A net that was trained on handwritten letters is given a new head for another script, and is trained further on a few \
         labels of it: on its head alone (*frozen*); on everything with one rate (*fine-tuned*); as Howard & Ruder 2018 do, with a \
         rate that falls by 2.6 from each layer to the one below it, and layers that are unfrozen from the top, one after each \
         tenth of the training (*discriminative*); or from fresh weights (*scratch*). Yosinski, Clune, Bengio & Lipson 2014 found when features transfer; here it is how many labels it takes \
         until they had better be changed.\n\n\
         - Source: EMNIST letters, 52 classes of 140 images. Targets: EMNIST digits (near), 10 classes, tested on 40 other \
           images of each; and Kuzushiji-MNIST (far), tested on 200 of each. Metrics of the latter begin with `kmnist/`.\n\
         - Net: 784-128-128-128, ReLU. Adam, minibatches of 32, a cosine to zero over 300 updates, or ten epochs where they \
           are more.\n\
         - Rates: `0.02` for the head where the rest is frozen, `0.003` where all layers share it: on the characters of \
           `transfer/finetune-glyphs` the best of `0.001`, `0.003`, `0.01`, `0.02`, for the mean over all numbers of labels, with two or \
           three of its seeds. \
           Following Howard & Ruder, *discriminative* takes the rate of training the last layer alone.\n\
         - A seed is a net of its own, and two draws of the labels.\n\n\
         `frozen-gain` is the accuracy of *frozen* less that of *fine-tuned*, `discriminative-gain` that of *discriminative* \
         less that of the better of the two; `crossing` is the number of labels at which the first is zero."
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let emnist = Arc::new(sets::emnist(ctx.data_set("emnist")?)?);
        let letters = Subset::new(Arc::clone(&emnist), (10..62).collect())?;
        let source = Source { data: Arc::new(letters), numbers: 0..140, units: 128, epochs: 6 };
        let shots: Vec<usize> = ctx.mode().of([&[1, 10, 100][..], &SHOTS, &SHOTS]).to_vec();
        let digits: Arc<dyn ClassDataset> = Arc::new(Subset::new(emnist, (0..10).collect())?);
        let near = Target { prefix: "", title: "Digits", data: digits, numbers: 0..110, test: 110..150, shots };
        source.transfer(ctx, &near)?;
        if let Some(shots) = ctx.mode().of([None, Some(&FAR_SHOTS[..]), Some(&FAR_SHOTS)]) {
            let kmnist: Arc<dyn ClassDataset> = Arc::new(sets::kmnist(ctx.data_set("kmnist")?)?);
            let (title, shots) = ("Kuzushiji-MNIST", shots.to_vec());
            let far = Target { prefix: "kmnist/", title, data: kmnist, numbers: 0..800, test: 800..1000, shots };
            source.transfer(ctx, &far)?;
        }
        Ok(())
    }
}

impl Experiment for FinetuneGlyphs {
    fn id(&self) -> &'static str {
        "transfer/finetune-glyphs"
    }

    fn title(&self) -> &'static str {
        "Freezing and fine-tuning on generated characters"
    }

    fn about(&self) -> &'static str {
        "The protocol of `transfer/finetune` on characters that are generated, 14×14: from 50 classes of 40 drawings to 10 \
         classes of another alphabet, tested on 50 drawings of each; 196-64-64-64."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let glyphs = |n_classes, n_examples, seed| -> Result<Arc<dyn ClassDataset>> {
            Ok(Arc::new(InMemory::copy_of(&Glyphs { n_classes, n_examples, size: 14, seed })?))
        };
        let source = Source { data: glyphs(50, 40, 1)?, numbers: 0..40, units: 64, epochs: 10 };
        let target = Target {
            prefix: "",
            title: "Another alphabet",
            data: glyphs(10, 200, 2)?,
            numbers: 0..150,
            test: 150..200,
            shots: SHOTS.to_vec(),
        };
        source.transfer(ctx, &target)
    }
}

/// Labels of each class.
const SHOTS: [usize; 7] = [1, 2, 5, 10, 20, 50, 100];
const FAR_SHOTS: [usize; 8] = [1, 2, 5, 10, 20, 50, 100, 500];

/// Seeds, at least; and draws of the labels for each.
const SEEDS: u64 = 5;
const DRAWS: usize = 2;

const BATCH: usize = 32;
const UPDATES: u64 = 300;
/// So that a tenth of the training is an epoch at least: layers are unfrozen after whole epochs.
const LEAST_EPOCHS: u64 = 10;
/// Shares of the training after which one more layer is opened.
const UNFREEZING: u64 = 10;
const HEAD: &str = "fc4";

/// What is trained on the target, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Regime {
    Frozen,
    FineTuned,
    Discriminative,
    Scratch,
}

impl Regime {
    pub(super) const ALL: [Self; 4] = [Self::Frozen, Self::FineTuned, Self::Discriminative, Self::Scratch];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::FineTuned => "fine-tuned",
            Self::Discriminative => "discriminative",
            Self::Scratch => "scratch",
        }
    }

    fn rate(self) -> f64 {
        match self {
            Self::Frozen | Self::Discriminative => 0.02,
            Self::FineTuned | Self::Scratch => 0.003,
        }
    }
}

/// What the net learns first.
struct Source {
    data: Arc<dyn ClassDataset>,
    /// The examples of each class that it learns.
    numbers: Range<usize>,
    /// Units of each hidden layer.
    units: usize,
    epochs: u64,
}

/// What it is fine-tuned to.
pub(super) struct Target {
    /// Before the names of its metrics.
    pub(super) prefix: &'static str,
    pub(super) title: &'static str,
    data: Arc<dyn ClassDataset>,
    /// The examples of each class that labels are drawn from.
    numbers: Range<usize>,
    /// Those of the test.
    test: Range<usize>,
    /// Labels of each class.
    shots: Vec<usize>,
}

impl Target {
    /// The numbers of labels of all classes together.
    pub(super) fn labels(&self) -> Vec<usize> {
        self.shots.iter().map(|shots| shots * self.data.n_classes()).collect()
    }
}

/// Accuracies in per cent: of each regime, for each number of labels, one a seed.
pub(super) type Accuracies = Vec<Vec<Vec<f64>>>;

impl Source {
    fn transfer(&self, ctx: &mut Context, target: &Target) -> Result<()> {
        ctx.section(target.title, |ctx| {
            let n_seeds = ctx.seeds().end.max(SEEDS);
            let test = examples(&*target.data, target.test.clone())?;
            let progress = ctx.progress(target.title, n_seeds * (target.shots.len() * Regime::ALL.len()) as u64);
            let mut all: Accuracies = vec![vec![Vec::new(); target.shots.len()]; Regime::ALL.len()];
            for seed in 0..n_seeds {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let trained = self.pretrain(ctx, &mut rng, seed)?;
                let model = self.net(target.data.n_classes())?;
                let fresh = model.init(&mut rng, DType::F32, ctx.device())?;
                let adopted = adopt(&trained, &fresh, Some(&Select::prefix([HEAD])))?;
                for (regime, row) in Regime::ALL.into_iter().zip(&mut all) {
                    let start = if regime == Regime::Scratch { &fresh } else { &adopted };
                    for (&shots, cell) in target.shots.iter().zip(row) {
                        cell.push(100.0 * tune(&model, start, regime, target, &test, shots, seed)?);
                        progress.inc(1);
                    }
                }
            }
            report(ctx, target, &all)
        })
    }

    fn net(&self, classes: usize) -> Result<Mlp> {
        let pixels = self.data.image_shape().iter().product();
        let sizes = vec![pixels, self.units, self.units, self.units, classes];
        Ok(Mlp::new(&MlpConfig { sizes, weight: Init::HeNormal, ..MlpConfig::default() })?)
    }

    fn pretrain(&self, ctx: &Context, rng: &mut ChaCha8Rng, seed: u64) -> Result<Params> {
        let model = self.net(self.data.n_classes())?;
        let fresh = model.init(rng, DType::F32, ctx.device())?;
        let data = examples(&*self.data, self.numbers.clone())?.to_device(ctx.device())?;
        let updates = self.epochs * data.n_examples()?.div_ceil(BATCH) as u64;
        let optimiser = Adam::new(Schedule::cosine(3e-3, updates));
        let config = FitConfig { epochs: self.epochs, batch: BATCH, seed, ..FitConfig::default() };
        Ok(Fit { model: &model, optimiser: &optimiser, config: &config }.train(&fresh, &data)?)
    }
}

/// The mean accuracy over the draws of the labels.
fn tune(
    model: &dyn Model,
    start: &Params,
    regime: Regime,
    target: &Target,
    test: &Batch,
    shots: usize,
    seed: u64,
) -> Result<f64> {
    let per_epoch = (shots * target.data.n_classes()).div_ceil(BATCH) as u64;
    let epochs = UPDATES.div_ceil(per_epoch).max(LEAST_EPOCHS);
    let layers = LayerGroups::of(start);
    let adam = Adam::new(Schedule::cosine(regime.rate(), epochs * per_epoch));
    let optimiser = match regime {
        Regime::Discriminative => Chain::new().then(adam).then(layers.discriminative(LayerGroups::ULMFIT_FACTOR)?),
        _ => Chain::new().then(adam),
    };
    let freezing = match regime {
        Regime::Frozen => Freezing::all_but_top(&layers, 1)?,
        Regime::Discriminative => Freezing::Gradual { layers, every: (epochs / UNFREEZING).max(1) },
        Regime::FineTuned | Regime::Scratch => Freezing::Nothing,
    };
    let config = FitConfig { epochs, batch: BATCH, freezing, seed, ..FitConfig::default() };
    let fit = Fit { model, optimiser: &optimiser, config: &config };
    // All regimes see the same labels.
    let mut rng = ChaCha8Rng::seed_from_u64(1000 * seed + shots as u64);
    let scores = k_shot(&fit, start, (&*target.data, target.numbers.clone()), test, shots, DRAWS, &mut rng)?;
    Ok(scores.iter().sum::<f64>() / scores.len() as f64)
}
