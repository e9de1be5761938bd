//! The learners of `model-based/omniglot`: each behind the same convolutional body, with the sizes of its paper where they
//! are affordable.

use anyhow::Result;
use candle_core::D;
use rekindle_autodiff::Params;
use rekindle_meta::{
    BlackBox, BlackBoxLearner, InContext, InContextConfig, Mann, MannConfig, MetaLearner, MetaNetworks,
    MetaNetworksConfig, Prequential, Recurrent, RecurrentConfig, Snail, SnailConfig, SnailLayer, Targets,
};
use rekindle_nn::{Conv4Body, Conv4Config, Init};
use rekindle_tasks::Batch;

use super::prompts::tiny;

/// Channels of the body in MAML's net for Omniglot.
pub(super) const CHANNELS: usize = 64;

/// Classes of an episode.
pub(super) const WAYS: usize = 5;

/// A learner with its name in metrics, a title, and what was published for 5-way 1-shot.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) learner: Box<dyn MetaLearner>,
    /// Accuracy in per cent, its interval, and where it stands.
    pub(super) published: Option<(f64, Option<f64>, &'static str)>,
    /// Adam's rate in the first iteration.
    pub(super) rate: f64,
    /// Whether it learns in parts, see [`in_parts`](super::in_parts). Its body stays as it is.
    pub(super) in_parts: bool,
}

/// Learners of 5-way tasks with one shot, behind a body of so many channels.
pub(super) fn one_shot(channels: usize) -> Result<Vec<Candidate>> {
    let (features, targets) = (body(channels)?.features(), Targets::Classes(WAYS));
    let of =
        |name, title, learner, published, rate| Candidate { name, title, learner, published, rate, in_parts: false };
    let santoro = (82.8, None, "Santoro et al. 2016, Table 1, second presentation of a class");
    let meta_networks = MetaNetworksConfig { units: 32, ..MetaNetworksConfig::new(features, targets) };
    let lstm = RecurrentConfig { every_step: false, ..wide_lstm(features) };
    let mann = MannConfig { every_step: false, ..small_mann(features) };
    Ok(vec![
        of(
            "snail",
            "SNAIL",
            boxed(Snail::new(narrow_snail(features))?, channels)?,
            Some((99.07, Some(0.16), "Mishra et al. 2018, Table 1")),
            2e-3,
        ),
        of(
            "in-context",
            "in-context transformer",
            boxed(InContext::new(transformer(features))?, channels)?,
            None,
            2e-3,
        ),
        of(
            "meta-networks",
            "Meta Networks",
            boxed(MetaNetworks::new(meta_networks)?, channels)?,
            Some((98.95, None, "Munkhdalai & Yu 2017, Table 1")),
            2e-3,
        ),
        Candidate { in_parts: true, ..of("lstm", "LSTM", frozen(Recurrent::new(lstm)?, channels)?, None, 2e-3) },
        Candidate { in_parts: true, ..of("mann", "MANN", frozen(Mann::new(mann)?, channels)?, Some(santoro), 2e-3) },
    ])
}

/// The recurrent learners of sequences, with their names.
pub(super) fn recurrent() -> Result<(BlackBoxLearner<Recurrent>, BlackBoxLearner<Mann>)> {
    let features = body(CHANNELS)?.features();
    Ok((
        embedded(Recurrent::new(wide_lstm(features))?, CHANNELS)?.frozen(),
        embedded(Mann::new(small_mann(features))?, CHANNELS)?.frozen(),
    ))
}

/// What labels are multiplied by.
const LABELS: f64 = 4.0;

/// More units than the paper has (200), for more room.
fn wide_lstm(features: usize) -> RecurrentConfig {
    let config = RecurrentConfig::lstm(features, Targets::Classes(WAYS));
    RecurrentConfig { units: 256, target_scale: LABELS, every_step: true, ..config }
}

/// Half of the paper's controller and memory: 64 places are enough for 50 presentations.
fn small_mann(features: usize) -> MannConfig {
    let config = MannConfig::new(features, Targets::Classes(WAYS));
    MannConfig { units: 100, places: 64, width: 20, target_scale: LABELS, ..config }
}

/// The paper's layers with half of its widths.
fn narrow_snail(features: usize) -> SnailConfig {
    let mut config = SnailConfig::few_shot(features, WAYS, 1);
    for layer in &mut config.layers {
        *layer = match *layer {
            SnailLayer::Convolutions(filters) => SnailLayer::Convolutions(filters / 2),
            SnailLayer::Attention { keys, values } => SnailLayer::Attention { keys: keys / 2, values: values / 2 },
        };
    }
    config
}

fn transformer(features: usize) -> InContextConfig {
    InContextConfig { transformer: tiny(), ..InContextConfig::classes(features, WAYS) }
}

/// MAML's net for Omniglot without its head. He's distribution, since ReLU follows.
pub(super) fn body(channels: usize) -> Result<Conv4Body> {
    Ok(Conv4Body::new(Conv4Config { conv: Init::HeNormal, channels, ..Conv4Config::omniglot() })?)
}

fn embedded<B: BlackBox>(core: B, channels: usize) -> Result<BlackBoxLearner<B>> {
    Ok(BlackBoxLearner::with_embedding(core, body(channels)?))
}

fn boxed(core: impl BlackBox + 'static, channels: usize) -> Result<Box<dyn MetaLearner>> {
    Ok(Box::new(embedded(core, channels)?))
}

/// The same behind a body that stays as it is.
fn frozen(core: impl BlackBox + 'static, channels: usize) -> Result<Box<dyn MetaLearner>> {
    Ok(Box::new(embedded(core, channels)?.frozen()))
}

/// Accuracies at the first, second, … sight of a class in a sequence of labelled images.
pub(super) fn at_sights<B: Prequential>(
    learner: &BlackBoxLearner<B>,
    params: &Params,
    sequence: &Batch,
    sights: usize,
) -> Result<Vec<Vec<f64>>> {
    let logits = learner.outputs(params, sequence)?;
    let guesses = logits.value().argmax(D::Minus1)?.to_vec2::<u32>()?;
    let labels = sequence.y.to_vec2::<u32>()?;
    let mut accuracies = vec![Vec::with_capacity(labels.len()); sights];
    for (guesses, labels) in guesses.iter().zip(&labels) {
        let mut seen = [0usize; WAYS];
        let mut right = vec![(0usize, 0usize); sights];
        for (guess, label) in guesses.iter().zip(labels) {
            let sight = &mut seen[*label as usize];
            if let Some((hits, all)) = right.get_mut(*sight) {
                (*hits, *all) = (*hits + usize::from(guess == label), *all + 1);
            }
            *sight += 1;
        }
        for (accuracies, (hits, all)) in accuracies.iter_mut().zip(right) {
            accuracies.push(hits as f64 / all.max(1) as f64);
        }
    }
    Ok(accuracies)
}
